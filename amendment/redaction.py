"""Keys kept out of texts and logs: the second net under the rule that no key is ever written anywhere.

Covered: the values that were named, raw, in base64, URL-encoded and JSON-escaped, and everything shaped like a key
(`key_shapes`), in texts, in raw replies, and in log records with their arguments and tracebacks. Not covered: a key of
an unusual shape that nobody named; a key that is cut in pieces.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import traceback
from collections.abc import Iterable
from functools import cache
from urllib.parse import quote

from amendment.key_shapes import find_keys, visible

MARK = "[key]"
SHORTEST = 8
"""Signs of a key that is taken out of replies; a shorter one would take the model's own words with it."""
_MASKED = re.compile(r"\b(?:sk|hf|xai|gsk|key)[-_][\w*.-]{6,}|Bearer\s+\S+", re.IGNORECASE)
"""Keys of which a vendor's error message shows the ends, and short ones: in a log a word too many may go."""
_TALKATIVE = ("openai", "anthropic", "httpx2", "httpcore2", "aiohttp")
"""Loggers that would show prompts or headers below WARNING."""


@cache
def _spellings(key: str) -> tuple[str, ...]:
    """A key as it may stand in a text, longest first; of its base64 the part that does not depend on what is around."""
    raw = key.encode()
    shifted = (base64.b64encode(b"\0" * shift + raw).decode()[4 if shift else 0 :] for shift in range(3))
    encoded = [text.rstrip("=")[:-1] for text in shifted]
    encoded += [text.translate(str.maketrans("+/", "-_")) for text in encoded]
    escaped = json.dumps(key)[1:-1]
    known = {key, quote(key), quote(key, safe=""), escaped, escaped.replace("/", "\\/")}
    return tuple(sorted(known | {text for text in encoded if len(text) > 7}, key=len, reverse=True))


def redact(text: str, keys: Iterable[str] = ()) -> str:
    """The text without these keys, in any of their spellings, and without anything shaped like a key."""
    for key in keys:
        for spelling in _spellings(key):
            text = text.replace(spelling, MARK)
    for key_found in sorted(find_keys(text), key=lambda place: -place.start):
        text = visible(text)
        text = f"{text[: key_found.start]}{MARK}{text[key_found.end :]}"
    return _MASKED.sub(MARK, text)


@cache
def _spelled(key: str) -> tuple[bytes, ...]:
    return tuple(spelling.encode() for spelling in _spellings(key))


def redact_bytes(raw: bytes, key: str) -> bytes:
    """Raw bytes without this key; what is only shaped like a key stays, since a model may have written it.

    So does a key of fewer than `SHORTEST` signs: it is a word for servers that want none (`EMPTY`), and no secret.
    """
    if len(key) < SHORTEST:
        return raw
    for spelling in _spelled(key):
        raw = raw.replace(spelling, MARK.encode())
    return raw


class RedactingFilter(logging.Filter):
    """Takes keys out of whatever passes a handler: message, arguments, traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record in place; it always passes."""
        try:
            said = record.getMessage()
        except Exception:  # a record whose arguments do not fit is shown as it is written
            said = str(record.msg)
        record.msg, record.args = redact(said, self.keys), None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if record.exc_text:
            record.exc_text, record.exc_info = redact(record.exc_text, self.keys), None
        if record.stack_info:
            record.stack_info = redact(record.stack_info, self.keys)
        return True


_FILTER = RedactingFilter()


def redact_logs(*keys: str) -> None:
    """From now on these keys reach no handler that is there now, and the SDKs' loggers say nothing below WARNING.

    May be called again, with more keys or when handlers were added.
    """
    _FILTER.keys.update(key for key in keys if key)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    for logger in map(logging.getLogger, (None, *_TALKATIVE)):
        for handler in logger.handlers:
            handler.addFilter(_FILTER)  # a filter that is there already is not added twice
