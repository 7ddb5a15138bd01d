"""Copies the good rows of a ledger into a new file, and keeps account of what could not be copied."""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

from amendment.llm.ledger_checking import Damage, damage_of, scan
from amendment.llm.ledger_groups import insert
from amendment.llm.ledger_scanning import Gap
from amendment.llm.ledger_tables import ATTEMPT, REPLY

__all__ = ["Copied", "copy_rows"]


class Copied(NamedTuple):
    """What came of copying."""

    damage: tuple[Damage, ...]
    lost: tuple[str, ...]
    """Ids of requests whose reply is lost, or may be."""


def copy_rows(source: sqlite3.Connection, version: int, target: sqlite3.Connection) -> Copied:
    """All good rows, in one transaction. Raises sqlite3.Error where the target cannot be written."""
    damage: list[Damage] = []
    lost: list[tuple[Any, ...] | Gap] = []
    target.execute("BEGIN IMMEDIATE")
    for table, good, bad in scan(source, version):
        insert(target, table, good, once=True)
        damage += [damage_of(table, row) for row in bad]
        lost += bad if table is REPLY else []
    _mend(target)
    names = _names(target, lost)
    target.execute("COMMIT")
    return Copied(tuple(damage), names)


def _mend(target: sqlite3.Connection) -> None:
    """A reply whose attempt is lost gets one anew, so that it is found; host, model and stage stay unknown."""
    rows = target.execute(_STRAYS).fetchall()
    insert(
        target, ATTEMPT, [ATTEMPT.row(number, request, "", "", "", None, at) for number, request, at in rows], once=True
    )


def _names(target: sqlite3.Connection, lost: list[tuple[Any, ...] | Gap]) -> tuple[str, ...]:
    """The requests behind lost replies: by their attempts, which may have survived."""
    found: dict[str, None] = {}
    for row in lost:
        first, last = (row.first, row.last) if isinstance(row, Gap) else (row[0], row[0])
        found |= dict.fromkeys(request for (request,) in target.execute(_ASKED, (first, last)))
        if not isinstance(row, Gap) and isinstance(row[1], str):
            found[row[1]] = None
    return tuple(found)


_STRAYS = """
SELECT r.attempt, r.request, r.at FROM reply r WHERE NOT EXISTS (SELECT 1 FROM attempt a WHERE a.number = r.attempt)
"""
_ASKED = """
SELECT a.request FROM attempt a WHERE a.number BETWEEN ? AND ?
    AND NOT EXISTS (SELECT 1 FROM fault f WHERE f.attempt = a.number)
    AND NOT EXISTS (SELECT 1 FROM reply r WHERE r.attempt = a.number)
ORDER BY a.number
"""
