"""Saves what is good in a damaged ledger. Deletes nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import Damage, examine
from amendment.llm.ledger_copying import copy_rows
from amendment.llm.ledger_folder import full_disk, hold, is_full
from amendment.llm.ledger_mend import what_is_left
from amendment.llm.ledger_opening import create, move, refuse_absent, refuse_unopened, unused, version_of
from amendment.llm.ledger_tables import VERSION

__all__ = ["Salvage", "salvage"]


class Salvage(NamedTuple):
    """What was saved."""

    file: Path
    """The new ledger."""
    kept: Path | None
    """The old file, where the new one took its place."""
    counts: dict[str, int]
    """Rows of the new ledger, by table."""
    lost: tuple[str, ...]
    """Ids of requests whose reply is lost, or may be: the next run asks for them again."""
    damage: tuple[Damage, ...]


def salvage(path: Path, to: Path | None = None) -> Salvage:
    """Copy the good rows of a ledger into a new one at `to`.

    Without `to` the new one takes the place of the old one, which is kept beside it as `NAME.bak`. Raises LedgerError
    when another process works with the ledger, `to` exists, or nothing in the file can be read.
    """
    if to is not None and (to.exists() or to.is_symlink()):
        raise LedgerError(f"{to}: exists already; choose another name")
    with contextlib.ExitStack() as held:
        refuse_absent(path)
        if to is None:
            held.enter_context(hold(path.parent))
        kept = None if to else unused(path, ".bak")
        try:
            source = held.enter_context(what_is_left(path))
            return _salvaged(source, path, to or path, kept)
        except (sqlite3.Error, OSError) as fault:
            place = to or path
            told = f"{place}: the copy cannot be written: {fault}"
            raise LedgerError(full_disk(place.parent) if is_full(fault, place.parent) else told) from fault


def _salvaged(source: sqlite3.Connection, path: Path, place: Path, kept: Path | None) -> Salvage:
    version = _version(source, path)
    with contextlib.closing(create(place)) as target:
        copied = copy_rows(source, version, target)
        found = examine(target, VERSION)
        if found.damage:
            raise LedgerError(f"{place}: the copy is damaged too ({found.damage[0].what}): check the disk")
    source.close()
    move(place, keep_as=kept)
    return Salvage(place, kept, found.counts, copied.lost, copied.damage)


def _version(db: sqlite3.Connection, path: Path) -> int:
    try:
        return version_of(db, path)
    except sqlite3.Error as fault:
        refuse_unopened(path, fault)
        raise LedgerError(
            f"{path}: nothing in it can be read ({fault}). Move it away; the next run begins anew."
        ) from fault
