"""What a model generated, taken apart into what it says, thinks and calls: the way back of `rendering`.

Covered: tokenizers that describe their replies (`response_template`); without a description, thinking between
tags at the start of an answer, and calls as JSON, of the tiny template and of the tags in common use. Calls that
cannot be read stay text. Not covered: other formats of calls, unless the tokenizer describes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["Parts", "read_answer"]

THINKING = (("<|think|>", "<|/think|>"), ("<think>", "</think>"), ("[THINK]", "[/THINK]"))
"""Signs around thinking; the first pair is the tiny template's."""
CALLS = (("<|call|>", ""), ("<tool_call>", "</tool_call>"))
"""Signs around each call; the tiny template's has none at its end."""
_TAIL = 8
"""Tokens at a prompt's end in which the opening of thinking is looked for."""

Json = dict[str, Any]


class Parts(NamedTuple):
    """One answer taken apart."""

    text: str
    thinking: str | None = None
    calls: tuple[Json, ...] = ()
    """Each with `name` and `arguments`, an object."""


def read_answer(tokenizer: Any, ids: Sequence[int], prompt: Sequence[int], *, cut: int = 0) -> Parts:
    """The parts of generated ids (without the end token); `cut` characters at their end are left out.

    Thinking that never ends leaves no text, since no answer was given.
    """
    raw = str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))
    raw = raw[: len(raw) - cut]
    described = _described(tokenizer, raw, prompt)
    if described is not None:
        return described
    opened = str(tokenizer.decode(prompt[-_TAIL:], skip_special_tokens=False)).rstrip()
    thinking, rest = _thinking(raw, opened)
    text, calls = _calls(rest)
    return Parts(_plain(tokenizer, text), _plain(tokenizer, thinking) or None, calls)


def _described(tokenizer: Any, raw: str, prompt: Sequence[int]) -> Parts | None:
    """By the tokenizer's own description of its replies; None without one, or where the reply does not fit it."""
    if not getattr(tokenizer, "response_template", None):
        return None
    try:
        message = tokenizer.parse_response(raw, prefix=tokenizer.decode(prompt))
    except Exception:  # a description may fail in any way at a reply that was cut or is malformed
        return None
    found = [_call(call.get("function")) for call in message.get("tool_calls") or ()]
    calls = tuple(call for call in found if call)
    if len(calls) < len(found):
        return None
    thinking = message.get("reasoning_content") or message.get("thinking")
    return Parts(_plain(tokenizer, message.get("content") or ""), thinking or None, calls)


def _thinking(raw: str, before: str) -> tuple[str, str]:
    """Thinking at the start of an answer and what follows; `before` is how the prompt ends, which may open it."""
    for opening, closing in THINKING:
        is_open = before.endswith(opening)
        if is_open or raw.lstrip().startswith(opening):
            inner = raw if is_open else raw.lstrip().removeprefix(opening)
            thinking, _, rest = inner.partition(closing)
            return (thinking, rest) if opening == THINKING[0][0] else (thinking.strip(), rest.lstrip("\n"))
    return "", raw


def _calls(text: str) -> tuple[str, tuple[Json, ...]]:
    """The text before calls, and the calls; all of it as text where one cannot be read."""
    for opening, closing in CALLS:
        said, *parts = text.split(opening)
        found = [_read_call(part, closing) for part in parts]
        calls = tuple(call for call in found if call)
        if parts and len(calls) == len(found):
            return (said.rstrip("\n") if closing else said), calls
    return text, ()


def _read_call(part: str, closing: str) -> Json | None:
    try:
        return _call(json.loads(part.strip().removesuffix(closing)))
    except (ValueError, RecursionError):
        return None


def _call(value: Any) -> Json | None:
    """A call with a name and an object of arguments that can be stored, or None."""
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments")
    if not isinstance(arguments, dict):
        return None
    try:
        json.dumps(arguments, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return {"name": value["name"], "arguments": arguments}


def _plain(tokenizer: Any, text: str) -> str:
    """The text without the spellings of special tokens, which the model wrote as tokens."""
    for token in tokenizer.added_tokens_decoder.values():
        if token.special and token.content in text:
            text = text.replace(token.content, "")
    return text
