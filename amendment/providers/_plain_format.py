"""The raw reply of providers inside this process: compact JSON of our own, so that the ledger can hold it."""

from __future__ import annotations

import json

from amendment.calls import Reply, Request, Usage
from amendment.errors import Transient
from amendment.records import Message

__all__ = ["read_plain", "write_plain"]


def write_plain(
    text: str, *, finish_reason: str, input_tokens: int, output_tokens: int, logprobs: dict[str, float] | None = None
) -> bytes:
    """The raw bytes of a reply; `logprobs` are those of the labels that were asked for."""
    body = {
        "text": text,
        "finish_reason": finish_reason,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        **({"choice_logprobs": logprobs} if logprobs is not None else {}),
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


def read_plain(raw: bytes, request: Request) -> Reply:
    """The inverse of `write_plain`. Raises Transient for bytes that it did not write."""
    try:
        body = json.loads(raw)
        return Reply(
            messages=(Message(role="assistant", content=body["text"]),),
            finish_reason=body["finish_reason"],
            choice_logprobs=body.get("choice_logprobs"),
            usage=Usage(input_tokens=body["input_tokens"], output_tokens=body["output_tokens"]),
        )
    except (ValueError, KeyError, TypeError) as fault:
        raise Transient(f"{request.host}: the stored reply is not one of this provider ({fault!r})") from fault
