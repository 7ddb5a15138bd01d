"""OpenAI's chat and responses protocols over the vendor's SDK, which carries connection and headers."""

from __future__ import annotations

from functools import partial

import openai

from amendment.llm import _openai_format, _responses_format
from amendment.llm._client import Repeating, http_client
from amendment.llm._hosted import HostedProvider, Wire
from amendment.llm._usage import meter_by, openai_usage
from amendment.llm.requests import Reply, Request
from amendment.llm.specs import OpenAISpec
from amendment.redaction import redact_logs

__all__ = ["open_openai"]


class AsyncOpenAI(Repeating, openai.AsyncOpenAI):
    """The SDK's client, which names itself to the server by its class."""


def open_openai(spec: OpenAISpec, key: str | None) -> HostedProvider:
    """A server that speaks a protocol of OpenAI's. Without a key, none of the environment is sent."""
    credentials: dict[str, str] = {}
    client = AsyncOpenAI(
        api_key=key or "none",  # the SDK wants one; it is not sent
        base_url=spec.base_url,
        max_retries=0,
        timeout=None,
        http_client=http_client(credentials, base_url=spec.base_url, timeout=spec.timeout),
    )
    if key:
        credentials.update(client.auth_headers)
    redact_logs(key or "")
    return HostedProvider(spec, key, client, _wire(spec))


def _wire(spec: OpenAISpec) -> Wire:
    is_new = spec.api == "responses"
    return Wire(
        kind="openai",
        path="/responses" if is_new else "/chat/completions",
        status_error=openai.APIStatusError,
        body=_responses_format.body_for if is_new else partial(_openai_format.body_for, spec=spec),
        read=_read_response if is_new else _read_completion,
        meter=meter_by(openai_usage),
        shows_choices=spec.shows_choices,
    )


def _read_completion(raw: bytes, request: Request) -> Reply:
    """A chat completion; or a response, which the ledger holds where the entry's `api` was another one before."""
    if b'"choices"' not in raw and b'"output"' in raw:
        return _responses_format.read_reply(raw, request)
    return _openai_format.read_reply(raw, request)


def _read_response(raw: bytes, request: Request) -> Reply:
    """A response; or a chat completion from before."""
    if b'"output"' not in raw and b'"choices"' in raw:
        return _openai_format.read_reply(raw, request)
    return _responses_format.read_reply(raw, request)
