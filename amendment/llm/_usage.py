"""What a raw reply took, and which model says that it answered, by every protocol's own names.

Covered: cached input; numbers of a wrong type, which count as absent and spoil nothing else. Not covered: money.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from amendment.llm._http import clean
from amendment.llm.provider import Meter
from amendment.llm.requests import Usage

__all__ = ["anthropic_usage", "meter_by", "model_name", "openai_usage"]

LARGEST = 2**53
"""No count of tokens is larger."""


def meter_by(usage_of: Callable[[Any], Usage | None]) -> Callable[[bytes], Meter]:
    """Looks up a raw reply with one parse and nothing that raises."""

    def meter(raw: bytes) -> Meter:
        try:
            body = orjson.loads(raw)
        except ValueError:  # cut, or with numbers that are none: what it took is not known
            return Meter()
        if not isinstance(body, dict):
            return Meter()
        return Meter(usage_of(body.get("usage")), model_name(body.get("model")))

    return meter


def openai_usage(usage: Any) -> Usage | None:
    """Of a chat completion or of a response, which have other names for the same."""
    if not isinstance(usage, dict):
        return None
    read = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    if read is None:
        return None
    written = _count(usage.get("completion_tokens", usage.get("output_tokens"))) or 0
    details = usage.get("prompt_tokens_details", usage.get("input_tokens_details"))
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    return Usage(input_tokens=read, output_tokens=written, cached_tokens=min(cached or 0, read))


def anthropic_usage(usage: Any) -> Usage | None:
    """Of a message: what the cache gave or took is counted beside the input there, and with it here."""
    if not isinstance(usage, dict):
        return None
    fresh = _count(usage.get("input_tokens"))
    if fresh is None:
        return None
    cached = _count(usage.get("cache_read_input_tokens")) or 0
    kept = _count(usage.get("cache_creation_input_tokens")) or 0
    written = _count(usage.get("output_tokens")) or 0
    return Usage(input_tokens=fresh + cached + kept, output_tokens=written, cached_tokens=cached, written_tokens=kept)


def _count(value: Any) -> int | None:
    """A number of tokens; a whole number as a float is one, a truth value or a text is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LARGEST:
        return None
    return int(value) if value == int(value) else None


def model_name(name: Any) -> str | None:
    """The model as the server names it; of a path on its machine the last part, since records are published."""
    if not isinstance(name, str) or not name:
        return None
    return clean(name.rstrip("/").rpartition("/")[2] if name.startswith(("/", "./", "../", "~")) else name) or None
