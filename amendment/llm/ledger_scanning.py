"""Reads the rows of a ledger that may be damaged, past what cannot be read.

A damaged page fails the statement that comes upon it; halving the range of rows around it finds all others.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Gap", "readable"]

STEP = 256
"""Rows that are read by one statement."""
MOST_FAILURES = 20_000
"""Failed statements after which the rest of a table counts as unreadable."""
MOST_ROWS = 2**40
"""More rows than any table has."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Rows that cannot be read, first and last."""

    first: int
    last: int


def readable(db: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> Iterator[list[tuple[Any, ...]] | Gap]:
    """Every row of a table that can be read, in order, some at a time, and the gaps between them, as few as can be."""
    gap: Gap | None = None
    for some in _parts(db, table, columns):
        if isinstance(some, Gap) and gap and gap.last + 1 == some.first:
            gap = Gap(gap.first, some.last)
        elif some:
            if gap:
                yield gap
            gap = some if isinstance(some, Gap) else None
            if gap is None:
                yield some
    if gap:
        yield gap


def _parts(db: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> Iterator[list[tuple[Any, ...]] | Gap]:
    several = f"SELECT {', '.join(columns)} FROM {table} WHERE rowid BETWEEN ? AND ?"  # noqa: S608 - our own names
    single = f"SELECT {', '.join(columns)} FROM {table} WHERE rowid = ?"  # noqa: S608 - does not look at the next page
    try:
        first, last = db.execute(f"SELECT min(rowid), max(rowid) FROM {table}").fetchone()  # noqa: S608
        db.execute(several, (1, 0))
    except sqlite3.Error as fault:
        first, last = 1, MOST_ROWS
        if getattr(fault, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:  # no such table, or column
            yield Gap(first, last)
            return
    if first is None:
        return
    failures = 0
    ranges = [(first, last)]
    while ranges:
        low, high = ranges.pop()
        if high - low >= STEP and last < MOST_ROWS:
            ranges += [(low + STEP, high), (low, low + STEP - 1)]
            continue
        try:
            found = db.execute(single, (low,)) if low == high else db.execute(several, (low, high))
            rows = found.fetchall()
        except sqlite3.Error:
            failures += 1
            if low == high or failures > MOST_FAILURES:
                yield Gap(low, high)
            else:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]
        else:
            yield rows
