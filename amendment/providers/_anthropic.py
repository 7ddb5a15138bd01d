"""Anthropic's messages protocol over the vendor's SDK, which carries connection and headers; the body is kept raw.

One attempt a call: retries belong to `calls`. Use from one event loop. No label probabilities: the protocol has none.
"""

from __future__ import annotations

import asyncio

import anthropic
import httpx2

from amendment.calls import Reply, Request
from amendment.errors import Rejected, Transient
from amendment.providers._anthropic_format import body_for, read_reply
from amendment.providers._client import http_options
from amendment.providers._http import Endpoint, fault_of
from amendment.providers.specs import AnthropicSpec

__all__ = ["AnthropicProvider"]


class AnthropicProvider:
    """A server that speaks Anthropic's messages protocol."""

    kind = "anthropic"
    shows_choices = False

    def __init__(self, spec: AnthropicSpec, key: str | None) -> None:
        """`key` is None for servers that want none; no key or profile of the environment is used then."""
        self._spec = spec
        self._endpoint = Endpoint(spec.host, spec.model, spec.api_key_env, key)
        credentials: dict[str, str] = {}
        http = http_options(credentials, timeout=spec.timeout, connections=spec.concurrency)
        self._client = anthropic.AsyncAnthropic(
            api_key=key or "none",  # without one the SDK looks for credentials; the hook does not send it
            base_url=spec.base_url,
            max_retries=0,
            open_telemetry=False,
            http_client=anthropic.DefaultAsyncHttpxClient(**http),
        )
        if key:
            credentials.update(self._client.auth_headers)

    @property
    def host(self) -> str:
        return self._spec.host

    async def send(self, request: Request) -> bytes:
        """The raw body of a good status. Raises Transient, Rejected or CredentialsError for the others."""
        if request.choices:
            raise Rejected(f"{self.host}: this protocol shows no label probabilities; use a verdict in words")
        try:
            async with asyncio.timeout(self._spec.timeout):
                response = await self._client.post(
                    "/v1/messages", body=body_for(request, self._spec.max_tokens), cast_to=httpx2.Response
                )
        except anthropic.APIStatusError as fault:
            reply = fault.response
            raise fault_of(self._endpoint, reply.status_code, reply.headers, reply.content) from None
        except (anthropic.APIConnectionError, TimeoutError) as fault:
            raise Transient(f"{self.host}: no reply ({type(fault.__cause__ or fault).__name__})") from None
        return response.content

    def read(self, raw: bytes, request: Request) -> Reply:
        return read_reply(raw, request)

    async def close(self) -> None:
        await self._client.close()
