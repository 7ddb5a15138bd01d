"""Anthropic's messages protocol over the vendor's SDK, which carries connection and headers.

The protocol has no label probabilities.
"""

from __future__ import annotations

from functools import partial

import anthropic

from amendment.llm._anthropic_format import body_for, read_reply
from amendment.llm._client import Repeating, http_client
from amendment.llm._hosted import HostedProvider, Wire
from amendment.llm._usage import anthropic_usage, meter_by
from amendment.llm.specs import AnthropicSpec
from amendment.redaction import redact_logs

__all__ = ["open_anthropic"]


class AsyncAnthropic(Repeating, anthropic.AsyncAnthropic):
    """The SDK's client, which names itself to the server by its class."""


def open_anthropic(spec: AnthropicSpec, key: str | None) -> HostedProvider:
    """A server that speaks Anthropic's messages protocol. Without a key, none of environment or profile is used."""
    credentials: dict[str, str] = {}
    client = AsyncAnthropic(
        api_key=key or "none",  # without one the SDK looks for credentials; it is not sent
        base_url=spec.base_url,
        max_retries=0,
        timeout=None,
        open_telemetry=False,
        http_client=http_client(credentials, base_url=spec.base_url, timeout=spec.timeout),
    )
    if key:
        credentials.update(client.auth_headers)
    redact_logs(key or "")
    wire = Wire(
        kind="anthropic",
        path="/v1/messages",
        status_error=anthropic.APIStatusError,
        body=partial(body_for, max_tokens=spec.max_tokens, cache=spec.cache),
        read=read_reply,
        meter=meter_by(anthropic_usage),
        shows_choices=spec.shows_choices,
    )
    return HostedProvider(spec, key, client, wire)
