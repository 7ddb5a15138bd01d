"""OpenAI's chat protocol over the vendor's SDK, which carries connection and headers."""

from __future__ import annotations

from functools import partial

import openai

from amendment.providers._client import http_options
from amendment.providers._hosted import HostedProvider, Wire
from amendment.providers._openai_format import body_for, read_reply
from amendment.providers.specs import OpenAISpec

__all__ = ["open_openai"]


def open_openai(spec: OpenAISpec, key: str | None) -> HostedProvider:
    """A server that speaks OpenAI's chat protocol. Without a key, none of the environment is sent."""
    credentials: dict[str, str] = {}
    http = http_options(credentials, timeout=spec.timeout, connections=spec.concurrency)
    client = openai.AsyncOpenAI(
        api_key=key or "none",  # the SDK wants one; the hook does not send it
        base_url=spec.base_url,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(**http),
    )
    if key:
        credentials.update(client.auth_headers)
    wire = Wire(
        kind="openai",
        path="/chat/completions",
        status_error=openai.APIStatusError,
        connection_error=openai.APIConnectionError,
        body=partial(body_for, spec=spec),
        read=read_reply,
        shows_choices=spec.logprobs,
    )
    return HostedProvider(spec, key, client, wire)
