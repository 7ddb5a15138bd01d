"""Saves what is good in a damaged ledger, and takes in replies that a full disk had kept out. Deletes nothing."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from amendment.errors import LedgerError
from amendment.ledger.checking import Damage, examine
from amendment.ledger.copying import add_replies, copy_rows
from amendment.ledger.folder import hold
from amendment.ledger.mending import what_is_left
from amendment.ledger.opening import create, move, refuse_absent, refuse_unopened, unused, version_of
from amendment.ledger.spilling import read_spill
from amendment.ledger.tables import VERSION

__all__ = ["Salvage", "salvage"]


class Salvage(NamedTuple):
    """What was saved."""

    file: Path
    """The new ledger."""
    kept: Path | None
    """The old file, where the new one took its place."""
    counts: dict[str, int]
    """Rows of the new ledger, by table."""
    taken_in: int
    """Replies that were added from spill files."""
    lost: tuple[str, ...]
    """Ids of requests whose reply is lost, or may be: the next run asks for them again."""
    damage: tuple[Damage, ...]


def salvage(path: Path, to: Path | None = None, *, spills: Sequence[Path] = ()) -> Salvage:
    """Copy the good rows of a ledger, and the replies of spill files, into a new ledger at `to`.

    Without `to` the new one takes the place of the old one, which is kept beside it as `NAME.bak`. Raises LedgerError
    when another process works with the ledger, `to` exists, or nothing in the file can be read.
    """
    if to is not None and (to.exists() or to.is_symlink()):
        raise LedgerError(f"{to}: exists already; choose another name")
    extra = [row for file in spills for row in read_spill(file)]
    with contextlib.ExitStack() as held:
        refuse_absent(path)
        if to is None:
            held.enter_context(hold(path.parent))
        kept = None if to else unused(path, ".bak")
        try:
            source = held.enter_context(what_is_left(path))
            return _salvaged(source, path, to or path, kept, extra)
        except (sqlite3.Error, OSError) as fault:
            raise LedgerError(f"{to or path}: the copy cannot be written: {fault}") from fault


def _salvaged(
    source: sqlite3.Connection, path: Path, place: Path, kept: Path | None, extra: list[tuple[object, ...]]
) -> Salvage:
    version = _version(source, path)
    with contextlib.closing(create(place)) as target:
        copied = copy_rows(source, version, target)
        taken_in = add_replies(target, extra)
        found = examine(target, VERSION)
        if found.damage:
            raise LedgerError(f"{place}: the copy is damaged too ({found.damage[0].what}): check the disk")
    source.close()
    move(place, keep_as=kept)
    lost = tuple(name for name in copied.lost if name not in {str(row[1]) for row in extra})
    return Salvage(place, kept, found.counts, taken_in, lost, copied.damage)


def _version(db: sqlite3.Connection, path: Path) -> int:
    try:
        return version_of(db, path)
    except sqlite3.Error as fault:
        refuse_unopened(path, fault)
        raise LedgerError(
            f"{path}: nothing in it can be read ({fault}). Move it away; the next run begins anew."
        ) from fault
