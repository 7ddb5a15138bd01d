"""A model behind HTTP: post a body by the SDK's client, keep the raw reply, tell faults apart.

One attempt a call: retries and the deadline belong to `calls`. Use from one event loop. What differs between the
vendors' protocols comes as a `Wire`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx2
import orjson

from amendment.errors import Rejected
from amendment.llm._headers import server_id_of
from amendment.llm._http import Endpoint, broken, fault_of
from amendment.llm._transport import HEADERS
from amendment.llm.provider import Meter, Sent
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import HostedSpec

__all__ = ["HostedProvider", "Wire", "encoded"]


_OPTIONS: Mapping[str, Any] = {
    "headers": {},
    "idempotency_key": "none",
    "max_retries": 0,
    "params": {},
    "timeout": None,
}
"""What the SDKs would fill in themselves for every call, and take longer. The idempotency key, which they draw from the
system's randomness, is never sent."""


class Wire(NamedTuple):
    """One protocol as its SDK speaks it."""

    kind: str
    path: str
    status_error: type[Any]
    """The SDK's error for another status than success; it carries the response."""
    body: Callable[[Request], Mapping[str, Any]]
    """Raises Rejected for what the protocol cannot ask."""
    read: Callable[[bytes, Request], Reply]
    meter: Callable[[bytes], Meter]
    shows_choices: bool


class HostedProvider:
    """A server that speaks a wire's protocol."""

    def __init__(self, spec: HostedSpec, key: str | None, client: Any, wire: Wire) -> None:
        self.kind = wire.kind
        self.host = spec.host
        self.deadline = spec.timeout
        """Seconds; whoever sends keeps it."""
        self.shows_choices = wire.shows_choices
        self.meter = wire.meter
        """Usage and model, as far as they can be found. Never raises."""
        self._endpoint = Endpoint(spec.host, spec.model, spec.api_key_env, key)
        self._client = client
        self._url = spec.base_url + wire.path  # whole, since the SDKs parse a path three times
        self.wire = wire
        self._has_answered = False

    async def send(self, request: Request) -> Sent:
        """The raw body of a good status, with what its headers tell. Raises ProviderError, and nothing else."""
        content = encoded(self.wire.body(request), self.host)
        try:
            response = await self._client.post(self._url, content=content, cast_to=httpx2.Response, options=_OPTIONS)
        except self.wire.status_error as fault:
            reply = fault.response
            headers, first = reply.extensions[HEADERS], not self._has_answered
            raise fault_of(self._endpoint, reply.status_code, headers, reply.content, at_first=first) from None
        except Exception as fault:
            raise broken(self._endpoint, fault) from None
        self._has_answered = True
        headers = response.extensions[HEADERS]
        name = self._endpoint.call_name(server_id_of(headers))
        return Sent(self._endpoint.without_key(b"".join(response.stream)), name)

    def read(self, raw: bytes, request: Request) -> Reply:
        """The reply in a raw body. Raises Transient where there is none in it."""
        return self.wire.read(raw, request)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def encoded(body: Mapping[str, Any], host: str) -> bytes:
    """The body as it is sent. Raises Rejected for what JSON cannot hold."""
    try:
        return orjson.dumps(body)
    except TypeError:  # an integer of more than 64 bits, in a tool's schema, say
        pass
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError) as fault:
        raise Rejected(f"{host}: the question cannot be written as JSON ({type(fault).__name__})") from None
