"""The ledger: every request and every reply of a run, once, on disk before anything reads it.

Covered: rows are append-only and carry a checksum; replies that arrive together are committed together;
a kill loses at most what was not yet acknowledged; one process at a time. Not covered: network file
systems, on which neither locks nor SQLite's journal can be trusted.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

from amendment.errors import LedgerError
from amendment.hashing import canonical_json

__all__ = ["Ledger"]

SCHEMA_VERSION = "1"
GROUP_SECONDS = 0.01
"""Replies that come within this time share one commit, and so one flush of the disk."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS request (id TEXT NOT NULL UNIQUE, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS reply (
    number INTEGER PRIMARY KEY, request TEXT NOT NULL, raw BLOB NOT NULL, sha256 BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS reply_by_request ON reply (request);
"""


class _Row(NamedTuple):
    request: str
    body: bytes
    raw: bytes


class Ledger:
    """The replies of one run, by request id. Use as a context manager; one event loop at a time."""

    def __init__(self, path: Path | None = None) -> None:
        """`path` is the database file, made when absent; without one the ledger lives in memory only.

        Raises LedgerError when the folder cannot be written, another process holds the ledger, or a newer
        version wrote it.
        """
        self._lock = _lock(path) if path else None
        try:
            self._db = _opened(path)
        except LedgerError:
            self._unlock()
            raise
        self._waiting: list[_Row] = []
        self._group: asyncio.Future[None] | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Commit what waits, close the file and let go of the lock. Raises LedgerError when that cannot be written."""
        try:
            self._flush()
        except sqlite3.Error as fault:
            raise LedgerError(_unwritable(fault)) from fault
        finally:
            self._is_closed = True
            self._db.close()
            self._unlock()

    def _unlock(self) -> None:
        if self._lock:
            self._lock.close()

    def __len__(self) -> int:
        """The number of replies."""
        (count,) = self._db.execute("SELECT count(*) FROM reply").fetchone()
        return int(count)

    def find(self, request: str) -> bytes | None:
        """The newest raw reply to a request.

        Raises LedgerError when the stored bytes are not what was written, and after `close`.
        """
        if self._is_closed:
            raise LedgerError("this model's run was closed, and its ledger with it; look the model up in it again")
        row = self._db.execute(
            "SELECT raw, sha256 FROM reply WHERE request = ? ORDER BY number DESC LIMIT 1", (request,)
        ).fetchone()
        if row is None:
            return None
        raw, checksum = row
        if hashlib.sha256(raw).digest() != checksum:
            raise LedgerError(
                f"reply to {request}: checksum differs, the ledger file is damaged. Restore a copy of it."
            )
        return bytes(raw)

    async def commit(self, request: str, body: Any, raw: bytes) -> None:
        """Store a reply; returns when it is on disk, with all others of its group."""
        self._waiting.append(_Row(request, canonical_json(body), raw))
        if self._group is None:
            loop = asyncio.get_running_loop()
            self._group = loop.create_future()
            loop.call_later(GROUP_SECONDS, self._commit_group)
        await asyncio.shield(self._group)

    def _commit_group(self) -> None:
        group, self._group = self._group, None
        try:
            self._flush()
        except sqlite3.Error as fault:
            if group and not group.done():
                group.set_exception(LedgerError(_unwritable(fault)))
            return
        if group and not group.done():
            group.set_result(None)

    def _flush(self) -> None:
        if not self._waiting:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.executemany("INSERT OR IGNORE INTO request VALUES (?, ?)", [row[:2] for row in self._waiting])
            self._db.executemany(
                "INSERT INTO reply (request, raw, sha256) VALUES (?, ?, ?)",
                [(row.request, row.raw, hashlib.sha256(row.raw).digest()) for row in self._waiting],
            )
            self._db.execute("COMMIT")
        except sqlite3.Error:
            if self._db.in_transaction:  # a full disk has rolled back by itself
                self._db.execute("ROLLBACK")
            raise
        self._waiting.clear()


def _opened(path: Path | None) -> sqlite3.Connection:
    """The database, ready to be written. Raises LedgerError where it is none of ours."""
    db = None
    try:
        db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False)
        _prepare(db, path)
    except (sqlite3.Error, LedgerError) as fault:
        if db:
            db.close()
        if isinstance(fault, LedgerError):
            raise
        raise LedgerError(f"{path}: not a usable ledger ({fault}). Move it away to begin anew.") from fault
    return db


def _prepare(db: sqlite3.Connection, path: Path | None) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.executescript(_SCHEMA)
    db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (SCHEMA_VERSION,))
    (found,) = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if found != SCHEMA_VERSION:
        raise LedgerError(f"{path}: ledger schema {found}, expected {SCHEMA_VERSION}: use the version that wrote it")


def _unwritable(fault: sqlite3.Error) -> str:
    return f"the ledger cannot be written: {fault}. Free space, then run again."


def _lock(path: Path) -> IO[str]:
    """Hold `run.lock` beside the ledger; the kernel lets go of it when the process ends, however it ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / "run.lock").open("a+")
    except OSError as fault:
        raise LedgerError(f"{path.parent}: cannot be written ({fault.strerror}). Choose another folder.") from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise LedgerError(
            f"{path.parent}: another process ({holder}) is working here. Wait for it or stop it."
        ) from fault
    lock.seek(0)
    lock.truncate()
    lock.write(f"pid {os.getpid()}")
    lock.flush()
    return lock
