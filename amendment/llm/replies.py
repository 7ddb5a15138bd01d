"""The common parts of raw replies of all hosted protocols: JSON that may be cut, usage, the model's name.

Promised: nothing that a server writes keeps a reply from being stored: numbers that are not finite become None, lone
surrogates and NUL become U+FFFD. Texts of a server are shown short, on one line and without keys. Not covered: what
stands in a good body (see `openai` and `anthropic`), and money.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from amendment.errors import Transient
from amendment.hashing import canonical_json
from amendment.keys import redact
from amendment.llm.provider import Meter
from amendment.llm.requests import Reply, Request, Usage
from amendment.records import FinishReason, Message, Messages, ToolCall, last_text

_MOST_TOKENS = 2**53
"""No count of tokens is larger."""


def parse_body(raw: bytes, host: str) -> dict[str, Any]:
    """Return the JSON object of a good status. Raises Transient for a cut, a page, an error in disguise, or no
    object."""
    try:
        body = _parsed(raw)
        if b"\\u" in raw:
            body = clean_tree(body)
    except (ValueError, RecursionError) as fault:
        raise Transient(f"{host}: expected JSON, found {shown(_text(raw))}", kind="unreadable") from fault
    if not isinstance(body, dict):
        raise Transient(f"{host}: expected a JSON object, found {shown(_text(raw))}", kind="unreadable")
    if body.get("error") or body.get("type") == "error":
        raise Transient(f"{host}: an error with status 200: {shown(error_text(raw))}", kind="unreadable")
    return body


def _parsed(raw: bytes) -> Any:
    """Return the JSON value, by the fast parser, or by the lenient one where the fast one objects to NaN and the
    like."""
    try:
        return orjson.loads(raw)
    except ValueError:
        value = json.loads(raw, parse_constant=lambda _: None, parse_float=_finite)
        return clean_tree(value)  # unlike the fast one it lets half a surrogate pair through, escaped or not


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _text(raw: bytes) -> str:
    return raw[:2000].decode("utf-8", "replace")


def clean(text: str) -> str:
    """Return the text as every later step can store it: lone surrogates and NUL become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def clean_tree(value: Any) -> Any:
    """Return a JSON value with all of its texts `clean`."""
    match value:
        case str():
            return clean(value)
        case list():
            return [clean_tree(item) for item in value]
        case dict():
            return {clean(key): clean_tree(item) for key, item in value.items()}
    return value


def shown(text: str, key: str | None = None) -> str:
    """Return a server's text as messages may show it: one line, printable, at most 200 characters, no keys."""
    text = redact(text[:2500], (key,) if key else ())[:2000]
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return (line[:199] + "…" if len(line) > 200 else line) or "no text"


def text_in(raw: bytes) -> str:
    """Return the text of any provider's raw reply, for people to read; the whole body if its form is not known."""
    try:
        body = _parsed(raw)
    except (ValueError, RecursionError):
        return _text(raw)
    match body:
        case {"choices": [{"message": {"content": content}}, *_]} | {"content": content} | {"text": content}:
            parts = content if isinstance(content, list) else [content]
            texts = (part.get("text") if isinstance(part, dict) else part for part in parts)
            return "".join(text for text in texts if isinstance(text, str))
    return _text(raw)


def error_text(body: bytes) -> str:
    """Return the code, type and message of an error body where it has them, else the whole body."""
    try:
        error = _parsed(body)
    except (ValueError, RecursionError):
        return _text(body)
    for name in ("error", "detail"):
        if isinstance(error, dict) and error.get(name):
            error = error[name]
    if isinstance(error, dict):
        return " ".join(str(error[name]) for name in ("code", "type", "message") if error.get(name) is not None)
    return str(error)


def meter_by(usage_of: Callable[[Any], Usage | None]) -> Callable[[bytes], Meter]:
    """Look up usage and model of a raw reply with one parse and nothing that raises."""

    def meter(raw: bytes) -> Meter:
        try:
            body = orjson.loads(raw)
        except ValueError:  # cut, or with numbers that are none: what it took is not known
            return Meter()
        return Meter(usage_of(body.get("usage")), model_name(body.get("model"))) if isinstance(body, dict) else Meter()

    return meter


class Completion(NamedTuple):
    """The part of a reply's body that each protocol has in its own form."""

    messages: Messages
    told: FinishReason
    """The reason that the server gives for the end."""
    measured: Mapping[str, Any] = {}
    """Further fields of the Reply: log-probabilities."""


def written(content: str, thinking: str, calls: tuple[ToolCall, ...]) -> Messages:
    """Return what a model wrote, as the messages of a reply; none if all of it is empty."""
    if not (content or thinking or calls):
        return ()
    return (Message(role="assistant", content=content or None, thinking=thinking or None, tool_calls=calls or None),)


def reply_by(
    completion_of: Callable[[dict[str, Any], Request], Completion],
    usage_of: Callable[[Any], Usage | None],
    raw: bytes,
    request: Request,
) -> Reply:
    """Return the reply in a raw body of one protocol. Raises Transient where there is none, or an empty one, to be
    read."""
    body = parse_body(raw, request.host)
    try:
        messages, told, measured = completion_of(body, request)
        usage = usage_of(body.get("usage"))
        reply = Reply(
            messages=messages,
            finish_reason=_finish(told, messages, usage, request),
            model=model_name(body.get("model")),
            usage=usage,
            **measured,
        )
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as fault:
        raise Transient(f"{request.host}: the reply has no completion that can be read", kind="unreadable") from fault
    is_read = reply.choice_logprobs or request.scored is not None
    if not messages and reply.finish_reason == "stop" and not is_read:
        raise Transient(f"{request.host}: the reply is empty", kind="empty")
    return reply


def _finish(told: FinishReason, messages: Messages, usage: Usage | None, request: Request) -> FinishReason:
    """Return the server's reason; `length` in place of `stop` or none if the answer used its whole limit without a text
    or a tool call: thinking took all of it."""
    limit = None if request.choices else request.sampling.max_tokens
    is_used = limit is not None and usage is not None and usage.output_tokens >= limit
    is_empty = not last_text(messages).strip() and not any(message.tool_calls for message in messages)
    return "length" if told in ("stop", "other") and is_used and is_empty else told


def read_count(value: Any) -> int | None:
    """Return a number of tokens; a whole number as a float is one, a truth value or a text is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST_TOKENS:
        return None
    return int(value) if value == int(value) else None


def read_tokens(counts: Any, name: str) -> int:
    """Return the count of this name in a part of the usage; 0 where it has none."""
    return (read_count(counts.get(name)) or 0) if isinstance(counts, dict) else 0


def model_name(name: Any) -> str | None:
    """Return the model as the server names it; of a path on its machine the last part, since records are published."""
    if not isinstance(name, str) or not name:
        return None
    return clean(name.rstrip("/").rpartition("/")[2] if name.startswith(("/", "./", "../", "~")) else name) or None


def read_arguments(text: Any) -> dict[str, Any]:
    """Return a tool call's arguments as an object; what a model wrote that is no object is kept under `_raw`."""
    if isinstance(text, dict):
        return text
    if not text:
        return {}
    try:
        arguments = json.loads(clean(text), parse_constant=_no_constant)
        canonical_json(arguments)  # refuses what could not be stored: an escaped lone surrogate, 1e999
    except (ValueError, RecursionError):
        return {"_raw": clean(str(text))}
    return arguments if isinstance(arguments, dict) else {"_raw": clean(str(text))}


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Return the entries that have a value."""
    return {key: value for key, value in values.items() if value is not None}
