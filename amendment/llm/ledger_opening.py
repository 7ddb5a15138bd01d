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
from amendment.files import flush
from amendment.llm.ledger_folder import full_disk, is_full
from amendment.llm.ledger_tables import ATTEMPT, REPLY, SCHEMA, VERSION
from amendment.terminal import plain

__all__ = [
    "ASIDE",
    "create",
    "has_traces",
    "journal_of",
    "move",
    "read_only",
    "refuse_absent",
    "refuse_place",
    "refuse_unopened",
    "schema_of",
    "settle_modes",
    "stated",
    "unused",
    "version_of",
    "writing",
]

STATEMENTS = 256
"""Prepared statements that a connection keeps."""
BUSY = 5.0
"""Seconds to wait for a lock that a foreign program holds."""
READING_CACHE, WRITING_CACHE = 500, 1000
"""Kilobytes of pages that a connection keeps; the system has the file in memory anyway."""
_NO_LEDGER = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR}
ELDER_REPLY = {"number", "request", "raw", "sha256"}
"""Columns of the replies of version 1."""
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
    flush(path.parent)


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
    return _connected(path, "rw", cache=WRITING_CACHE)


def settle_modes(db: sqlite3.Connection) -> None:
    """Write-ahead journal, and a flush of the disk at each commit. Raises sqlite3.Error."""
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")


def read_only(path: Path) -> sqlite3.Connection:
    """A connection that never writes, locks others out or checkpoints. Raises LedgerError when there is no file."""
    refuse_absent(path)
    journal = journal_of(path)
    is_still = not os.access(path.parent, os.W_OK) and not (journal.exists() and journal.stat().st_size)
    more = "&immutable=1" if is_still else ""  # no side file can be made there, or is needed
    return _connected(path, "ro", more, cache=READING_CACHE)


class _Connection(sqlite3.Connection):
    """SQLite's messages quote a damaged schema, which Python cannot always decode: an error of SQLite's like others."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        try:
            return super().execute(sql, *values)
        except UnicodeDecodeError:
            fault = sqlite3.DatabaseError("malformed database schema")
            fault.sqlite_errorcode, fault.sqlite_errorname = sqlite3.SQLITE_CORRUPT, "SQLITE_CORRUPT"
            raise fault from None


def _connected(path: Path, mode: str, more: str = "", *, cache: int | None = None) -> sqlite3.Connection:
    place = f"{path.absolute().as_uri()}?mode={mode}{more}"
    db = sqlite3.connect(
        place,
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS,
        timeout=BUSY,
        factory=_Connection,
    )
    if cache is not None:
        with contextlib.suppress(sqlite3.Error):  # a damaged file; whoever reads it is told
            db.execute(f"PRAGMA cache_size=-{cache}")
    return db


def schema_of(db: sqlite3.Connection, path: Path) -> int:
    """The version of a ledger's schema. Raises LedgerError for what is damaged, no ledger, or from a newer version."""
    try:
        return version_of(db, path)
    except sqlite3.Error as fault:
        refuse_unopened(path, fault)
        raise LedgerError(
            f"{path}: not a usable ledger ({fault}). Save what is good in it with: amendment ledger salvage {path}"
        ) from fault


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """As `schema_of`; raises sqlite3.Error where the list of tables cannot be read.

    The tables decide: a damaged number must not make a ledger look like an older one, and its replies unreadable.
    """
    try:
        found = _version_by_tables(db)
    except sqlite3.DatabaseError as fault:
        if _code(fault) != sqlite3.SQLITE_NOTADB or has_traces(path):
            raise
        found = None
    number, tool = stated(db, "schema"), stated(db, "tool")
    if number.isascii() and number.isdigit() and len(number) < 10 and int(number) > VERSION and (found or tool):
        wrote = f" (it says: amendment {plain(tool)})" if tool else ""
        raise LedgerError(
            f"{path}: ledger schema {int(number)}, expected at most {VERSION}: use the version that wrote it{wrote}"
        )
    if found is None:
        raise LedgerError(
            f"{path}: not a ledger of amendment, nothing of one is in it. Move it away; the next run begins anew."
        )
    return found


def _version_by_tables(db: sqlite3.Connection) -> int | None:
    """By what the tables have in them; None for a database of something else. Raises sqlite3.Error."""
    db.execute("SELECT count(*) FROM sqlite_master").fetchone()  # what comes next keeps quiet about damage
    columns = {table.name: _columns(db, table.name) for table in (REPLY, ATTEMPT)}
    if any(columns[table.name] >= set(table.stored) for table in (REPLY, ATTEMPT)):
        return VERSION
    return 1 if columns[REPLY.name] >= ELDER_REPLY else None


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    rows = db.execute("SELECT CAST(name AS BLOB) FROM pragma_table_info(?)", (table,)).fetchall()
    return {name.decode("utf-8", "replace") for (name,) in rows}


def stated(db: sqlite3.Connection, key: str) -> str:
    """What a ledger says of itself, whatever its bytes; empty where it says nothing that can be read."""
    with contextlib.suppress(sqlite3.Error):
        rows = db.execute("SELECT CAST(value AS BLOB) FROM meta WHERE key = ?", (key,)).fetchall()
        return bytes(rows[0][0]).decode("utf-8", "replace") if rows else ""
    return ""


def has_traces(path: Path) -> bool:
    """Whether a file that is no database any more was a ledger once."""
    with path.open("rb") as file:
        return b"CREATE TABLE reply" in file.read(2**16)


def refuse_unopened(path: Path, fault: sqlite3.Error) -> None:
    """Raises LedgerError when the fault says nothing about what is in the file."""
    if is_full(fault, path.parent):
        raise LedgerError(full_disk(path.parent)) from fault
    if _code(fault) not in _NO_LEDGER:
        raise LedgerError(f"{path}: the ledger cannot be opened: {fault}") from fault


def _code(fault: sqlite3.Error) -> int:
    return int(getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & 0xFF


def refuse_absent(path: Path) -> None:
    """Raises LedgerError where there is no file to read."""
    refuse_place(path)
    if not path.is_file():
        raise LedgerError(f"{path}: no ledger here; expected a run's folder or its ledger.sqlite")


def refuse_place(path: Path) -> None:
    """Raises LedgerError for a link to what is not there, which a new ledger must not replace, and for no file."""
    if path.is_symlink() and not path.exists():
        raise LedgerError(
            f"{path}: a link to {path.readlink()}, which is not there. Mount its disk; or remove the link, "
            "and the next run begins anew."
        )
    if path.exists() and not path.is_file():
        what = "a folder" if path.is_dir() else "no ordinary file"
        raise LedgerError(f"{path}: {what}, expected the ledger's file. Move it away; the next run begins anew.")
