"""Rows of a user's file, as they stand there: JSONL, JSON, CSV, TSV and Parquet, told by the file's ending.

Covered: row numbers as the user's editor shows them, every unreadable row of a file named in one pass, texts
packed with gzip (`x.csv.gz`), UTF-8, UTF-16 and cp1252, CSV with semicolons, tabs or upright strokes, Parquet cells of
any nesting; in texts a row over MAX_ROW characters and a document over MAX_DOCUMENT are refused before they are held.
Not covered: what the columns mean; see the stages that read them.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, TextIO, cast

from amendment.errors import DataError, Problem
from amendment.files import stamp
from amendment.text import plain

MAX_ROW = 64_000_000
"""Characters of a row, on one line or several: a packed file of a few megabytes may unpack to a line of any length."""
MAX_CELL = 1_000_000
"""Characters; a longer cell is refused rather than sent anywhere."""
MAX_DOCUMENT = 1_000_000_000
"""Characters of a `.json` file, which is held as a whole; of a row's in other texts see `MAX_ROW`."""
LOOKED_AT = 50
"""Rows that determine the delimiter."""
OTHERS = (";", "\t", "|")
"""Delimiters of files that are called .csv all the same: Excel's where commas are decimal, its Unicode text, exports
of databases."""
WESTERN, MOST_BEYOND_ASCII, BEYOND_ASCII = "cp1252", 0.2, bytes(range(128, 256))
"""The codec of a text that is not UTF-8, where fewer than this share of its bytes are beyond ASCII."""
_BLOCK = 1_000_000
"""Bytes of a text that are looked at together for their encoding."""
LONG_ROW = f"more than {MAX_ROW:,} characters in one row; neither it nor what follows was read. Is each row on a line?"


class Row(NamedTuple):
    """One row and its place: the line of a JSONL file, else the row counted from 1 without the header."""

    place: str
    values: dict[str, Any]
    replies: Mapping[str, str] = MappingProxyType({})
    """By column: the whole reply, of a cell that has been replaced by the verdict found in it."""

    def problem(self, column: str, message: str) -> Problem:
        """Return a complaint about one cell of this row."""
        return Problem(f"{self.place}: {column}", message)


def read_rows(path: Path) -> list[Row]:
    """Return all rows of a file. Raises DataError that names every row that cannot be read, or the file that has
    none."""
    problems: list[Problem] = []
    rows = list(iter_rows(path, problems))
    if problems:
        raise DataError(problems)
    if not rows:
        raise DataError(f"{path}: the file has no rows; expected at least one")
    return rows


def iter_rows(path: Path, problems: list[Problem]) -> Iterator[Row]:
    """Yield the readable rows of a file, one after another; what is wrong with the others is added to `problems`.

    Raises DataError where the file as a whole cannot be read.
    """
    reader = FORMATS.get(_file_kind(path))
    if reader is None:
        known = f"expected one of {', '.join(FORMATS)}, texts also as .gz"
        raise DataError(f"{path}: unknown kind of file {''.join(path.suffixes[-2:])!r}; {known}")
    try:
        if not path.is_file():
            raise DataError(f"{path}: {_no_file(path)}")
        yield from reader(path, problems)
    except UnicodeDecodeError as fault:
        raise DataError(f"{path}: {_misspelled(path)}; save the file as UTF-8") from fault
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        raise DataError(f"{path}: damaged or cut off, not a whole gzip file ({fault}); fetch it again") from fault
    except OSError as fault:
        raise DataError(f"{path}: cannot be read ({fault.strerror or fault})") from fault


def _no_file(path: Path) -> str:
    """Return the kind of thing in the place of a file; it is never opened, since a pipe would wait for ever."""
    if path.is_dir():
        return "a folder; expected a file, so name one in it"
    return "a pipe or a device; expected a file, so save its rows as one" if path.exists() else "no such file"


def _file_kind(path: Path) -> str:
    """Return the ending that tells how a file is read, without `.gz`; of a packed Parquet file both, since none is
    read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] != [".gz"]:
        return suffixes[-1] if suffixes else ""
    inner = "".join(suffixes[-2:-1])
    return inner if inner != ".parquet" else ".parquet.gz"


def _opened(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def _misspelled(path: Path) -> str:
    """Say which encoding the file's text does not have, and in which line."""
    if encoding_in(path).startswith("utf-16"):
        return "not UTF-16 text"
    with _opened(path) as file:
        for number, line in enumerate(iter(partial(file.readline, MAX_ROW), b""), start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return f"line {number}: not UTF-8 text"
    return "not UTF-8 text"


def _text(path: Path, *, newline: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(_opened(path), encoding=encoding_in(path), newline=newline)


def _jsonl(path: Path, problems: list[Problem]) -> Iterator[Row]:
    # Only "\n" ends a line: splitlines() would also cut at separators that stand inside JSON strings.
    with _text(path, newline="\n") as file:
        lines, number = Lines(file), 0
        try:
            for number, line in enumerate(lines, start=1):
                lines.row_ended()
                if line.strip():
                    yield from _json_row(line, f"{path}: line {number}", problems)
        except LongRow:
            problems.append(Problem(f"{path}: line {number + 1}", LONG_ROW))


def _json_row(line: str, place: str, problems: list[Problem]) -> Iterator[Row]:
    try:
        value = strict_json(line)
    except (ValueError, RecursionError) as fault:
        problems.append(Problem(place, f"not JSON ({fault})"))
        return
    if isinstance(value, dict):
        yield Row(place, value)
    else:
        problems.append(Problem(place, f"expected an object with named columns, found {type(value).__name__}"))


def _read_document(path: Path) -> Any:
    """Return the one JSON value of a `.json` file. Raises DataError where it is none; other faults are
    `iter_rows`'s."""
    with _text(path, newline="") as file:
        text = file.read(MAX_DOCUMENT + 1)
    if len(text) > MAX_DOCUMENT:
        raise DataError(f"{path}: more than {MAX_DOCUMENT:,} characters in one piece; save it as .jsonl, a row a line")
    try:
        return strict_json(text)
    except (ValueError, RecursionError) as fault:
        raise DataError(f"{path}: not JSON ({fault})") from fault


def strict_json(text: str) -> Any:
    """Return a JSON value. Raises ValueError for what Python takes too and would read as something else: NaN and
    Infinity, repeated keys of an object, halves of surrogate pairs."""
    value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as fault:
            half = f"\\u{ord(fault.object[fault.start]):04x}"
            raise ValueError(f"{half} is half of a surrogate pair; write the whole character") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON; write null, or take the key out")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in values if keys.count(key) > 1)
        raise ValueError(f"the key {plain(twice, longest=40)!r} appears twice in one object; keep one of them")
    return values


def _json(path: Path, problems: list[Problem]) -> Iterator[Row]:
    value = _read_document(path)
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list of objects, found {type(value).__name__}")
    yield from _listed_rows(value, f"{path}: row", problems)


def _listed_rows(values: Sequence[Any], place: str, problems: list[Problem]) -> Iterator[Row]:
    """Yield the objects of a list as rows, counted from 1 after `place`."""
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            yield Row(f"{place} {number}", value)
        else:
            problems.append(Problem(f"{place} {number}", f"expected an object, found {type(value).__name__}"))


def _csv(path: Path, problems: list[Problem], *, delimiter: str | None = None) -> Iterator[Row]:
    """Return cells as text, decimal commas too; the first rows determine the delimiter if none is given.

    Rows have the numbers that a spreadsheet shows: the header is row 1. Blank rows at the end are none.
    """
    csv.field_size_limit(MAX_CELL)
    with _text(path, newline="") as file:
        lines = Lines(file)
        reader = csv.reader(lines, strict=True, delimiter=delimiter or _delimiter(path))
        try:
            header = next(reader, [])
            _check_header(path, header)
            blank: list[tuple[int, list[str]]] = []
            for number, cells in enumerate(reader, start=2):
                lines.row_ended()
                if not any(map(str.strip, cells)):
                    blank += [(number, cells)] if cells else []
                    continue
                for place, row in (*blank, (number, cells)):
                    if len(row) == len(header):
                        yield Row(f"{path}: row {place}", dict(zip(header, row, strict=True)))
                    else:
                        expected = f"expected {len(header)} cells as in the header, found {len(row)}"
                        problems.append(Problem(f"{path}: row {place}", expected))
                blank = []
        except csv.Error as fault:
            problems.append(Problem(f"{path}: line {reader.line_num}", f"not CSV ({fault})"))
        except LongRow:
            problems.append(Problem(f"{path}: line {reader.line_num + 1}", LONG_ROW))


def _delimiter(path: Path) -> str:
    with _text(path, newline="") as file:
        try:
            return choose_delimiter(Lines(file))
        except LongRow:  # the reader of the rows reports it
            return ","


def _check_header(path: Path, header: Sequence[str]) -> None:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise DataError(f"{path}: the header names {', '.join(twice)} more than once")


def _parquet(path: Path, problems: list[Problem]) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(f"{path}: row {number}", values)
            whole = file.metadata.num_rows
        if number != whole:  # Arrow takes some damaged pages for the end of the file
            raise DataError(f"{path}: damaged, {number:,} of {whole:,} rows can be read; fetch it again")
    except (pa.ArrowException, OSError) as fault:
        raise DataError(f"{path}: not a Parquet file ({fault})") from fault


FORMATS: dict[str, Callable[[Path, list[Problem]], Iterator[Row]]] = {
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".parquet": _parquet,
    ".tsv": partial(_csv, delimiter="\t"),
}


# How the text of a file is spelled: its encoding by its first bytes, its delimiter by its first rows, no line endless.


class LongRow(Exception):
    """A row of more than MAX_ROW characters."""


class Lines:
    """The lines of a text, one after another; LongRow is raised before a row of too many characters is held."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._taken = 0

    def row_ended(self) -> None:
        """Begin another row with the next line."""
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


def encoding_in(path: Path) -> str:
    """Return the codec of a text file: UTF-8 unless its first bytes are UTF-16, or all of it can only be Windows'
    cp1252.

    The file is read once, and again only if it changes."""
    return _detect_encoding(path, *stamp(path))


@lru_cache(maxsize=1024)
def _detect_encoding(path: Path, *_: int) -> str:
    with _opened(path) as file:
        encoding = choose_encoding(file.read(4))
        file.seek(0)
        return WESTERN if encoding == "utf-8-sig" and _is_western(file) else encoding


def choose_encoding(start: bytes) -> str:
    """Return the codec for a file that begins with these bytes (four are enough): UTF-8 unless they are UTF-16, by its
    mark or by the zero in every second byte."""
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and start[:4] != codecs.BOM_UTF32_LE:
        return "utf-16"
    zeros = "".join("0" if byte == 0 else "x" for byte in start)
    return {"x0x0": "utf-16-le", "0x0x": "utf-16-be"}.get(zeros, "utf-8-sig")


def _is_western(file: BinaryIO) -> bool:
    """Return True if the lines with signs beyond ASCII are all cp1252 and none is UTF-8, and such signs are few, as in
    the languages that cp1252 was made for: a text in Cyrillic or Chinese consists of them."""
    size = beyond = 0
    for block in iter(lambda: file.read(_BLOCK) + file.readline(MAX_ROW // 8), b""):
        size += len(block)
        for line in () if block.isascii() else block.split(b"\n"):
            if len(line) >= MAX_ROW // 8:  # part of a line, which says nothing
                return False
            if line.isascii():
                continue
            with suppress(UnicodeDecodeError):
                line.decode()
                return False
            try:
                line.decode(WESTERN)
            except UnicodeDecodeError:
                return False
            beyond += len(line) - len(line.translate(None, BEYOND_ASCII))
    return 0 < beyond < MOST_BEYOND_ASCII * size


def choose_delimiter(lines: Iterable[str]) -> str:
    """Return the delimiter of a `.csv` file whose lines begin like these: a comma, unless its header has none and
    half the rows fit a header that is parted otherwise, or only another delimiter makes a table of them."""
    kept = list(_held(lines))
    comma_columns, comma_fit = _fit(kept, ",")
    if comma_columns > 1 and comma_fit == 1:
        return ","
    least = 0.5 if comma_columns < 2 else 1.0  # rows that do not fit are faults to be named
    fits = {other: _fit(kept, other) for other in OTHERS}
    able = [other for other, (columns, fit) in fits.items() if columns > 1 and fit >= least]
    return max(able, key=lambda other: (fits[other].share == 1, fits[other].columns), default=",")


class _Fit(NamedTuple):
    """The first rows as a delimiter splits them."""

    columns: int
    """Cells of the header."""
    share: float
    """The share of the other rows with as many cells; below 1 if the text is no CSV."""


def _held(lines: Iterable[str]) -> Iterable[str]:
    """Enough lines for the rows that are looked at, however many line ends stand in their cells."""
    size = 0
    for number, line in enumerate(lines):
        if (number > LOOKED_AT and size > 1_000_000) or size > MAX_ROW // 4:
            return
        size += len(line)
        yield line


def _fit(lines: Iterable[str], delimiter: str) -> _Fit:
    columns, widths, is_whole = 0, list[int](), True
    reader = csv.reader(lines, strict=True, delimiter=delimiter)
    try:
        columns = len(next(reader, []))
        widths += (len(cells) for cells in islice(filter(None, reader), LOOKED_AT))
    except csv.Error:
        is_whole = False
    share = widths.count(columns) / len(widths) if widths else 0.0
    return _Fit(columns, share if is_whole else min(share, 0.99))
