"""Records as Parquet: one schema per record class, whole files or none, the same bytes for the same records.

Plain fields become plain columns; nested ones (messages, origins, distributions) are columns of canonical
JSON, so that every conversation fits, whatever its tools look like.
"""

from __future__ import annotations

import types
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union, get_args, get_origin

import orjson

from amendment.errors import LedgerError
from amendment.files import read_json, replacing
from amendment.hashing import canonical_json
from amendment.records import Candidate, Prompt, Record
from amendment.results import Result
from amendment.text import plain

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyarrow.parquet import FileMetaData, ParquetFile

R = TypeVar("R", bound=Record)
ROW_GROUP = 1000
"""Rows that are written together, and so held together while a table is written."""
MOST_TEXT = 32_000_000
"""Characters that are written together, where rows are that long."""
BATCH = 200
"""Rows that are held together while one is read."""
GROUPS, NEIGHBOURS = 32, 50
"""Row groups that `StoredRecords` holds, and as many batches of records, each of so many rows."""
_PLAIN = {str: "string", int: "int64", float: "float64", bool: "bool_"}


def write_records(path: Path, kind: type[R], records: Iterable[R]) -> int:
    """Write a stage's table and say how many rows it has. The id of a record, where it has one, is a column too."""
    count = 0
    with writing_records(path, kind) as add:
        for record in records:
            add(record)
            count += 1
    return count


@contextmanager
def writing_records(path: Path, kind: type[R]) -> Iterator[Callable[[R], None]]:
    """Yield a function that adds a record to a table, which exists when the block ends without an error.

    Rows are kept in groups of a fixed number, so that memory is bounded and equal records give equal bytes.
    """
    with replacing(path) as temporary, closing(_TableWriter(temporary, kind)) as writer:
        yield writer.add
        writer.flush()


class _TableWriter:
    """Records on their way into a file, a row group at a time."""

    def __init__(self, path: Path, kind: type[Record]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._columns = _columns(kind)
        self._is_named = hasattr(kind, "id")
        names = {"id": "string"} if self._is_named else {}
        self._kinds = {**names, **{name: arrow or "string" for name, arrow in self._columns.items()}}
        self._schema = pa.schema([(name, getattr(pa, arrow)()) for name, arrow in self._kinds.items()])
        self._file = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            write_page_checksum=True,
            write_statistics=False,  # least and greatest texts, which nobody asks for, of every group until the end
        )
        self._rows: list[list[Any]] = []
        self._size = 0
        """Characters of the rows that are not written."""
        self._is_empty = True

    def add(self, record: Record) -> None:
        values = record.to_json()
        row = [getattr(record, "id")] if self._is_named else []  # noqa: B009
        for name, arrow in self._columns.items():
            value = values.get(name)
            row.append(value if arrow or value is None else canonical_json(value).decode("utf-8"))
        self._rows.append(row)
        self._size += sum(len(value) for value in row if isinstance(value, str))
        if len(self._rows) >= ROW_GROUP or self._size >= MOST_TEXT:
            self._write()

    def flush(self) -> None:
        """Write what is left; a table without rows has a group too."""
        if self._rows or self._is_empty:
            self._write()

    def close(self) -> None:
        self._file.close()

    def _write(self) -> None:
        import pyarrow as pa

        columns = list(zip(*self._rows, strict=True)) or [()] * len(self._kinds)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, self._schema.types, strict=True)]
        self._file.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows, self._size, self._is_empty = [], 0, False


def read_records(path: Path, kind: type[R]) -> list[R]:
    """Read the records of a table, in its order. Raises LedgerError if the file was changed."""
    return list(iter_records(path, kind))


def iter_records(path: Path, kind: type[R], *, prompts: Collection[str] | None = None) -> Iterator[R]:
    """Yield the records of a table, a batch in memory at a time. Raises LedgerError as `read_records`, when it gets
    there.

    `prompts` are the ids of the prompts whose records are wanted; None for all. Groups of rows without any of them are
    not read.

    They bear the names that stand in the table; whether these follow from the content is for `amendment verify` to say.
    A column that came with a later version than the table's, and that may be absent, is absent in its records.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    with _opened(path) as file:
        columns = _columns_in(set(file.schema_arrow.names), kind)
        key = "prompt_id" if "prompt_id" in columns else "id"
        wanted = None if prompts is None else pa.array(prompts, pa.string())
        for group in range(file.num_row_groups):  # iter_batches takes some damaged pages for the end of the file
            if wanted is not None:
                keys = file.read_row_group(group, columns=[key])[key]
                if not pc.any(is_wanted := pc.is_in(keys, wanted)).as_py():
                    continue
            table = file.read_row_group(group, columns=_stored(columns, kind))
            for batch in (table if wanted is None else table.filter(is_wanted)).to_batches(max_chunksize=BATCH):
                yield from _parse_batch(batch, kind, columns)


def read_columns(path: Path, *names: str) -> Iterator[tuple[Any, ...]]:
    """Yield a few columns of a table, row by row, a row group in memory at a time. Raises LedgerError as
    `read_records`, when it gets there."""
    with _opened(path) as file:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, columns=[*names])
            yield from zip(*(table[name].to_pylist() for name in names), strict=True)


def count_records(path: Path) -> int:
    """Count the records in a table from its last bytes alone. Raises LedgerError as `read_records`."""
    with _opened(path) as file:
        return int(file.metadata.num_rows)


class StoredRecords(Mapping[str, R]):
    """Records of tables by id, each read when it is asked for; of those with one id the first counts.

    It holds a few bytes a record, and the row groups and records that were read last: it is fast for questions in
    the order of the tables. Raises LedgerError as `read_records`, KeyError for an id that no table has.
    """

    def __init__(self, kind: type[R], paths: Iterable[Path]) -> None:
        import numpy as np

        self._kind, self._paths = kind, [*paths]
        self._groups: list[tuple[Path, int, FileMetaData]] = []
        self._starts: list[int] = []
        """Places of the first rows of groups, counted over all tables."""
        hashes = array("q")
        for path in self._paths:
            with _opened(path) as file:
                for group in range(file.num_row_groups):
                    self._groups.append((path, group, file.metadata))
                    self._starts.append(len(hashes))
                    hashes.extend(map(hash, file.read_row_group(group, columns=["id"])["id"].to_pylist()))
        order = np.argsort(hashes, kind="stable")
        self._order, self._hashes = array("q", order.tobytes()), array("q", np.take(hashes, order).tobytes())
        self._group = lru_cache(GROUPS)(self._read_group)
        self._batch = lru_cache(GROUPS)(self._read_batch)

    def __getitem__(self, name: str) -> R:
        return self._found(name)[1]

    def __iter__(self) -> Iterator[str]:
        names = (name for path in self._paths for (name,) in read_columns(path, "id"))
        return (name for place, name in enumerate(names) if self._found(name)[0] == place)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _found(self, name: str) -> tuple[int, R]:
        """Return the first record with this id, and its place."""
        sought = hash(name)
        for number in range(bisect_left(self._hashes, sought), len(self._hashes)):
            if self._hashes[number] != sought:
                break
            place = self._order[number]
            group = bisect_right(self._starts, place) - 1
            batch, row = divmod(place - self._starts[group], NEIGHBOURS)
            record = self._batch(group, batch)[row]
            if vars(record)["id"] == name:  # two ids may have one hash
                return place, record
        raise KeyError(name)

    def _read_batch(self, number: int, batch: int) -> list[R]:
        group, columns = self._group(number)
        with _readable(self._groups[number][0]):
            return [*_parse_batch(group.slice(batch * NEIGHBOURS, NEIGHBOURS), self._kind, columns)]

    def _read_group(self, number: int) -> tuple[RecordBatch, dict[str, str | None]]:
        path, group, metadata = self._groups[number]
        with _opened(path, metadata) as file:
            columns = _columns_in(set(file.schema_arrow.names), self._kind)
            table = file.read_row_group(group, columns=_stored(columns, self._kind))
            return table.combine_chunks().to_batches()[0], columns


@contextmanager
def _opened(path: Path, metadata: FileMetaData | None = None) -> Iterator[ParquetFile]:
    """Open a table's file; `metadata` saves reading its last bytes again."""
    import pyarrow.parquet as pq

    with _readable(path), pq.ParquetFile(path, metadata=metadata, page_checksum_verification=True) as file:
        yield file


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Raise LedgerError for a table that was changed."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, KeyError, ValueError) as fault:
        reason = f"{type(fault).__name__}: {plain(str(fault))}"
        raise LedgerError(f"{path}: not a readable table ({reason}); delete it and run again to rebuild it") from fault


def _stored(columns: Iterable[str], kind: type[Record]) -> list[str]:
    """Return the columns of a table in which records of a kind are stored."""
    return [*columns, *(["id"] if hasattr(kind, "id") else [])]


def _parse_batch(batch: RecordBatch, kind: type[R], columns: Mapping[str, str | None]) -> Iterator[R]:
    """Yield the records in rows of a table, by their stored ids."""
    for row in batch.to_pylist():
        record = parse_record(row, kind, columns)
        if name := row.get("id"):
            vars(record)["id"] = name  # where a kind keeps its name, it is not worked out again
        yield record


def parse_record(row: Mapping[str, Any], kind: type[R], columns: Mapping[str, str | None] | None = None) -> R:
    """Parse the record in a row of a table and compute its id. Raises KeyError and ValueError for any other row."""
    columns = columns or _columns(kind)
    return kind.from_json({name: _value(row[name], columns[name]) for name in columns if row[name] is not None})


def _value(value: Any, arrow: str | None) -> Any:
    return value if arrow else orjson.loads(value)


def _columns_in(names: set[str], kind: type[Record]) -> dict[str, str | None]:
    """Return a kind's columns in a table that has these; all of them if the table holds something else."""
    columns = _columns(kind)
    if not names <= {*columns, "id"}:
        return columns
    return {name: arrow for name, arrow in columns.items() if name in names or kind.model_fields[name].is_required()}


def _columns(kind: type[Record]) -> dict[str, str | None]:
    """Return each field with its plain Arrow type, or None if it is stored as JSON."""
    return {name: _plain(field.annotation) for name, field in kind.model_fields.items()}


def _plain(annotation: Any) -> str | None:
    """Return the Arrow type of str, int, float, bool, literals of one of them, and the optional forms."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return _plain(inner[0]) if len(inner) == 1 else None
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    kinds = {type(choice) for choice in get_args(annotation)} if str(annotation).startswith("typing.Literal") else set()
    return _PLAIN.get(kinds.pop()) if len(kinds) == 1 else None


# A run's folder.

ITEMS = "inputs/items"
"""The table of `ItemName`."""


class Split(Record):
    """The side of the split that a prompt is on."""

    prompt_id: str
    split: str


class ItemName(Record):
    """A comparison's own name, from the column `item` of the user's files."""

    prompt_id: str
    name: str


class Workspace:
    """A run's folder: artefacts by name, and the note that each finished stage leaves."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, artefact: str) -> Path:
        """Return the path of an artefact: a folder under `models/`, a file that names its ending, else a table."""
        if artefact.startswith("models/") or artefact.endswith((".json", ".md")):
            return self.folder / artefact
        return self.folder / f"{artefact}.parquet"

    def read(self, artefact: str, kind: type[R]) -> list[R]:
        """Read the records of a table."""
        return read_records(self.path(artefact), kind)

    def write(self, artefact: str, kind: type[R], records: Iterable[R]) -> str:
        """Write a table whole; returns its name."""
        write_records(self.path(artefact), kind, records)
        return artefact

    def rows(self, artefact: str, kind: type[R]) -> Iterator[R]:
        """Yield the records of a table one after another, few of them in memory at a time."""
        return iter_records(self.path(artefact), kind)

    def count(self, artefact: str) -> int:
        """Count the records of a table."""
        return count_records(self.path(artefact))

    def writing(self, artefact: str, kind: type[R]) -> AbstractContextManager[Callable[[R], None]]:
        """Write a table row by row: yields what adds one. The table is there when the block ends without an error."""
        return writing_records(self.path(artefact), kind)

    def digest(self, artefact: str) -> str:
        """Return the content hash of an artefact, as it was made. Raises LedgerError if it was not made."""
        for path in sorted((self.folder / "stages").glob("*.json")):
            made = _read_note(path)
            if made and artefact in made["artefacts"]:
                return str(made["artefacts"][artefact][1])
        raise LedgerError(f"{self.folder}: {artefact} is missing; run the stage that makes it first")

    def note(self, stage: str) -> dict[str, Any] | None:
        """Return the note of a finished stage: key, artefacts, result."""
        return _read_note(self.folder / "stages" / f"{stage}.json")

    def result(self, stage: str) -> Result:
        """Return the result of a finished stage; an empty one if it is not finished, or if another version of the
        toolkit finished it. Raises LedgerError if somebody has changed it."""
        note = self.note(stage) or {}
        try:
            return Result.from_json(note.get("result", {}))
        except ValueError as fault:
            path = self.folder / "stages" / f"{stage}.json"
            raise LedgerError(f"{path}: not as the run wrote it ({fault}); remove it and run again") from None


def _read_note(path: Path) -> dict[str, Any] | None:
    try:
        note = read_json(path)
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and _is_whole(note) else None


def _is_whole(note: dict[str, Any]) -> bool:
    """Return False for a note that was cut or edited, so that its stage runs again."""
    artefacts = note.get("artefacts")
    pairs = artefacts.values() if isinstance(artefacts, dict) else [None]
    has_result = "key" in note and any(isinstance(note.get(name), dict) for name in ("result", "counts"))
    return has_result and all(isinstance(pair, list) and len(pair) == 2 for pair in pairs)


class Texts(NamedTuple):
    """Prompts and candidates by id."""

    prompts: Mapping[str, Prompt]
    candidates: Mapping[str, Candidate]


def answer_texts(workspace: Workspace, answers: Iterable[str]) -> Texts:
    """Return the prompts of a run and the answers of these tables; of those that are one text by several writers the
    first is taken."""
    candidates = StoredRecords(Candidate, map(workspace.path, answers))
    return Texts(StoredRecords(Prompt, [workspace.path("inputs/prompts")]), candidates)
