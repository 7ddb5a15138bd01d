"""What an HTTP status, a broken connection or a broken body means for a call: one table for both protocols.

Covered: every status; every way in which a connection ends; bodies that are no JSON object. Texts of a server are
shown short, on one line and without keys. Not covered: what stands in a good body; see the formats.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

import orjson

from amendment.errors import CredentialsError, FaultKind, ProviderError, Rejected, Transient
from amendment.llm._headers import wait_of
from amendment.redaction import redact, redact_bytes

__all__ = ["TABLE", "Endpoint", "Row", "body_of", "broken", "clean", "clean_tree", "fault_of", "shown"]

LONGEST_NAME = 20_000
"""Signs of a server's name for a call that are looked at; all of a header's, and a key in them is found whole."""

LONG_WAIT = 10.0
"""Seconds of Retry-After from which on the message names them."""

Meaning = Literal["rate", "server", "quota", "key", "nowhere", "redirect", "item"]
"""A passing fault by its kind; or final for the run: no quota, a refused key, no such model or address, a redirect;
or final for this item alone."""


class Row(NamedTuple):
    """Which replies mean what. The first row that fits is the one that holds."""

    statuses: range | frozenset[int]
    meaning: Meaning
    words: re.Pattern[str] | None = None
    """Words of which one has to stand in the body."""
    at_first: bool = False
    """Whether it holds only until the first good reply: what has answered once is there."""


_EMPTY_ACCOUNT = re.compile(
    r"insufficient[_ ](?:quota|funds|credits|balance)|exceeded your current quota|credit balance"
    r"|billing[_ ]hard[_ ]limit|billing[_ ]not[_ ]active|account is not active|reached your specified api usage limits",
    re.IGNORECASE,
)
_FLAGGED = re.compile(r"moderation|flagged|guardrail|content[_ ](?:policy|filter)", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"model_not_found|is not a valid model|model\b.{0,80}\b(?:does not exist|not found)", re.IGNORECASE | re.DOTALL
)
_PASSING = frozenset({408, 409, 425, 429, *range(500, 600)})

TABLE: tuple[Row, ...] = (
    Row(frozenset({400, 402, 403, 429}), "quota", words=_EMPTY_ACCOUNT),
    Row(frozenset({400, 403}), "item", words=_FLAGGED),  # a gateway's 403 for a text that its filter will not pass on
    Row(frozenset({401, 402, 403}), "key"),
    Row(frozenset({404}), "nowhere", at_first=True),
    Row(frozenset({400, 422}), "nowhere", words=_NO_MODEL, at_first=True),
    Row(range(400), "redirect"),
    Row(frozenset({429, 529}), "rate"),
    Row(_PASSING, "server"),
    Row(range(1000), "item"),  # 400, a later 404, 413, 422 and whatever else: context length, a malformed request
)
"""What a status other than 2xx means, by status and words. `x-should-retry` advises SDKs and decides nothing here."""


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
        return redact_bytes(body, self.key) if self.key else body

    def call_name(self, name: object) -> str | None:
        """What a server calls a call, as it may be stored and shown: no key, at most 200 printable signs."""
        if not isinstance(name, str):
            return None
        printable = "".join(sign for sign in name[:LONGEST_NAME] if sign.isprintable())
        unkeyed = self.without_key(printable.encode("utf-8", "replace")).decode()
        return redact(unkeyed)[:200] or None


def fault_of(
    endpoint: Endpoint, status: int, headers: Mapping[str, str], body: bytes, *, at_first: bool = True
) -> ProviderError:
    """The error that a status other than 2xx stands for. `at_first`: nothing has been answered there yet."""
    said = _error_text(body)
    meaning = _meaning(status, said, at_first)
    at = f"{endpoint.host}: status {status}"
    end = _end_of_run(meaning, endpoint)
    if end is not None:
        return CredentialsError(f"{at}: {end}")
    words = shown(said, endpoint.key)
    if meaning == "item":
        return Rejected(f"{at}: {words}")
    kind: FaultKind = "rate" if meaning == "rate" else "server"
    wait = wait_of(headers)
    asked = f" (it asks to wait {wait:,.0f} s)" if wait and wait >= LONG_WAIT else ""
    return Transient(f"{at}: {words}{asked}", kind=kind, retry_after=wait, status=status)


def _end_of_run(meaning: Meaning, endpoint: Endpoint) -> str | None:
    """What is said where no further call can succeed; nothing of the server's own words, which may repeat the key."""
    match meaning:
        case "quota":
            return f"the quota or balance behind {endpoint.credentials} is used up. Top it up there."
        case "key":
            return f"{endpoint.credentials} was refused. Check the key and what it may be used for."
        case "nowhere":
            return f"no model {endpoint.model!r} or no such address. Check model and base_url."
        case "redirect":
            return "a redirect, which is not followed with a key. Write the final base_url."
    return None


def _meaning(status: int, said: str, at_first: bool) -> Meaning:
    for row in TABLE:
        if status in row.statuses and (row.words is None or row.words.search(said)) and (at_first or not row.at_first):
            return row.meaning
    return "item"


def broken(endpoint: Endpoint, fault: BaseException) -> Transient:
    """What it means that no reply came: the fault of the SDK's client, with whatever caused it."""
    causes = list(_causes(fault))
    kinds = [kind for cause in causes if (kind := _break(cause))]
    what = type(causes[-1]).__name__
    return Transient(f"{endpoint.host}: no reply ({what})", kind=kinds[0] if kinds else "transport")


def _break(cause: BaseException) -> FaultKind | None:
    """The kind of fault by what the wire says of it; None where it says nothing."""
    import aiohttp

    # nobody took the connection: refused, no such host, no TLS, no proxy, or no answer in time to any of it
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError):
        return "refused"
    return "deadline" if isinstance(cause, TimeoutError) else None


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """The fault, what it was raised from, and so on."""
    seen: BaseException | None = fault
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def body_of(raw: bytes, host: str) -> dict[str, Any]:
    """The JSON object of a good status. Raises Transient for a cut, a page, an error in disguise, or no object.

    What no later step could store is gone: numbers that are not finite are None, texts are `clean`.
    """
    try:
        body = _parsed(raw)
        if b"\\u" in raw:
            body = clean_tree(body)
    except (ValueError, RecursionError) as fault:
        raise Transient(f"{host}: expected JSON, found {shown(_text(raw))}", kind="unreadable") from fault
    if not isinstance(body, dict):
        raise Transient(f"{host}: expected a JSON object, found {shown(_text(raw))}", kind="unreadable")
    if body.get("error") or body.get("type") == "error":
        raise Transient(f"{host}: an error with status 200: {shown(_error_text(raw))}", kind="unreadable")
    return body


def _parsed(raw: bytes) -> Any:
    """The JSON value: by the fast parser, or by the lenient one where that one takes no offence at NaN and the like."""
    try:
        return orjson.loads(raw)
    except ValueError:
        found = json.loads(raw, parse_constant=lambda _: None, parse_float=_finite)
        return clean_tree(found)  # unlike the fast one it lets half a surrogate pair through, escaped or not


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
    text = redact(text[:2500], (key,) if key else ())[:2000]
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return (line[:199] + "…" if len(line) > 200 else line) or "no text"


def _error_text(body: bytes) -> str:
    """What an error body says: its code, type and message where it has them, else all of it."""
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


def _text(raw: bytes) -> str:
    return raw[:2000].decode("utf-8", "replace")
