"""Objects inside a cell as columns with a dot: `votes.ann` of `{"ann": "A"}`, and a row for each object of a list.

Covered: objects in objects, lists of objects, both also as the JSON text of a cell. Not covered: conversations, which
stay one value; two lists in one row, of which the first that is named makes the rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from amendment.tables import Row

DEEPEST = 3
"""Levels of objects in objects that are named."""


def nested_names(rows: Sequence[Row]) -> dict[str, None]:
    """The names of all parts of nested cells, in order of appearance."""
    return {name: None for row in rows for column, cell in row.values.items() for name in _names(column, cell)}


def unnested(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Rows with the parts `names` as columns of their own; a list of objects makes as many rows as it has."""
    if not names:
        return list(rows)
    heads = list(dict.fromkeys(name.partition(".")[0] for name in names))
    return [Row(place, {**row.values, **parts}) for row in rows for place, parts in _parts(row, heads, names)]


def _parts(row: Row, heads: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a row, once for each object of its first list."""
    cells = {head: _nested(row.values.get(head)) for head in heads}
    listed = next((head for head, cell in cells.items() if isinstance(cell, list)), None)
    for number, element in enumerate(cells[listed] if listed else [None], start=1):
        objects = {**cells, listed: element} if listed else cells
        parts = {name: part for name in names for part in _at(objects, name)}
        yield f"{row.place}: {listed} {number}" if listed else row.place, parts


def _at(value: Any, name: str) -> Iterator[Any]:
    """What lies at a name with dots, if something does."""
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return
        value = value[key]
    yield value


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
    """An object or a list of objects, also from the JSON text of one; None for anything else, and for conversations."""
    if isinstance(cell, str) and cell.lstrip().startswith(("{", "[{")):
        try:
            cell = json.loads(cell)
        except (ValueError, RecursionError):
            return None
    if isinstance(cell, list):
        is_objects = bool(cell) and all(isinstance(element, dict) and "role" not in element for element in cell)
        return cell if is_objects else None
    return cell if isinstance(cell, dict) else None
