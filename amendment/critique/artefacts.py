"""Wrappers that models put around a revision ("Here is the revised answer:") and that nobody asked for.

Covered: an opening line that announces the answer, a label such as "Revision:", one pair of quotes or a
code fence around the whole. Not covered: explanations after the answer, which cannot be told from it.
"""

from __future__ import annotations

import re

__all__ = ["strip_artefacts"]

_THING = r"(?:revised|rewritten|improved|updated|corrected|new|better)"
_NOUN = r"(?:answer|response|reply|version|text|revision)"
_OPENING = re.compile(
    rf"""\A\s*(?:
        (?:(?:sure|certainly|of\ course|okay|ok)\b[^\n:]{{0,40}}[,.!:]\s*)?
        (?:here(?:'s|\ is|’s)|below\ is|this\ is)\s+(?:an?|the|my|your)?\s*(?:{_THING}\s+)?{_NOUN}\b[^\n:]{{0,80}}:
      | \**(?:{_THING}\s+{_NOUN}|revision)\**\s*:\**
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_FENCED = re.compile(r"\A```[a-z]*\n(?P<inside>.*)\n```\Z", re.DOTALL)
_QUOTES = (('"', '"'), ("“", "”"))


def strip_artefacts(text: str) -> str:
    """The answer without its wrapper; a text that has none comes back as it is, but for outer white space.

    A fence or quotes are taken off only behind an announcement, since an answer may consist of code or speech.
    """
    bare = text.strip()
    opened = _OPENING.sub("", bare, count=1).strip()
    if opened == bare or not opened:
        return bare
    return _unwrap(opened)


def _unwrap(text: str) -> str:
    fenced = _FENCED.match(text)
    if fenced:
        return fenced["inside"].strip()
    for opening, closing in _QUOTES:
        inside = text[1:-1]
        if len(text) > 1 and text[0] == opening and text[-1] == closing and opening not in inside and closing not in inside:
            return inside.strip()
    return text
