"""OpenAI's chat protocol over the vendor's SDK, which carries connection and headers; the body is kept raw.

One attempt a call: retries belong to `calls`. Use from one event loop.
"""

from __future__ import annotations

import asyncio

import httpx2
import openai

from amendment.calls import Reply, Request
from amendment.errors import Transient
from amendment.providers._client import http_options
from amendment.providers._http import Endpoint, fault_of
from amendment.providers._openai_format import body_for, read_reply
from amendment.providers.specs import OpenAISpec

__all__ = ["OpenAIProvider"]


class OpenAIProvider:
    """A server that speaks OpenAI's chat protocol."""

    kind = "openai"

    def __init__(self, spec: OpenAISpec, key: str | None) -> None:
        """`key` is None for servers that want none; no key of the environment is sent then."""
        self._spec = spec
        self._endpoint = Endpoint(spec.host, spec.model, spec.api_key_env, key)
        credentials: dict[str, str] = {}
        http = http_options(credentials, timeout=spec.timeout, connections=spec.concurrency)
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",  # the SDK wants one; the hook does not send it
            base_url=spec.base_url,
            max_retries=0,
            http_client=openai.DefaultAsyncHttpxClient(**http),
        )
        if key:
            credentials.update(self._client.auth_headers)

    @property
    def host(self) -> str:
        return self._spec.host

    @property
    def shows_choices(self) -> bool:
        return self._spec.logprobs

    async def send(self, request: Request) -> bytes:
        """The raw body of a good status. Raises Transient, Rejected or CredentialsError for the others."""
        try:
            async with asyncio.timeout(self._spec.timeout):
                response = await self._client.post(
                    "/chat/completions", body=body_for(request, self._spec), cast_to=httpx2.Response
                )
        except openai.APIStatusError as fault:
            reply = fault.response
            raise fault_of(self._endpoint, reply.status_code, reply.headers, reply.content) from None
        except (openai.APIConnectionError, TimeoutError) as fault:
            raise Transient(f"{self.host}: no reply ({type(fault.__cause__ or fault).__name__})") from None
        return response.content

    def read(self, raw: bytes, request: Request) -> Reply:
        return read_reply(raw, request)

    async def close(self) -> None:
        await self._client.close()
