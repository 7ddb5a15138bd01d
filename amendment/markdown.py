"""Tables and figures as Markdown that reads as well in a terminal: columns padded, names harmless."""

from __future__ import annotations

from collections.abc import Sequence

from amendment.terminal import plain

LONGEST = 60
"""Characters of a name in a table."""
SPECIAL = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>"})


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its head in the first row, with columns padded to equal width."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [f"| {' | '.join(text.ljust(width) for text, width in zip(row, widths, strict=True))} |" for row in rows]
    return [lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]]


def cell(text: str) -> str:
    """Other people's text for a cell: one line, cut to `LONGEST` characters, nothing in it is Markdown or HTML.

    >>> print(cell("[a](b) | <i>"))
    \\[a\\](b) \\| \\<i\\>
    """
    kept = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return plain(kept.translate(SPECIAL), longest=2 * LONGEST)
