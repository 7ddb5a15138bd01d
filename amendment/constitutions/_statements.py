"""A plain list of statements: lines of text, a JSON list, or a table with a column of statements.

The requests and questions that a statement comes without are standard ones, since models read the statement beside
them. In a text, empty lines and lines that begin with `#` are left out, and one bullet or number before a statement.
In a table the columns `id` and `weight` count where they are there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from amendment.constitutions._foreign import Problems, check_count, list_at, problem, text_at
from amendment.constitutions._models import Constitution, Principle
from amendment.constitutions._naming import Names, is_slug
from amendment.constitutions._originals import Gathered
from amendment.constitutions._worked import STANDARD
from amendment.constitutions._writing import json_text
from amendment.errors import DataError, Problem
from amendment.spreadsheet import safe_cell, text_of_cell
from amendment.tables import Row, read_rows

__all__ = ["TABLES", "gather_statements", "statements_of_list", "statements_of_table", "statements_of_text", "written"]

TABLES = (".csv", ".tsv")
COLUMNS = ("statement", "principle", "rule", "text", "comment-body", "comment")
"""Names of a column of statements, in the order in which they are looked for."""

_BULLET = re.compile(r"(?:[-*+\u2022\u2013]|\(?[0-9]{1,4}[.)])\s+")


class Statement(NamedTuple):
    """One statement and where it stands."""

    place: str
    text: str
    id: str | None = None
    weight: float = 1.0


def statements_of_text(text: str, name: str) -> list[Statement]:
    """Each line of a text that is no comment."""
    lines = ((f"{name}: line {number}", line.strip()) for number, line in enumerate(text.split("\n"), start=1))
    meant = ((place, line) for place, line in lines if line and not line.startswith("#"))
    return _checked((place, _BULLET.sub("", line, count=1) if _BULLET.match(line) else line) for place, line in meant)


def statements_of_list(value: Any, name: str) -> list[Statement]:
    """Each text of a JSON list."""
    return _checked((f"{name}: [{index}]", text) for index, text in enumerate(list_at(value, name)))


def _checked(found: Iterable[tuple[str, Any]]) -> list[Statement]:
    problems, statements = Problems(), []
    for place, text in found:
        checked = problems.attempt(lambda text=text, place=place: text_at(text, place))  # type: ignore[misc]
        statements += [Statement(place, checked.strip())] if checked else []
    problems.check()
    return statements


def statements_of_table(path: Path, column: str | None) -> list[Statement]:
    """Each row's statement, with its id and weight where there are such columns."""
    rows = read_rows(path)
    named = column or _column(rows[0], path)
    if named not in rows[0].values:
        raise problem(str(path), f"there is no column '{named}'; the columns are {', '.join(rows[0].values)}")
    problems = Problems()
    read = [problems.attempt(lambda row=row: _statement(row, named)) for row in rows]  # type: ignore[misc]
    problems.check()
    return [each for each in read if each is not None]


def _column(row: Row, path: Path) -> str:
    names = {name.strip().lower(): name for name in row.values}
    found = [names[name] for name in COLUMNS if name in names] or (list(row.values) if len(row.values) == 1 else [])
    if not found:
        there = f"found the columns {', '.join(row.values)}, expected one of {', '.join(COLUMNS)}"
        raise problem(str(path), f"{there}; name the column of statements with --column")
    return found[0]


def _statement(row: Row, column: str) -> Statement:
    text = text_of_cell(text_at(row.values[column], f"{row.place}: {column}").strip())
    id = (row.values.get("id") or "").strip() or None
    return Statement(row.place, text, id, _weight(row))


def _weight(row: Row) -> float:
    cell = (row.values.get("weight") or "").strip()
    try:
        weight = float(cell) if cell else 1.0
    except ValueError:
        weight = 0.0
    if not (weight > 0 and isfinite(weight)):
        raise DataError([row.problem("weight", f"found the text '{cell[:60]}', expected a number above 0")])
    return weight


def gather_statements(statements: Sequence[Statement]) -> Gathered:
    """A principle for each statement. Raises DataError for statements and ids that stand twice, and for too many."""
    check_count(len(statements), statements[0].place.partition(": ")[0] if statements else "")
    twice = [*_twice(statements, lambda one: one.text), *_twice(statements, lambda one: one.id)]
    if twice:
        raise DataError(twice)
    gathered, names = Gathered(), Names()
    ids = {one.id: names.keep(one.id) for one in statements if one.id and is_slug(one.id)}
    for one in statements:
        made = Principle(
            id=ids.get(one.id or "") or names.take(one.id or one.text),
            statement=one.text,
            weight=one.weight,
            critique=(STANDARD.critique,),
            revise=(STANDARD.revise,),
            compare=(STANDARD.compare,),
        )
        gathered.principles.append(made)
    return gathered


def _twice(statements: Sequence[Statement], key: Callable[[Statement], str | None]) -> Iterable[Problem]:
    first: dict[str, Statement] = {}
    for one in statements:
        known = key(one)
        if known is not None and first.setdefault(known, one) is not one:
            yield Problem(one.place, f"says '{known[:60]}' a second time, first {first[known].place}; keep one of them")


def written(constitution: Constitution, ending: str) -> str:
    """The statements as a file with this ending holds them: a table, a JSON list, else lines of text."""
    if ending == ".json":
        return json_text([principle.statement for principle in constitution.principles])
    if ending in TABLES:
        return _table(constitution, "\t" if ending == ".tsv" else ",")
    return "".join(f"- {' '.join(principle.statement.split())}\n" for principle in constitution.principles)


def _table(constitution: Constitution, delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["id", "statement", "weight"])
    for principle in constitution.principles:
        writer.writerow([principle.id, safe_cell(principle.statement), repr(principle.weight)])
    return text.getvalue()
