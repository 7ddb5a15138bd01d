"""A ledger made ready for writing: whole as far as can be seen before a run, and of this version.

An older ledger is copied into a new file, row by row with its checksums, and kept beside it as `NAME.bak`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import Damage, examine
from amendment.llm.ledger_copying import copy_rows
from amendment.llm.ledger_opening import create, move, schema_of, settle_modes, unused, writing
from amendment.llm.ledger_tables import VERSION

__all__ = ["ready"]

WHOLLY_CHECKED = 64 * 2**20
"""Bytes of a ledger up to which every row is checked at opening, in about a second; of a larger one the rows are
checked as they are read, and all of them by `verify`."""


def ready(path: Path) -> sqlite3.Connection:
    """The connection that writes. Raises LedgerError for what is no ledger, or a damaged or newer one."""
    db = writing(path)
    try:
        version = schema_of(db, path)
        if version < VERSION:
            _renew(db, version, path)
            db.close()
            db = writing(path)
        elif path.stat().st_size <= WHOLLY_CHECKED:
            _refuse(path, examine(db, version).damage)
        settle_modes(db)
    except BaseException:
        db.close()
        raise
    return db


def _renew(db: sqlite3.Connection, version: int, path: Path) -> None:
    with contextlib.closing(create(path)) as target:
        _refuse(path, copy_rows(db, version, target).damage)
        found = examine(target, VERSION)
        (expected,) = db.execute("SELECT count(*) FROM reply").fetchone()
        count = found.counts["reply"]
        if found.damage or count != expected:
            raise LedgerError(f"{path}: copied {count} of {expected} replies to a new file; the old one is as it was")
    db.close()
    move(path, keep_as=unused(path, ".bak"))


def _refuse(path: Path, damage: tuple[Damage, ...]) -> None:
    if damage:
        first = damage[0]
        raise LedgerError(
            f"{path}: damaged in {len(damage)} places, first {first.place}: {first.what}. "
            f"Save what is good in it with: amendment ledger salvage {path}"
        )
