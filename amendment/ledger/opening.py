"""Connections to a ledger's file: one that writes, any number that only read.

SQLite before 3.51.3 can lose a journal that one connection begins anew while another one writes or checkpoints. All
writes and checkpoints of a ledger are made by one connection, in one thread at a time, under the folder's lock; every
other connection opens the file read-only, and such a connection never checkpoints, not even as the last one to close,
because that takes a write lock on a file it cannot write. So the bug has no second party here, and the write-ahead
journal is used with every version of the library: a rollback journal instead would let a reader (`status`, `show`)
hold up the commit of a paid reply. Memory maps are left off. A program that is not ours must not write to the file.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

from amendment import __version__
from amendment.errors import LedgerError
from amendment.ledger.folder import sync_folder
from amendment.ledger.tables import SCHEMA, VERSION

__all__ = ["ASIDE", "create", "move", "read_only", "schema_of", "settle_modes", "unused", "writing"]

STATEMENTS = 256
"""Prepared statements that a connection keeps."""
BUSY = 5.0
"""Seconds to wait for a lock that a foreign program holds."""
_NO_LEDGER = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR}
ASIDE = ".new"
"""What a file is called while it is made."""


def create(path: Path) -> sqlite3.Connection:
    """An empty ledger in the making, under another name until `move` puts it in its place."""
    part = path.with_name(path.name + ASIDE)
    part.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (part, journal_of(part), part.with_name(part.name + "-shm")):
        leftover.unlink(missing_ok=True)  # of a process that ended before it was done
    db = _connected(part, "rwc")
    settle_modes(db)
    db.execute("BEGIN")
    for statement in SCHEMA:
        db.execute(statement)
    created = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    facts = (("schema", str(VERSION)), ("tool", __version__), ("created", created))
    for fact in facts:
        db.execute("INSERT INTO meta VALUES (?, ?)", fact)
    db.execute("COMMIT")
    return db


def move(path: Path, *, keep_as: Path | None = None) -> None:
    """Put what `create` began, and which is closed, in its place; what was there is kept under another name."""
    part = path.with_name(path.name + ASIDE)
    for file, kept in _kept(path, keep_as):
        file.replace(kept)
    with part.open("rb+") as whole:
        os.fsync(whole.fileno())
    part.replace(path)
    sync_folder(path.parent)


def _kept(path: Path, keep_as: Path | None) -> list[tuple[Path, Path]]:
    """A journal never stays behind: SQLite would play it into the new file."""
    kept = keep_as or unused(path, ".orphan")
    pairs = [(journal_of(path), journal_of(kept)), (path, kept)]
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    return [(file, other) for file, other in pairs if file.exists()]


def unused(path: Path, ending: str) -> Path:
    """The first of NAME.ending, NAME.ending.2 ... that does not exist."""
    first = path.with_name(path.name + ending)
    place, number = first, 1
    while place.exists() or journal_of(place).exists():
        number += 1
        place = first.with_name(f"{first.name}.{number}")
    return place


def journal_of(path: Path) -> Path:
    """The write-ahead journal of a database file."""
    return path.with_name(path.name + "-wal")


def writing(path: Path) -> sqlite3.Connection:
    """A connection that may write an existing ledger; it changes nothing by itself."""
    return _connected(path, "rw")


def settle_modes(db: sqlite3.Connection) -> None:
    """Write-ahead journal, and a flush of the disk at each commit. Raises sqlite3.Error."""
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that never writes, locks others out or checkpoints. Raises LedgerError when there is no file."""
    if not path.is_file():
        raise LedgerError(f"{path}: no ledger here; expected a run's folder or its ledger.sqlite")
    journal = journal_of(path)
    is_still = not os.access(path.parent, os.W_OK) and not (journal.exists() and journal.stat().st_size)
    return _connected(path, "ro", "&immutable=1" if is_still else "")  # no side file can be made there, or is needed


class _Connection(sqlite3.Connection):
    """SQLite's messages quote a damaged schema, which Python cannot always decode: an error of SQLite's like others."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        try:
            return super().execute(sql, *values)
        except UnicodeDecodeError:
            fault = sqlite3.DatabaseError("malformed database schema")
            fault.sqlite_errorcode, fault.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
            raise fault from None


def _connected(path: Path, mode: str, more: str = "") -> sqlite3.Connection:
    place = f"{path.absolute().as_uri()}?mode={mode}{more}"
    return sqlite3.connect(
        place,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS,
        timeout=BUSY,
        factory=_Connection,
    )


def schema_of(db: sqlite3.Connection, path: Path) -> int:
    """The version of a ledger's schema. Raises LedgerError for what is no ledger, or from a newer version."""
    found = None
    try:
        rows = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchall()
        with contextlib.suppress(ValueError):
            found = int(rows[0][0]) if rows else None
    except sqlite3.Error as fault:
        if getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _NO_LEDGER:
            raise LedgerError(f"{path}: the ledger cannot be opened: {fault}") from fault
        raise LedgerError(
            f"{path}: not a usable ledger ({fault}). Move it away to begin anew, or save what is good in it with: "
            f"amendment ledger salvage {path}"
        ) from fault
    if found is None:
        raise LedgerError(f"{path}: not a usable ledger (it names no schema). Move it away to begin anew.")
    if found > VERSION:
        raise LedgerError(f"{path}: ledger schema {found}, expected at most {VERSION}: use the version that wrote it")
    return found
