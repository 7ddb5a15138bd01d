"""A model behind HTTP: post a body by the SDK's client, keep the raw reply, tell faults apart.

One attempt a call: retries belong to `calls`. Use from one event loop. What differs between the vendors'
protocols comes as a `Wire`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx2

from amendment.calls import Reply, Request
from amendment.errors import Transient
from amendment.providers._http import Endpoint, fault_of
from amendment.providers.specs import HostedSpec

__all__ = ["HostedProvider", "Wire"]

MARGIN = 15.0
"""Seconds that a call may take beyond the entry's `timeout`, which `send` keeps by itself."""


class Wire(NamedTuple):
    """One protocol as its SDK speaks it."""

    kind: str
    path: str
    status_error: type[Any]
    """The SDK's error for another status than success; it carries the response."""
    connection_error: type[Exception]
    body: Callable[[Request], Mapping[str, Any]]
    """Raises Rejected for what the protocol cannot ask."""
    read: Callable[[bytes, Request], Reply]
    shows_choices: bool


class HostedProvider:
    """A server that speaks a wire's protocol."""

    def __init__(self, spec: HostedSpec, key: str | None, client: Any, wire: Wire) -> None:
        self.kind = wire.kind
        self.host = spec.host
        self.deadline = spec.timeout + MARGIN
        self.shows_choices = wire.shows_choices
        self._endpoint = Endpoint(spec.host, spec.model, spec.api_key_env, key)
        self._timeout = spec.timeout
        self._client = client
        self._wire = wire

    async def send(self, request: Request) -> bytes:
        """The raw body of a good status. Raises Transient, Rejected or CredentialsError for the others."""
        body = self._wire.body(request)
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.post(self._wire.path, body=body, cast_to=httpx2.Response)
        except self._wire.status_error as fault:
            reply = fault.response
            raise fault_of(self._endpoint, reply.status_code, reply.headers, reply.content) from None
        except TimeoutError:
            raise Transient(f"{self.host}: no reply within {self._timeout:g} s") from None
        except self._wire.connection_error as fault:
            raise Transient(f"{self.host}: no reply ({type(fault.__cause__ or fault).__name__})") from None
        content: bytes = response.content
        return self._endpoint.without_key(content)

    def read(self, raw: bytes, request: Request) -> Reply:
        """The reply in a raw body. Raises Transient where there is none in it."""
        return self._wire.read(raw, request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()
