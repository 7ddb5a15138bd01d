"""Rows of a user's file, as they stand there: JSONL, JSON, CSV and Parquet, told by the file's ending.

Covered: row numbers as the user's editor shows them, every unreadable row of a file named in one pass.
Not covered: what the columns mean; see the stages that read them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.errors import DataError, Problem

__all__ = ["FORMATS", "Row", "read_rows"]

MAX_CELL = 1_000_000
"""Characters; a longer cell is refused rather than sent anywhere."""


class Row(NamedTuple):
    """One row and its place: the line of a JSONL file, else the row counted from 1 without the header."""

    place: str
    values: dict[str, Any]

    def problem(self, column: str, message: str) -> Problem:
        """A complaint about one cell of this row."""
        return Problem(f"{self.place}: {column}", message)


def read_rows(path: Path) -> list[Row]:
    """All rows of a file. Raises DataError that names every row that cannot be read, or the file that has none."""
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path}: unknown kind of file {path.suffix!r}; expected one of {', '.join(FORMATS)}")
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    problems: list[Problem] = []
    rows = list(reader(path, problems))
    if problems:
        raise DataError(problems)
    if not rows:
        raise DataError(f"{path}: the file has no rows; expected at least one")
    return rows


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: not UTF-8 text (byte {fault.start}); save the file as UTF-8") from fault
    except OSError as fault:
        raise DataError(f"{path}: cannot be read ({fault.strerror})") from fault


def _jsonl(path: Path, problems: list[Problem]) -> Iterator[Row]:
    # Only "\n" ends a line: splitlines() would also cut at separators that stand inside JSON strings.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            yield from _json_row(line, f"{path}: line {number}", problems)


def _json_row(line: str, place: str, problems: list[Problem]) -> Iterator[Row]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as fault:
        problems.append(Problem(place, f"not JSON ({fault})"))
        return
    if isinstance(value, dict):
        yield Row(place, value)
    else:
        problems.append(Problem(place, f"expected an object with named columns, found {type(value).__name__}"))


def _json(path: Path, problems: list[Problem]) -> Iterator[Row]:
    try:
        values = json.loads(_text(path))
    except (ValueError, RecursionError) as fault:
        raise DataError(f"{path}: not JSON ({fault})") from fault
    if not isinstance(values, list):
        raise DataError(f"{path}: expected a list of objects, found {type(values).__name__}")
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Row(f"{path}: row {number}", value)
        else:
            problems.append(Problem(f"{path}: row {number}", f"expected an object, found {type(value).__name__}"))


def _csv(path: Path, problems: list[Problem]) -> Iterator[Row]:
    csv.field_size_limit(MAX_CELL)
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header)
        for number, cells in enumerate(reader, start=1):
            if cells and len(cells) != len(header):
                expected = f"expected {len(header)} cells as in the header, found {len(cells)}"
                problems.append(Problem(f"{path}: row {number}", expected))
            elif cells:
                yield Row(f"{path}: row {number}", dict(zip(header, cells, strict=True)))
    except csv.Error as fault:
        problems.append(Problem(f"{path}: line {reader.line_num}", f"not CSV ({fault})"))


def _check_header(path: Path, header: Sequence[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the header names {', '.join(twice)} more than once")


def _parquet(path: Path, problems: list[Problem]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as fault:
        raise DataError(f"{path}: not a Parquet file ({fault})") from fault
    for number, values in enumerate(table.to_pylist(), start=1):
        yield Row(f"{path}: row {number}", values)


FORMATS = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
