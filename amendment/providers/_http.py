"""What an HTTP status or a broken body means for a call: one table for both protocols.

Covered: every status, Retry-After in its three forms, bodies that are no JSON object. Texts of a server are
shown short, on one line and without keys. Not covered: what stands in a good body; see the formats.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from amendment.errors import CredentialsError, ProviderError, Rejected, Transient

__all__ = ["LONGEST_PAUSE", "Endpoint", "body_of", "clean", "clean_tree", "fault_of", "shown", "wait_of"]

RETRIED = frozenset({408, 409, 425, 429, 529})
"""Statuses below 500, and Anthropic's own, that pass by themselves; 500 to 599 do too."""

LONGEST_PAUSE = 300.0
"""No server makes a call wait longer than this, in seconds, whatever its Retry-After says."""

_OUT_OF_MONEY = re.compile(
    r"insufficient[_ ](?:quota|funds|credits|balance)|exceeded your current quota|credit balance"
    r"|billing[_ ]hard[_ ]limit|billing[_ ]not[_ ]active|account is not active",
    re.IGNORECASE,
)
_KEY_SHAPES = re.compile(r"\b(?:sk|hf|xai|gsk|key)[-_][\w*.-]{6,}|Bearer\s+\S+", re.IGNORECASE)


class Endpoint(NamedTuple):
    """What messages say about where a call went; the key is here only so that it can be taken out of texts."""

    host: str
    model: str
    key_variable: str | None
    key: str | None

    def __repr__(self) -> str:
        return f"Endpoint({self.host}, {self.model})"

    @property
    def credentials(self) -> str:
        """How messages name the key."""
        return f"the key in {self.key_variable}" if self.key_variable else "a call without a key (set api_key_env)"

    def without_key(self, body: bytes) -> bytes:
        """A body in which a server echoed the key, as it may be stored and shown."""
        return body.replace(self.key.encode(), b"[key]") if self.key else body


def fault_of(endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error that a status other than 2xx stands for."""
    said = _error_text(body)
    at = f"{endpoint.host}: status {status}"
    if status in (400, 402, 403, 429) and _OUT_OF_MONEY.search(said):
        return CredentialsError(
            f"{at}: the quota or balance behind {endpoint.credentials} is used up. Top it up there."
        )
    if status in (401, 402, 403):
        return CredentialsError(f"{at}: {endpoint.credentials} was refused. Check the key and what it may be used for.")
    if status == 404:
        return CredentialsError(f"{at}: no model {endpoint.model!r} or no such address. Check model and base_url.")
    if status < 400:
        return CredentialsError(f"{at}: a redirect, which is not followed with a key. Write the final base_url.")
    words = shown(said, endpoint.key)
    if (status in RETRIED or status >= 500) and headers.get("x-should-retry", "").lower() != "false":
        return Transient(f"{at}: {words}", retry_after=wait_of(headers))
    return Rejected(f"{at}: {words}")


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply asks us to wait, at most `LONGEST_PAUSE`; None where it does not say or makes no sense.

    A date is measured against the reply's own Date, so that a wrong clock on either side does no harm.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name), unit)
        if seconds is not None:
            return min(seconds, LONGEST_PAUSE)
    until = _date(headers.get("retry-after"))
    if until is None:
        return None
    since = _date(headers.get("date")) or datetime.now(UTC)
    return min(max((until - since).total_seconds(), 0.0), LONGEST_PAUSE)


def _number(text: str | None, unit: float) -> float | None:
    try:
        seconds = float(text or "nan") * unit
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def body_of(raw: bytes, host: str) -> dict[str, Any]:
    """The JSON object of a good status. Raises Transient for a cut, a page, an error in disguise, or no object.

    What no later step could store is gone: numbers that are not finite are None, texts are `clean`.
    """
    try:
        body = json.loads(raw, parse_constant=lambda _: None, parse_float=_finite)
        if b"\\u" in raw:
            body = clean_tree(body)
    except (ValueError, RecursionError) as fault:
        raise Transient(f"{host}: expected JSON, found {shown(_text(raw))}") from fault
    if not isinstance(body, dict):
        raise Transient(f"{host}: expected a JSON object, found {shown(_text(raw))}")
    if body.get("error") or body.get("type") == "error":
        raise Transient(f"{host}: an error with status 200: {shown(_error_text(raw))}")
    return body


def clean(text: str) -> str:
    """The text as every later step can store it: lone surrogates and NUL become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "\ufffd")


def clean_tree(value: Any) -> Any:
    """A JSON value with all of its texts `clean`."""
    match value:
        case str():
            return clean(value)
        case list():
            return [clean_tree(item) for item in value]
        case dict():
            return {clean(key): clean_tree(item) for key, item in value.items()}
    return value


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def shown(text: str, key: str | None = None) -> str:
    """A server's text as messages may show it: one line, printable, at most 200 characters, no keys."""
    if key:
        text = text.replace(key, "[key]")
    text = _KEY_SHAPES.sub("[key]", text[:2000])
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return (line[:199] + "…" if len(line) > 200 else line) or "no text"


def _error_text(body: bytes) -> str:
    """What an error body says: its code, type and message where it has them, else all of it."""
    try:
        error = json.loads(body)
    except (ValueError, RecursionError):
        return _text(body)
    for name in ("error", "detail"):
        if isinstance(error, dict) and error.get(name):
            error = error[name]
    if isinstance(error, dict):
        return " ".join(str(error[name]) for name in ("code", "type", "message") if error.get(name) is not None)
    return str(error)


def _text(raw: bytes) -> str:
    return raw[:2000].decode("utf-8", "replace")
