"""How the text of a table file is spelled: its encoding by its first bytes, its delimiter by its first rows; and its
lines, none of them endless.

Covered: UTF-8 with and without a byte order mark, UTF-16 with one; commas, semicolons, tabs and upright strokes.
Not covered: encodings that no first bytes tell; a file in one of them is refused with the byte that gives it away.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterable
from itertools import islice
from typing import BinaryIO, NamedTuple, TextIO

MAX_ROW = 64_000_000
"""Characters of a row, on one line or several: a packed file of a few megabytes may unpack to a line of any length."""
LOOKED_AT = 50
"""Rows by which the delimiter is told."""
OTHERS = (";", "\t", "|")
"""Delimiters of files that are called .csv all the same: Excel's where commas are decimal, its Unicode text, exports
of databases."""


class LongRow(Exception):
    """A row of more than MAX_ROW characters."""


class Lines:
    """The lines of a text, one after another; LongRow is raised before a row of too many characters is held."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._taken = 0

    def row_ended(self) -> None:
        """The next line begins another row."""
        self._taken = 0

    def __iter__(self) -> Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_ROW - self._taken + 1)
        self._taken += len(line)
        if self._taken > MAX_ROW:
            raise LongRow
        if not line:
            raise StopIteration
        return line


def encoding_of(start: bytes) -> str:
    """The codec for a file that begins with these bytes (four are enough): UTF-8 unless a mark says UTF-16."""
    is_wide = start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and start[:4] != codecs.BOM_UTF32_LE
    return "utf-16" if is_wide else "utf-8-sig"


def bad_byte(file: BinaryIO, encoding: str) -> int:
    """Where the first byte lies that is none of this encoding, counted from 0."""
    decoder = codecs.getincrementaldecoder("utf-8" if encoding == "utf-8-sig" else encoding)()
    before = 0
    while True:
        chunk = file.read(1 << 16)
        held = len(decoder.getstate()[0])
        try:
            decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as fault:
            return before - held + fault.start
        if not chunk:
            return before
        before += len(chunk)


class _Rows(NamedTuple):
    """The first rows as one delimiter cuts them."""

    header: list[str]
    widths: list[int]
    is_whole: bool
    """Whether all of them could be read."""

    @property
    def fitting(self) -> int:
        """Rows that have as many cells as the header."""
        return sum(width == len(self.header) for width in self.widths)

    @property
    def is_table(self) -> bool:
        return len(self.header) > 1 and self.is_whole and self.fitting == len(self.widths) > 0


def delimiter_of(lines: Iterable[str]) -> str:
    """What parts the cells of a `.csv` file whose lines begin like these: a comma, unless its header has none and
    half the rows fit a header that is parted otherwise, or only another delimiter makes a table of them."""
    kept = list(_held(lines))
    comma = _cut(kept, ",")
    if comma.is_table:
        return ","
    found = {other: _cut(kept, other) for other in OTHERS}
    is_bare = len(comma.header) < 2
    fits = [name for name, rows in found.items() if rows.is_table or (is_bare and _is_mostly(rows))]
    return max(fits, key=lambda name: (found[name].is_table, len(found[name].header)), default=",")


def _held(lines: Iterable[str]) -> Iterable[str]:
    """Enough lines for the rows that are looked at, however many line ends stand in their cells."""
    size = 0
    for number, line in enumerate(lines):
        if (number > LOOKED_AT and size > 1_000_000) or size > MAX_ROW // 4:
            return
        size += len(line)
        yield line


def _cut(lines: Iterable[str], delimiter: str) -> _Rows:
    header: list[str] = []
    widths: list[int] = []
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        header = next(reader, [])
        widths += (len(cells) for cells in islice(filter(None, reader), LOOKED_AT))
    except csv.Error:
        return _Rows(header, widths, is_whole=False)
    return _Rows(header, widths, is_whole=True)


def _is_mostly(rows: _Rows) -> bool:
    """Whether the rows that do not fit are faults to be named."""
    return len(rows.header) > 1 and 2 * rows.fitting >= len(rows.widths) > 0
