"""The rows of one source of a run file, wherever they lie, with the facts by which a reader finds them again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from amendment.data.hub_rows import dataset_folder, read_dataset, stream_dataset
from amendment.data.sources import Source
from amendment.errors import DataError, Problem
from amendment.files import file_hash
from amendment.tables import Row, iter_rows

__all__ = ["FileFacts", "SourceRows", "SourceStream", "fact_name", "facts_of", "rows_of", "source_state", "stream_of"]

GLIMPSE = 20
"""Rows of a dataset on the Hub that a check looks at."""
CHUNK = 1000
"""Rows of a stream that are held together; by the first of them the columns of a dataset on the Hub are known."""


class FileFacts(NamedTuple):
    """What a certificate and a run's counts say of a file or dataset that was read."""

    name: str
    rows: int
    sha256: str | None
    """Of the file's bytes; of a dataset in a local folder that of the lines that `sha256sum` prints for its files in
    the order of their names. None for a dataset on the Hub, and as long as nobody has asked for it."""
    revision: str | None
    """The commit of a dataset on the Hub; None for anything else."""
    license: str | None = None
    """As the run file has it."""
    state: Hashable = None
    """What tells, when the hash is asked for, whether the rows were read from what then lies there."""

    def to_json(self) -> dict[str, int | str]:
        """What is known of it beside its name."""
        told = {"rows": self.rows, "sha256": self.sha256, "commit": self.revision, "license": self.license}
        return {name: value for name, value in told.items() if value is not None}


class SourceRows(NamedTuple):
    """Readable rows, what is wrong with the others, and the names of all columns."""

    place: str
    """Of the source as a whole, in messages."""
    rows: list[Row]
    problems: list[Problem]
    columns: dict[str, None]
    facts: FileFacts
    is_glimpse: bool
    """Only the first rows were looked at, since more would be a download."""


def rows_of(source: Source, base: Path, *, glimpse: bool = False) -> SourceRows:
    """The rows of a source, up to its `take`. Raises DataError where there is none to read.

    `glimpse` reads only the first rows of a dataset on the Hub; files and folders are read as ever.
    """
    if source.path is not None:
        return _file_rows(source, base)
    short = glimpse and dataset_folder(source, base) is None
    limit = min(source.take or GLIMPSE, GLIMPSE) if short else source.take
    state = _state(source, base)
    rows, revision = read_dataset(source, base, limit=limit)
    facts = FileFacts(fact_name(source), len(rows), None, revision, source.license, state)
    _check_unchanged(source, facts, base)
    return SourceRows(facts.name, rows, [], _columns(rows), facts, short)


def _file_rows(source: Source, base: Path) -> SourceRows:
    path = base / str(source.path)
    state = _state(source, base)
    problems: list[Problem] = []
    rows = list(islice(iter_rows(path, problems), source.take))
    if not rows:
        raise DataError(problems or f"{path}: the file has no rows; expected at least one")
    facts = FileFacts(fact_name(source), len(rows), None, None, source.license, state)
    _check_unchanged(source, facts, base)
    return SourceRows(str(path), rows, problems, _columns(rows), facts, is_glimpse=False)


@dataclass
class SourceStream:
    """The readable rows of a source a chunk at a time, with what is known before the first is read."""

    head: SourceRows
    """The first rows, and the problems and columns of all; of a dataset on the Hub those of the first rows."""
    _rows: Callable[[], Iterator[Row]]
    _read: int = 0

    def chunks(self) -> Iterator[list[Row]]:
        """All rows, a few in memory at a time. To be read once."""
        rows = self._rows()
        while chunk := list(islice(rows, CHUNK)):
            self._read += len(chunk)
            yield chunk

    @property
    def facts(self) -> FileFacts:
        """What is known of the source when all rows have been read."""
        return self.head.facts._replace(rows=self._read)


def stream_of(source: Source, base: Path, *, glimpse: bool = False) -> SourceStream:
    """The rows of a source as a stream: what `rows_of` gives, without holding it.

    A file or a folder is read twice, since its last row may have a column that its first has not; a dataset on the Hub
    once.
    """
    if source.path is None and dataset_folder(source, base) is None:
        return _hub_stream(source, base, glimpse=glimpse)
    problems: list[Problem] = []
    state, columns = _state(source, base), dict[str, None]()
    first: list[Row] = []
    for row in _local_rows(source, base, problems):
        columns.update(dict.fromkeys(row.values))
        if len(first) < CHUNK:
            first.append(row)
    place = fact_name(source) if source.path is None else str(base / source.path)
    if not first:
        raise DataError(problems or f"{place}: the file has no rows; expected at least one")
    facts = FileFacts(fact_name(source), 0, None, None, source.license, state)
    _check_unchanged(source, facts, base)
    head = SourceRows(place, first, problems, columns, facts, is_glimpse=False)
    return SourceStream(head, lambda: _local_rows(source, base, []))


def _local_rows(source: Source, base: Path, problems: list[Problem]) -> Iterator[Row]:
    if source.path is not None:
        return islice(iter_rows(base / source.path, problems), source.take)
    return stream_dataset(source, base, limit=source.take).rows


def _hub_stream(source: Source, base: Path, *, glimpse: bool) -> SourceStream:
    limit = min(source.take or GLIMPSE, GLIMPSE) if glimpse else source.take
    rows, revision = stream_dataset(source, base, limit=limit)
    first = list(islice(rows, CHUNK))
    facts = FileFacts(fact_name(source), 0, None, revision, source.license)
    head = SourceRows(facts.name, first, [], _columns(first), facts, glimpse)
    return SourceStream(head, lambda: chain(first, rows))


def fact_name(source: Source) -> str:
    """Under which name a certificate and a run's counts tell of a source."""
    return source.label if source.path is not None else f"{source.dataset}[{source.split or 'train'}]"


def _columns(rows: list[Row]) -> dict[str, None]:
    """The names of all columns in order of appearance; keys that a row leaves out are empty there."""
    return {name: None for row in rows for name in row.values}


def facts_of(files: Iterable[tuple[Source, FileFacts]], base: Path) -> list[FileFacts]:
    """The facts of all that was read, with the hashes of files; what was read twice stands once.

    Raises DataError where a file is no longer what the rows were read from.
    """
    return list(dict.fromkeys(_with_hash(source, facts, base) for source, facts in files))


def _with_hash(source: Source, facts: FileFacts, base: Path) -> FileFacts:
    try:
        content = _content(source, base)
    except OSError:  # taken away, which the state tells
        content = None
    _check_unchanged(source, facts, base)
    return facts._replace(sha256=content, state=None)


def _check_unchanged(source: Source, facts: FileFacts, base: Path) -> None:
    if _state(source, base) != facts.state:
        place = facts.name if source.path is None else base / source.path
        raise DataError(f"{place}: changed while it was read; run again once nothing writes there")


def _state(source: Source, base: Path) -> Hashable:
    """Of a file, or of the files of a local folder: which they are, their sizes and times; nothing for the Hub."""
    top = base / source.path if source.path is not None else dataset_folder(source, base)
    if top is None:
        return None
    try:
        files = _shown(top) if top.is_dir() else {"": top}
        return tuple((name, *_stamp(file)) for name, file in sorted(files.items()) if file.is_file())
    except OSError:  # told by who reads it; of what was read before it is another state
        return None


def _shown(folder: Path) -> dict[str, Path]:
    """The files of a folder by their path in it, without what is hidden."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file for name, file in files.items() if not any(part.startswith(".") for part in name.split("/"))}


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _content(source: Source, base: Path) -> str | None:
    """The hash of a file, or of a local folder without what is hidden in it; None for a dataset on the Hub."""
    if source.path is not None:
        return _hash(base / source.path)
    folder = dataset_folder(source, base)
    if folder is None:
        return None
    files = _shown(folder)
    lines = "".join(f"{_hash(files[name])}  {name}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _hash(path: Path) -> str:
    """Of a file's content, which is read once as long as nobody has touched the file."""
    return _hash_as_of(path, *_stamp(path))


@lru_cache(maxsize=1024)
def _hash_as_of(path: Path, *stamp: int) -> str:
    return file_hash(path)


def source_state(source: Source, base: Path) -> Any:
    """What tells whether a source has changed, without the network: a file's hash, the names, sizes and times of a
    folder's files, nothing for a dataset on the Hub, whose revision says what it is."""
    if source.path is not None:
        path = base / source.path
        return _hash(path) if path.is_file() else None
    folder = dataset_folder(source, base)
    if folder is None or not folder.is_dir():
        return None
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return [[str(file.relative_to(folder)), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
