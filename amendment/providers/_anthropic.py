"""Anthropic's messages protocol over the vendor's SDK, which carries connection and headers.

The protocol has no label probabilities.
"""

from __future__ import annotations

from functools import partial

import anthropic

from amendment.providers._anthropic_format import body_for, read_reply
from amendment.providers._client import http_options
from amendment.providers._hosted import HostedProvider, Wire
from amendment.providers.specs import AnthropicSpec

__all__ = ["open_anthropic"]


def open_anthropic(spec: AnthropicSpec, key: str | None) -> HostedProvider:
    """A server that speaks Anthropic's messages protocol. Without a key, none of environment or profile is used."""
    credentials: dict[str, str] = {}
    http = http_options(credentials, timeout=spec.timeout, connections=spec.concurrency)
    client = anthropic.AsyncAnthropic(
        api_key=key or "none",  # without one the SDK looks for credentials; the hook does not send it
        base_url=spec.base_url,
        max_retries=0,
        open_telemetry=False,
        http_client=anthropic.DefaultAsyncHttpxClient(**http),
    )
    if key:
        credentials.update(client.auth_headers)
    wire = Wire(
        kind="anthropic",
        path="/v1/messages",
        status_error=anthropic.APIStatusError,
        connection_error=anthropic.APIConnectionError,
        body=partial(body_for, max_tokens=spec.max_tokens),
        read=read_reply,
        shows_choices=spec.shows_choices,
    )
    return HostedProvider(spec, key, client, wire)
