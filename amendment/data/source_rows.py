"""The rows of one source of a run file, with the facts by which a reader finds them again.

Covered: files, and datasets on the Hub or in a local folder (config, split, revision): the commit that was read, and
every fault as one message that says what to do. Not covered: datasets that need code of their own, which is never run.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple, cast

from amendment.data.sources import Source
from amendment.errors import DataError, Problem
from amendment.files import file_hash, stamp
from amendment.results import Result, Table
from amendment.tables import Row, encoding_in, iter_rows
from amendment.text import plain

FILES = "Files and datasets that were read"
GLIMPSE, GLIMPSE_HERE = 20, 100_000
"""The most rows that a check looks at: of a dataset on the Hub, and of a file or a folder on this machine."""
CHUNK = 1000
"""Rows of a stream that are held together; by the first of them the columns of a dataset on the Hub are known."""


class FileFacts(NamedTuple):
    """A file or dataset that was read, as a certificate and a run's counts describe it."""

    name: str
    rows: int
    sha256: str | None
    """SHA-256 of the file's bytes; of a dataset in a local folder that of the lines that `sha256sum` prints for its
    files in the order of their names. None for a dataset on the Hub."""
    revision: str | None
    """The commit of a dataset on the Hub; None for anything else."""
    license: str | None = None
    """The license as the run file states it."""
    encoding: str | None = None
    """The encoding of a text file that is not UTF-8, which its bytes suggest."""

    def to_json(self) -> dict[str, int | str]:
        """Return what is known of the file or dataset."""
        facts: dict[str, int | str | None] = {"name": self.name, "rows": self.rows, "sha256": self.sha256}
        facts |= {"commit": self.revision, "license": self.license, "encoding": self.encoding}
        return {name: value for name, value in facts.items() if value is not None}


def files_table(facts: Iterable[FileFacts]) -> Table:
    """Return the files and datasets that a stage has read, each once, as a table of its result."""
    return Table(title=FILES, head=FileFacts._fields, rows=tuple(map(tuple, dict.fromkeys(facts))))


def list_files(result: Result) -> list[FileFacts]:
    """Return the facts of the files in a stage's result."""
    table = result.table(FILES)
    return [FileFacts(*cast(Any, row)) for row in table.rows] if table else []


class SourceRows(NamedTuple):
    """Readable rows, what is wrong with the others, and the names of all columns."""

    place: str
    """The place of the source as a whole, for messages."""
    rows: list[Row]
    problems: list[Problem]
    columns: dict[str, None]
    """Columns in order of appearance; keys that a row leaves out are empty there."""
    facts: FileFacts
    is_glimpse: bool
    """Only the first rows were looked at: more would be a download, or take minutes."""


@dataclass
class SourceStream:
    """The readable rows of a source a chunk at a time, with what is known before the first is read."""

    head: SourceRows
    """The first rows, and the problems and columns of all; of a dataset on the Hub those of the first rows."""
    _source: Source
    _base: Path
    _rows: Iterator[Row]
    _read: int = 0

    def chunks(self) -> Iterator[list[Row]]:
        """Yield all rows, a few in memory at a time. It can be read once."""
        while chunk := list(islice(self._rows, CHUNK)):
            self._read += len(chunk)
            yield chunk
        _check_unchanged(self._source, self._base, self.head.facts.sha256)

    @property
    def facts(self) -> FileFacts:
        """Return the facts about the source, complete once all rows have been read."""
        return self.head.facts._replace(rows=self._read)


def read_source(source: Source, base: Path, *, glimpse: bool = False) -> SourceRows:
    """Read the rows of a source, up to its `take`. Raises DataError if there is none to read.

    `glimpse` reads only the first rows, for a check.
    """
    head, stream = _opened(source, base, glimpse=glimpse)
    rows = list(stream)
    if not rows:
        raise DataError(head.problems or f"{head.place}: the file has no rows; expected at least one")
    _check_unchanged(source, base, head.facts.sha256)
    columns = {name: None for row in rows for name in row.values}
    is_glimpse = glimpse and is_cut(source, base, len(rows))
    return head._replace(rows=rows, columns=columns, facts=head.facts._replace(rows=len(rows)), is_glimpse=is_glimpse)


def is_cut(source: Source, base: Path, rows: int) -> bool:
    """Return whether the run may read more of a source than a glimpse that read so many `rows`."""
    most = _most_glimpsed(source, base)
    return rows == most and source.take != most


def _most_glimpsed(source: Source, base: Path) -> int:
    return GLIMPSE_HERE if _local(source, base) else GLIMPSE


def stream_source(source: Source, base: Path, *, glimpse: bool = False) -> SourceStream:
    """Stream the rows of a source: as `read_source`, without holding them.

    A file or a folder is read twice, since its last row may have a column that its first has not; a dataset on the Hub
    once.
    """
    head, stream = _opened(source, base, glimpse=glimpse)
    first = list(islice(stream, CHUNK))
    columns = {name: None for row in first for name in row.values}
    rows: Iterator[Row] = chain(first, stream)
    if _local(source, base):
        for row in stream:
            columns.update(dict.fromkeys(row.values))
        _, rows = _opened(source, base, glimpse=glimpse)
    if not first:
        raise DataError(head.problems or f"{head.place}: the file has no rows; expected at least one")
    return SourceStream(head._replace(rows=first, columns=columns), source, base, rows)


def _opened(source: Source, base: Path, *, glimpse: bool) -> tuple[SourceRows, Iterator[Row]]:
    """Open a source and its rows, before they are read."""
    problems: list[Problem] = []
    most = _most_glimpsed(source, base)
    limit = min(source.take or most, most) if glimpse else source.take
    if source.path is not None:
        place, revision = str(base / source.path), None
        rows: Iterator[Row] = islice(iter_rows(base / source.path, problems), limit)
    else:
        place = fact_name(source)
        rows, revision = stream_dataset(source, base, limit=limit)
    try:
        content = _content(source, base)
        encoding = _encoding(source, base)
    except OSError:  # the reader of the rows says what is wrong
        content = encoding = None
    facts = FileFacts(fact_name(source), 0, content, revision, source.license, encoding)
    return SourceRows(place, [], problems, {}, facts, is_glimpse=False), rows


def fact_name(source: Source) -> str:
    """Return the name of a source in a certificate and in a run's counts."""
    return source.label if source.path is not None else f"{source.name}[{source.split_name}]"


def source_state(source: Source, base: Path) -> Any:
    """Return a value that changes with the source, without the network: a file's hash, the names, sizes and times of a
    folder's files, nothing for a dataset on the Hub, whose revision identifies it."""
    place = _local(source, base)
    if place is None or not place.exists():
        return None
    if place.is_file():
        return _hash(place)
    return [[name, path.stat().st_size, path.stat().st_mtime_ns] for name, path in sorted(_shown(place).items())]


def _local(source: Source, base: Path) -> Path | None:
    """Return the file or folder of a source; None for a dataset on the Hub."""
    return base / source.path if source.path is not None else dataset_folder(source, base)


def _check_unchanged(source: Source, base: Path, before: str | None) -> None:
    """Raise DataError where a file is no longer what the rows were read from."""
    try:
        content = _content(source, base)
    except OSError:
        content = None
    if content != before:
        place = base / source.path if source.path is not None else fact_name(source)
        raise DataError(f"{place}: changed while it was read; run again when nothing writes to it")


def _content(source: Source, base: Path) -> str | None:
    """Hash a file, or a local folder without hidden files; None for a dataset on the Hub."""
    place = _local(source, base)
    if place is None or not place.is_dir():
        return _hash(place) if place and place.is_file() else None  # a pipe would be waited for
    lines = "".join(f"{_hash(path)}  {name}\n" for name, path in sorted(_shown(place).items()))
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


def _encoding(source: Source, base: Path) -> str | None:
    """Return the encoding of a text file; None for UTF-8 and for other files."""
    path = base / str(source.path)
    if source.path is None or ".parquet" in path.suffixes or not path.is_file():
        return None
    with suppress(EOFError, zlib.error):  # a damaged file, of which the reader of the rows says so
        encoding = encoding_in(path)
        return None if encoding == "utf-8-sig" else encoding
    return None


def _shown(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their path in it, without hidden ones."""
    files = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    return {name: file for name, file in files.items() if not any(part.startswith(".") for part in name.split("/"))}


def _hash(path: Path) -> str:
    """Hash a file's content, which is read once as long as the file does not change."""
    return _cached_hash(path, *stamp(path))


@lru_cache(maxsize=1024)
def _cached_hash(path: Path, *_: int) -> str:
    return file_hash(path)


# Datasets on the Hub, and local folders that `datasets` reads.


TIMEOUT = 30.0
"""Seconds until a Hub that does not answer counts as out of reach."""


def dataset_folder(source: Source, base: Path) -> Path | None:
    """Return the local folder that a source's dataset means, seen from `base`; None for one on the Hub."""
    name = str(source.name)
    if not name.startswith((".", "/", "~")):
        return None
    return base / Path(name).expanduser()


def stream_dataset(source: Source, base: Path, *, limit: int | None) -> tuple[Iterator[Row], str | None]:
    """Return the first rows of a dataset, all if `limit` is None, and their commit on the Hub; None for a local folder.
    Failures raise DataError that says what to do."""
    folder = dataset_folder(source, base)
    if folder is not None and not folder.is_dir():
        raise DataError(f"dataset {folder}: no such folder; a dataset on the Hub is written org/name")
    with _explain_faults(source):
        revision = None if folder else _commit(source)
    return _rows(source, folder, revision, limit), revision


def _rows(source: Source, folder: Path | None, revision: str | None, limit: int | None) -> Iterator[Row]:
    split = source.split_name
    place, number = f"{source.name}[{split}] row", 0
    with _explain_faults(source):
        from datasets import load_dataset

        name = str(folder or source.name)
        stream = load_dataset(name, name=source.config_name, split=split, revision=revision, streaming=True)
        for number, row in enumerate(islice(stream, limit), start=1):
            yield Row(f"{place} {number}", dict(row))
    if not number:
        raise DataError(f"dataset {source.name}: split {split} has no rows; expected at least one")


@contextmanager
def _explain_faults(source: Source) -> Iterator[None]:
    """Turn whatever breaks on the way from the Hub into one message."""
    with _quiet():
        try:
            yield
        except DataError:
            raise
        except Exception as fault:
            raise DataError(f"dataset {source.name}: {_advice(fault, source)}") from fault


def _commit(source: Source) -> str | None:
    """Return the current commit of a revision. It is asked for first, so that an unreachable Hub is reported at
    once."""
    from huggingface_hub import HfApi

    name = str(source.name)
    if Path(name).is_dir():  # `datasets` would take it for the dataset
        raise DataError(f"dataset {name}: a folder of this name exists here; write ./{name} if you mean it")
    return HfApi().dataset_info(name, revision=source.revision, timeout=TIMEOUT).sha


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress bars and log lines of `datasets`."""
    import datasets

    level = datasets.logging.get_verbosity()
    had_bars = datasets.are_progress_bars_disabled()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if not had_bars:
            datasets.enable_progress_bars()


def _advice(fault: Exception, source: Source) -> str:
    """Explain the cause in our words, if it is known, and what to do; the first that applies."""
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub import errors

    text = plain(" ".join(str(fault).split()), longest=300)
    kind = type(fault).__name__
    absent = isinstance(fault, errors.RepositoryNotFoundError | DatasetNotFoundError)
    unreachable = _is_out_of_reach(fault)
    is_value = isinstance(fault, ValueError)
    advice = {
        "the Hub is switched off here (HF_HUB_OFFLINE is set); unset it, or download the dataset's files and name "
        "their folder as dataset: ./folder": isinstance(fault, errors.OfflineModeIsEnabled),
        "is gated: accept its terms on its page on the Hub, and set HF_TOKEN to a token of that account": isinstance(
            fault, errors.GatedRepoError
        ),
        f"has no revision {source.revision!r}; name a branch, a tag or a commit of it": isinstance(
            fault, errors.RevisionNotFoundError
        ),
        "not found on the Hub, or private; check the spelling (org/name), or set HF_TOKEN to a token that may read "
        "it": absent,
        f"is no name of a dataset on the Hub ({text}); expected org/name, or ./folder for a local one": isinstance(
            fault, errors.HFValidationError
        ),
        f"has no split {source.split_name!r}; {text.partition('. ')[2] or text}. Name one as split:": is_value
        and text.startswith(("Bad split", "Unknown split")),
        f"{text}. Name one as split: CONFIG/SPLIT": is_value
        and ("BuilderConfig" in text or "Config name is missing" in text),
        f"holds no files that can be read as rows ({text})": isinstance(fault, FileNotFoundError),
        f"the Hub cannot be reached ({kind}: {text}); try again, or use a local copy (./folder)": unreachable,
        f"cannot be read ({kind}: {text})": True,
    }
    return next(words for words, holds in advice.items() if holds)


def _is_out_of_reach(fault: BaseException | None) -> bool:
    """Return True if a connection failed, here or in an exception that caused this one."""
    while fault is not None:
        if isinstance(fault, ConnectionError | TimeoutError) or "httpx" in type(fault).__module__:
            return True
        fault = fault.__cause__ or fault.__context__
    return False
