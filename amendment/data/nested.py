"""Parts of a cell as columns with a dot: `votes.ann` of `{"ann": "A"}`, a row for each object of a list, and by its
number an element: `answers.0`.

Covered: objects in objects, lists of objects, also as the JSON text of a cell. Not covered: conversations, which stay
one value unless a message is named by its number; two lists in one row, of which the first that is named makes the
rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amendment.data.cells import from_json
from amendment.tables import Row

DEEPEST = 3
"""Levels of objects in objects that are named."""


def nested_names(rows: Sequence[Row]) -> dict[str, None]:
    """Return the names of all parts of nested cells, in order of appearance; only lists of objects and of two texts
    have parts."""
    columns = {column for row in rows for column, cell in row.values.items() if _is_two_texts(cell)}
    columns = {column for column in columns if all(_is_two_texts(row.values.get(column)) for row in rows)}
    return {
        name: None
        for row in rows
        for column, cell in row.values.items()
        for name in ((f"{column}.0", f"{column}.1") if column in columns else _names(column, cell))
    }


def object_lists(rows: Sequence[Row]) -> dict[str, None]:
    """Return the columns that hold a list of objects in some row."""
    return {column: None for row in rows for column, cell in row.values.items() if isinstance(_nested(cell), list)}


def unnested(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return rows with the parts `names` as columns; a list of objects makes as many rows as it has."""
    if not names:
        return list(rows)
    heads = list(dict.fromkeys(name.partition(".")[0] for name in names))
    return [Row(place, {**row.values, **parts}) for row in rows for place, parts in _parts(row, heads, names)]


def _parts(row: Row, heads: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parts of a row, once for each object of its first list that is named without a number."""
    cells = {head: from_json(row.values.get(head)) for head in heads}
    whole = {name.partition(".")[0] for name in names if not _is_numbered(name)}
    listed = next((head for head in heads if head in whole and isinstance(_nested(cells[head]), list)), None)
    for number, element in enumerate(cells[listed] if listed else [None], start=1):
        objects = {**cells, listed: element} if listed else cells
        parts = {name: part for name in names for part in _at(cells if _is_numbered(name) else objects, name)}
        yield f"{row.place}: {listed} {number}" if listed else row.place, parts


def _at(value: Any, name: str) -> Iterator[Any]:
    """Return the value at a name with dots, if there is one."""
    for key in name.split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            return
    yield value


def _is_numbered(name: str) -> bool:
    """Return True if the name begins with a column and the number of an element."""
    return name.split(".")[1].isdecimal()


def _is_two_texts(cell: Any) -> bool:
    return isinstance(cell, list) and len(cell) == 2 and all(isinstance(element, str) for element in cell)


def _names(name: str, value: Any, level: int = 0) -> Iterator[str]:
    value = _nested(value)
    for part in value if isinstance(value, list) else [value]:
        if isinstance(part, dict) and level < DEEPEST:
            for key, inner in part.items():
                if isinstance(inner, dict):
                    yield from _names(f"{name}.{key}", inner, level + 1)
                elif "." not in key and not isinstance(inner, list):
                    yield f"{name}.{key}"


def _nested(cell: Any) -> Any:
    """Return an object or a list of objects, also from its JSON text; None for anything else, and for conversations."""
    cell = from_json(cell)
    if isinstance(cell, list):
        is_objects = bool(cell) and all(isinstance(element, dict) and "role" not in element for element in cell)
        return cell if is_objects else None
    return cell if isinstance(cell, dict) else None
