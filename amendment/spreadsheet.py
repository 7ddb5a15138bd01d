"""Texts as cells that no spreadsheet runs, and back: an apostrophe in front shows that a cell is text.

What would be run is told by its first character. A text that begins with apostrophes before such a character gets one
more, so that the first apostrophe of a cell is always the mark and reading takes off what writing has put there.
"""

from __future__ import annotations

import unicodedata

RUNS = frozenset("=+-@\t\r\n")
"""First characters by which a spreadsheet knows something to run, or to cut a cell at."""
SKIPPED = " \u00a0\u3000\ufeff\u200b"
"""Spaces that some programs trim."""
MARK = "'"


def safe_cell(text: str) -> str:
    """The text as a cell that no spreadsheet runs.

    Leading spaces are looked through, since some programs trim them, and so are full-width signs, which some read
    as plain ones.

    >>> safe_cell("=HYPERLINK(1)")
    "'=HYPERLINK(1)"
    """
    shown = text.replace("\x00", "\ufffd")
    return f"{MARK}{shown}" if _would_run(shown.lstrip(MARK)) else shown


def text_of_cell(cell: str) -> str:
    """The text that `safe_cell` was given, NUL characters aside.

    >>> text_of_cell("'=1"), text_of_cell("''=1"), text_of_cell("'tis")
    ('=1', "'=1", "'tis")
    """
    return cell[1:] if cell.startswith(MARK) and _would_run(cell.lstrip(MARK)) else cell


def _would_run(text: str) -> bool:
    return unicodedata.normalize("NFKC", text.lstrip(SKIPPED)[:1])[:1] in RUNS
