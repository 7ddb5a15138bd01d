"""Other people's text where people read it: nothing in it steers a terminal, a log line or a table."""

from __future__ import annotations

import unicodedata

LONGEST = 200


def plain(text: str, *, longest: int = LONGEST) -> str:
    """The text in one line: control, format and bidi characters as escapes, cut to `longest` characters.

    >>> plain("two\\nlines \\x1b[31m")
    'two\\\\nlines \\\\x1b[31m'
    """
    shown = "".join(_escape(character) for character in text[: longest + 1])
    return shown if len(shown) <= longest else f"{shown[:longest]}…"


def _escape(character: str) -> str:
    if character == "|":
        return "\\|"
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return character.encode("unicode_escape").decode("ascii")
    return character
