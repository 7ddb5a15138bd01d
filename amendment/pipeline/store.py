"""Records as Parquet: one schema per record class, whole files or none, the same bytes for the same records.

Plain fields become plain columns; nested ones (messages, origins, distributions) are columns of canonical
JSON, so that every conversation fits, whatever its tools look like.
"""

from __future__ import annotations

import json
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

from amendment.errors import LedgerError
from amendment.files import replacing
from amendment.hashing import canonical_json
from amendment.records import Record
from amendment.terminal import plain

__all__ = ["read_records", "record_of", "write_records"]

R = TypeVar("R", bound=Record)
_PLAIN = {str: "string", int: "int64", float: "float64", bool: "bool_"}


def write_records(path: Path, kind: type[R], records: Iterable[R]) -> int:
    """Write a stage's table and say how many rows it has. The id of a record, where it has one, is a column too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = list(records)
    columns = _columns(kind)
    data: dict[str, list[Any]] = {name: [] for name in columns}
    for row in rows:
        values = row.to_json()
        for name, arrow in columns.items():
            value = values.get(name)
            data[name].append(value if arrow or value is None else canonical_json(value).decode("utf-8"))
    schema = pa.schema([(name, getattr(pa, arrow or "string")()) for name, arrow in columns.items()])
    fields = {"id": pa.array([getattr(row, "id") for row in rows], pa.string())} if hasattr(kind, "id") else {}  # noqa: B009
    fields |= {name: pa.array(data[name], schema.field(name).type) for name in columns}
    with replacing(path) as temporary:
        pq.write_table(pa.table(fields), temporary, compression="zstd", write_page_checksum=True)
    return len(rows)


def read_records(path: Path, kind: type[R]) -> list[R]:
    """The records of a table, in its order. Raises LedgerError when the file is not what was written."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = _columns(kind)
    try:
        rows = pq.read_table(path, columns=list(columns), page_checksum_verification=True).to_pylist()
        return [record_of(row, kind, columns) for row in rows]
    except (pa.ArrowException, OSError, KeyError, ValueError) as fault:
        found = f"{type(fault).__name__}: {plain(str(fault))}"
        raise LedgerError(f"{path}: not a readable table ({found}); delete it and run again to rebuild it") from fault


def record_of(row: Mapping[str, Any], kind: type[R], columns: Mapping[str, str | None] | None = None) -> R:
    """The record in a row of a table, as it is stored. Raises KeyError and ValueError for any other row."""
    columns = columns or _columns(kind)
    return kind.from_json({name: _value(row[name], columns[name]) for name in columns if row[name] is not None})


def _value(value: Any, arrow: str | None) -> Any:
    return value if arrow else json.loads(value)


def _columns(kind: type[Record]) -> dict[str, str | None]:
    """Each field with its plain Arrow type, or None where it is stored as JSON."""
    return {name: _plain(field.annotation) for name, field in kind.model_fields.items()}


def _plain(annotation: Any) -> str | None:
    """The Arrow type of str, int, float, bool, literals of one of them, and the optional forms."""
    if get_origin(annotation) in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return _plain(inner[0]) if len(inner) == 1 else None
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    kinds = {type(choice) for choice in get_args(annotation)} if str(annotation).startswith("typing.Literal") else set()
    return _PLAIN.get(kinds.pop()) if len(kinds) == 1 else None
