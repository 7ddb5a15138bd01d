"""What an answer carries beside its words: Markdown and citations, counted from its text alone.

Covered: headers, list items, bold pieces, and citations (links, numbered or named references). Not covered: whether a
citation is real, and marks of other languages than Markdown.
"""

from __future__ import annotations

import re

__all__ = ["FORMAT", "marks_of"]

FORMAT = ("headers", "lists", "bold")
"""What is counted together as format."""
_PATTERNS = {
    "headers": re.compile(r"^ {0,3}#{1,6} ", re.MULTILINE),
    "lists": re.compile(r"^[ \t]{0,12}(?:[-*+•]|\d{1,3}[.)])[ \t]", re.MULTILINE),
    "bold": re.compile(r"\*\*[^*\n]{1,200}\*\*|__[^_\n]{1,200}__"),
    "citations": re.compile(r"https?://|\bwww\.|\bdoi:|\[\d{1,3}\]|\bet al\.|\((?:[^()\n]{1,80}, )?(?:19|20)\d\d\)"),
}


def marks_of(text: str) -> dict[str, int]:
    """How many of each a text has; those that it has none of are left out."""
    found = {name: sum(1 for _ in pattern.finditer(text)) for name, pattern in _PATTERNS.items()}
    return {name: count for name, count in found.items() if count}
