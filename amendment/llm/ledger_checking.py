"""Says whether a ledger is what was written: the structure of its file, the checksum of every row, what goes together.

Not covered: rows that are gone without a trace, as when a journal was lost with its disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from amendment.llm.ledger_migrate import elder_rows
from amendment.llm.ledger_opening import read_only, schema_of, stated
from amendment.llm.ledger_scanning import MOST_ROWS, Gap, readable
from amendment.llm.ledger_tables import REQUEST, STEP, TABLES, VERSION, Table

__all__ = ["Damage", "Health", "Scanned", "damage_of", "examine", "scan", "verify"]

MOST_TOLD = 100
"""Problems of structure that are listed."""


class Damage(NamedTuple):
    """One thing that is not as it was written."""

    place: str
    """`reply of attempt 12`, or `file`."""
    what: str


class Health(NamedTuple):
    """What was found in a ledger."""

    version: int
    counts: dict[str, int]
    """Good rows, by table."""
    damage: tuple[Damage, ...]


class Scanned(NamedTuple):
    """Some rows of a table."""

    table: Table
    good: list[tuple[Any, ...]]
    bad: list[tuple[Any, ...] | Gap]
    """Rows that are not as they were written, and those that cannot be read."""


def verify(path: Path) -> Health:
    """Read all of a ledger and check it. Raises LedgerError where there is none, or one of a newer version."""
    with closing(read_only(path)) as db, closing(read_only(path)) as other, ThreadPoolExecutor(1) as beside:
        version = schema_of(db, path)
        structure = beside.submit(_structure, other)  # SQLite's own work needs no interpreter
        rows = _check_rows(db, version)
        return rows._replace(damage=(*structure.result(), *rows.damage))


def examine(db: sqlite3.Connection, version: int) -> Health:
    """As `verify`, over a connection."""
    structure = _structure(db)
    rows = _check_rows(db, version)
    return rows._replace(damage=(*structure, *rows.damage))


def _check_rows(db: sqlite3.Connection, version: int) -> Health:
    counts = {table.name: 0 for table in TABLES}
    damage = _misnumbered(db, version)
    for table, good, bad in scan(db, version):
        counts[table.name] += len(good)
        damage += [damage_of(table, row) for row in bad]
    if version == VERSION:
        damage += _strays(db)
    return Health(version, counts, tuple(damage))


def scan(db: sqlite3.Connection, version: int) -> Iterator[Scanned]:
    """Every row of every table, in order, each checked by itself."""
    for table, rows in elder_rows(db) if version < VERSION else _rows(db):
        if isinstance(rows, Gap):
            yield Scanned(table, [], [rows])
            continue
        good = [row for row in rows if table.holds(row)]
        yield Scanned(table, good, [] if len(good) == len(rows) else [row for row in rows if not table.holds(row)])


def _rows(db: sqlite3.Connection) -> Iterator[tuple[Table, list[tuple[Any, ...]] | Gap]]:
    for table in TABLES:
        for rows in readable(db, table.name, table.stored):
            yield table, rows


def damage_of(table: Table, row: tuple[Any, ...] | Gap) -> Damage:
    """What is wrong with a bad row, for people."""
    if isinstance(row, Gap):
        rows = f"rows {row.first} to {row.last}" if row.last < MOST_ROWS else f"rows from {row.first} on"
        return Damage(f"{table.name} {rows}", "cannot be read")
    return Damage(_place(table, row), "the checksum differs")


def _place(table: Table, row: tuple[Any, ...]) -> str:
    key = {REQUEST: "", STEP: "of batch "}.get(table, "of attempt " if table.columns[0] == "attempt" else "")
    return f"{table.name} {key}{row[0]!a}"


def _structure(db: sqlite3.Connection) -> list[Damage]:
    found = []
    try:
        for (line,) in db.execute(f"PRAGMA integrity_check({MOST_TOLD})"):
            found += [] if line == "ok" else [Damage("file", str(line))]
    except sqlite3.Error as fault:
        found.append(Damage("file", str(fault)))
    return found


def _misnumbered(db: sqlite3.Connection, version: int) -> list[Damage]:
    number = stated(db, "schema")
    return [] if number == str(version) else [Damage("schema", f"says {number!a}, its tables are those of {version}")]


def _strays(db: sqlite3.Connection) -> list[Damage]:
    """Replies that `find` would not come upon."""
    try:
        rows = db.execute(_STRAYS).fetchall()
    except sqlite3.Error as fault:
        return [Damage("file", str(fault))]
    return [
        Damage(f"reply of attempt {number!a}", "its attempt is missing or asks for something else")
        for (number,) in rows
    ]


_STRAYS = """
SELECT r.attempt FROM reply r LEFT JOIN attempt a ON a.number = r.attempt
WHERE a.number IS NULL OR a.request <> r.request
"""
