"""Other people's text inside a card: word for word to a reader, and nothing to Markdown, HTML or a terminal."""

from __future__ import annotations

import re
import unicodedata

from amendment.terminal import plain

__all__ = ["code", "fenced", "tame"]


def fenced(text: str, kind: str = "text") -> list[str]:
    """A block that shows the text as it is; no line of it can close the block."""
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    shown = "".join(one if one in "\n\t" or not _steers(one) else _escaped(one) for one in text)
    return [f"{fence}{kind}", *shown.split("\n"), fence]


def code(text: str, *, longest: int = 80) -> str:
    """A short text as code within a line or a table."""
    shown = plain(text, longest=longest) or " "
    fence = "`" * (1 + max(map(len, re.findall(r"`+", shown)), default=0))
    space = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{space}{shown}{space}{fence}"


def tame(markdown: str) -> str:
    """Markdown of our own making whose tables may hold foreign words: no HTML, no links, no images."""
    shown = "".join(one if one in "\n\t" or not _steers(one) else _escaped(one) for one in markdown)
    return re.sub(r"(\\*)([<\[])", _with_escape, shown)


def _with_escape(found: re.Match[str]) -> str:
    """A sign behind an odd number of backslashes is escaped already."""
    return found[0] if len(found[1]) % 2 else f"{found[1]}\\{found[2]}"


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
