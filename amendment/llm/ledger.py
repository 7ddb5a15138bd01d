"""The ledger of a run: every attempt before it is sent, every raw reply before anything reads it, once, on disk.

Covered: rows are only added; what comes together is committed together, by one thread, with a flush of the disk; a kill
loses at most what was not yet acknowledged; one process at a time writes, under the lock of the folder; a write that
fails ends all writing, so that a full disk costs the replies of the calls in flight and no more. Not covered: network
file systems, on which neither locks nor SQLite's journal can be trusted.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import itertools
import os
import queue
import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from amendment import __version__
from amendment.errors import LedgerError
from amendment.files import AlreadyLocked, create_database, full_disk, is_full, lock_file
from amendment.llm.ledger_reading import CLOSED, CUT_UNTIL, SHARDS, VERSION, Batch, Reader, connect, unreadable
from amendment.llm.provider import Meter

TABLES = {
    "request": "id TEXT NOT NULL UNIQUE, body BLOB NOT NULL",
    "attempt": "number INTEGER PRIMARY KEY, request TEXT NOT NULL, host TEXT NOT NULL, model TEXT NOT NULL, "
    "stage TEXT NOT NULL, batch INTEGER, at REAL NOT NULL",
    "batch": "number INTEGER PRIMARY KEY, shard TEXT NOT NULL, host TEXT NOT NULL, model TEXT NOT NULL, "
    "at REAL NOT NULL",
    "fault": "attempt INTEGER PRIMARY KEY, kind TEXT NOT NULL, status INTEGER, at REAL NOT NULL",
    "reply": "attempt INTEGER PRIMARY KEY, model TEXT, input_tokens INTEGER, output_tokens INTEGER, "
    "cached_tokens INTEGER, server_id TEXT, usd REAL, at REAL NOT NULL, sha256 BLOB NOT NULL, raw BLOB NOT NULL",
    "step": "batch INTEGER NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL",
}
"""The tables in the order of writing. A step of a batch is `remote`, with the server's name, or `closed`, with the
state in which it ended. Ordinary rowid tables: `WITHOUT ROWID` halves the speed with rows as long as these."""
SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    *(f"CREATE TABLE {name} ({columns})" for name, columns in TABLES.items()),
    "CREATE INDEX attempt_by_request ON attempt (request)",
    "CREATE INDEX attempt_by_batch ON attempt (batch) WHERE batch IS NOT NULL",
    "CREATE INDEX step_by_batch ON step (batch)",
)
_TAKEN_OVER = """
SELECT 1 FROM attempt a, (SELECT request, at FROM other.attempt ORDER BY number LIMIT 1) o
WHERE a.request = o.request AND a.at = o.at
"""
_TAKE_OVER = (
    "INSERT OR IGNORE INTO request SELECT id, body FROM other.request",
    "INSERT INTO attempt SELECT number + ?, request, host, model, stage, NULL, at FROM other.attempt ORDER BY number",
    "INSERT INTO fault SELECT attempt + ?, kind, status, at FROM other.fault",
    "INSERT INTO reply SELECT attempt + ?, model, input_tokens, output_tokens, cached_tokens, server_id, usd, at, "
    "sha256, raw FROM other.reply",
)
"""An attempt is known by its request and its time."""
LEAST_FREE = 200 * 2**20
"""Bytes that must be free on the ledger's disk for anything new to be begun."""
LOOK = 60.0
"""Seconds between two looks at the free space."""
CHECKED = 64 * 2**20
"""Bytes of a ledger up to which its structure is checked at opening, in less than a second."""
GROUP_SECONDS = 0.005
"""The least time between two commits: what comes meanwhile shares the next one, and so one flush of the disk."""
MOST_INSERTED = 64
"""Rows of one statement."""


class BatchCall(NamedTuple):
    """One request of a batch."""

    request_id: str
    body: bytes
    host: str
    model: str
    stage: str


_Row = tuple[str, tuple[Any, ...]]
"""A table's name and the values of a row."""


class Ledger(Reader):
    """The requests and replies of one run. Use as a context manager; one event loop at a time, in one thread."""

    def __init__(self, path: Path | None = None, *, least_free: int = LEAST_FREE) -> None:
        """Open the database file `path`, made if absent; without one the ledger ends with this object. A call begins
        only if `least_free` bytes are free.

        Raises LedgerError when the folder cannot be written, another process holds it, the ledger is damaged, or
        another version wrote it.
        """
        with contextlib.ExitStack() as held:
            if path:
                held.enter_context(hold(path.parent))
                where = path
            else:
                where = Path(tempfile.mkdtemp(prefix="amendment-")) / "ledger.sqlite"
                held.callback(weakref.finalize(self, shutil.rmtree, where.parent, ignore_errors=True))
            if not where.exists():
                _create(where)
            super().__init__(where)
            try:
                self._last = self._before = self._rows("SELECT coalesce(max(number), 0) FROM attempt")[0][0]
                self._last_batch = self._rows("SELECT coalesce(max(number), 0) FROM batch")[0][0]
                self._writer = self._opened(is_kept=path is not None)
            except BaseException:
                super().close()
                raise
            self._held = held.pop_all()
        self._inode = self.path.stat().st_ino
        self._least_free = least_free if path else 0
        self._next_look = 0.0

    def _opened(self, *, is_kept: bool) -> _Writer:
        """Open the connection that writes. A ledger that ends with its process need not survive a loss of power."""
        try:
            if self.path.stat().st_size <= CHECKED and (problems := self.problems()):
                raise unreadable(self.path, problems[0])
            db = connect(self.path, "rw")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute(f"PRAGMA synchronous={'FULL' if is_kept else 'OFF'}")
            db.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (CUT_UNTIL, str(self._last)))
        except sqlite3.Error as fault:
            raise unreadable(self.path, fault) from fault
        return _Writer(db, self.path)

    def close(self) -> None:
        """Write what waits, close the file and let go of the folder.

        Raises LedgerError when something that was paid for could not be written.
        """
        with self._held:
            super().close()
            self._writer.close()

    async def begin(self, request_id: str, body: bytes, *, host: str, model: str, stage: str) -> int:
        """Write down that a request is about to be sent; the attempt's number, when that is on disk.

        Raises LedgerError, at once, when the ledger could not take the reply.
        """
        self._check()
        number, rows = self._intent(BatchCall(request_id, body, host, model, stage), None)
        try:
            await self._writer.written(rows)
        except asyncio.CancelledError:
            self.fail(number, "unsent")
            raise
        return number

    def fail(self, attempt: int, fault: str, *, status: int | None = None) -> None:
        """Write down how an attempt ended that brought no reply; on disk soon. The first word stands."""
        self._writer.put([("fault", (attempt, fault, _count(status), time.time()))])

    async def commit(
        self, attempt: int, raw: bytes, meter: Meter, *, server_id: str | None = None, usd: float | None = None
    ) -> None:
        """Store the reply of an attempt, of this process or an earlier one; returns when it is on disk.

        A second reply to one attempt is passed over: a batch's results may be read more than once. Raises LedgerError
        when it could not be written.
        """
        usage = meter.usage
        tokens = (usage.input_tokens, usage.output_tokens, usage.cached_tokens) if usage else (None, None, None)
        facts = (_text(meter.model), *map(_count, tokens), _text(server_id), usd, time.time())
        await self._writer.written([("reply", (attempt, *facts, hashlib.sha256(raw).digest(), raw))])

    async def open_batch(self, shard: str, calls: Sequence[BatchCall]) -> Batch:
        """Write down that a batch is about to be uploaded, with an attempt per request; returns when it is on disk.

        `shard` is our name for it. All calls go to one host and model. Raises LedgerError as `begin` does.
        """
        self._check()
        self._last_batch += 1
        intent = (self._last_batch, shard, calls[0].host, calls[0].model, time.time())
        rows: list[_Row] = [("batch", intent)]
        attempts: dict[str, int] = {}
        for call in calls:
            attempts[call.request_id], more = self._intent(call, self._last_batch)
            rows += more
        await self._writer.written(rows)
        return Batch(*intent, None, attempts)

    async def name_batch(self, batch: int, remote: str) -> None:
        """Write down the server's name for a batch; returns when it is on disk."""
        await self._writer.written([("step", (batch, "remote", _text(remote), time.time()))])

    async def close_batch(self, batch: int, state: str) -> None:
        """Write down that a batch is done with, and in which state it ended; returns when it is on disk."""
        await self._writer.written([("step", (batch, "closed", _text(state), time.time()))])

    def settle(self) -> None:
        """Bring all that is written into the one file, so that processes on other machines can read it
        (`Reader(path, is_settled=True)`) until this object writes again. Raises LedgerError where a reader is at work.
        """
        (is_busy, _, _) = self._writer.idle().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise LedgerError(f"{self.path}: another program is reading the ledger; close that program and run again")

    def absorb(self, path: Path) -> None:
        """Take over all rows of another ledger that no process has open, once, however often this is called.

        Attempts are numbered on. Batches are not taken over: who works with batches has one ledger. Nothing may be on
        its way into this ledger. Raises LedgerError where the other one cannot be read.
        """
        with Reader(path) as other:
            if problems := other.problems():
                raise unreadable(path, problems[0])
        db = self._writer.idle()
        try:
            db.execute("ATTACH ? AS other", (str(path),))
            db.execute("BEGIN IMMEDIATE")
            if not db.execute(_TAKEN_OVER).fetchone():
                for sql in _TAKE_OVER:
                    db.execute(sql, (self._last,) * sql.count("?"))
            db.execute("COMMIT")
        except sqlite3.Error as fault:
            raise LedgerError(f"{path}: its rows cannot be copied into {self.path} ({fault}); run again") from fault
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
            with contextlib.suppress(sqlite3.Error):  # it was never attached
                db.execute("DETACH other")
        self._last = self._rows("SELECT coalesce(max(number), 0) FROM attempt")[0][0]

    def is_new(self, request_id: str) -> bool:
        """Return True for a request that was sent since this object opened the ledger."""
        return bool(self._rows("SELECT 1 FROM attempt WHERE request = ? AND number > ?", request_id, self._before))

    def _intent(self, call: BatchCall, batch: int | None) -> tuple[int, list[_Row]]:
        self._last += 1
        attempt = (self._last, call.request_id, call.host, call.model, call.stage, batch, time.time())
        return self._last, [("request", (call.request_id, call.body)), ("attempt", attempt)]

    def _check(self) -> None:
        """Refuse to begin where a reply could not be stored, or would be in a file that nobody finds again."""
        self._writer.check()
        try:
            is_there = self.path.stat().st_ino == self._inode
        except OSError:
            is_there = False
        if not is_there:
            raise LedgerError(f"{self.path}: deleted or replaced while this process uses it; nothing more is sent")
        now = time.monotonic()
        if self._least_free and now >= self._next_look:
            free = shutil.disk_usage(self.path.parent).free
            if free < self._least_free:
                what = f"{free // 2**20} MB are free, a run needs {self._least_free // 2**20} MB"
                raise LedgerError(full_disk(self.path.parent, what))
            self._next_look = now + LOOK


FREED = 60.0
"""Seconds in which the workers of a start that was killed let go of their ledgers."""


def absorb_shards(ledger: Ledger) -> None:
    """Take over the ledgers of workers and delete their folder. Raises LedgerError where a worker is still there."""
    folder = ledger.path.parent
    for path in sorted(folder.glob(SHARDS)):
        with _freed(path.parent):
            ledger.absorb(path)
            shutil.rmtree(path.parent)
    shutil.rmtree((folder / SHARDS).parents[1], ignore_errors=True)


def _freed(folder: Path) -> IO[bytes]:
    """Lock a folder whose holder is about to end. Raises LedgerError as `hold`."""
    deadline = time.monotonic() + FREED
    while True:
        try:
            return hold(folder)
        except LedgerError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


class _Writer:
    """The only thread that writes: it writes the whole queue in one transaction, and tells those who wait."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path
        self._failure: str | None = None
        """The error after which nothing is written any more."""
        self._queue: queue.Queue[tuple[list[_Row], asyncio.Future[None] | None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LedgerError if nothing is written any more."""
        if self._failure:
            raise LedgerError(self._failure)

    def put(self, rows: list[_Row], future: asyncio.Future[None] | None = None) -> None:
        """Queue rows for the next commit, and the future that waits for it."""
        self._queue.put((rows, future))

    def idle(self) -> sqlite3.Connection:
        """Return the connection, once all that was queued is written; nothing may be queued while it is used. Raises
        LedgerError as `check`."""
        self._queue.join()
        self.check()
        return self._db

    async def written(self, rows: list[_Row]) -> None:
        """Return when the rows are on disk. Raises LedgerError if they cannot be written."""
        self.check()
        future = asyncio.get_running_loop().create_future()
        self.put(rows, future)
        await future

    def close(self) -> None:
        """Write what waits and close the connection. Raises LedgerError where something was not written."""
        self._queue.put(None)
        self._thread.join()
        self._db.close()
        failure, self._failure = self._failure, CLOSED
        if failure and failure != CLOSED:
            raise LedgerError(failure)

    def _work(self) -> None:
        is_open = True
        while is_open:
            waiting = self._queue.get()
            began = time.monotonic()
            group = []
            while waiting and not self._queue.empty():
                group.append(waiting)
                waiting = self._queue.get()
            group += [waiting] if waiting else []
            is_open = waiting is not None
            self._write([row for rows, _ in group for row in rows], [future for _, future in group if future])
            for _ in group:
                self._queue.task_done()
            if is_open:
                time.sleep(max(0.0, began + GROUP_SECONDS - time.monotonic()))

    def _write(self, rows: list[_Row], futures: list[asyncio.Future[None]]) -> None:
        if not self._failure:
            try:
                _insert(self._db, rows)
            except BaseException as fault:  # those who wait must learn of any fault
                self._failure = self._reason(fault)
        for loop in {future.get_loop() for future in futures}:
            of_loop = [future for future in futures if future.get_loop() is loop]
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits
                loop.call_soon_threadsafe(_tell, of_loop, self._failure)

    def _reason(self, fault: BaseException) -> str:
        if is_full(fault, self._path.parent):
            return full_disk(self._path.parent)
        name = getattr(fault, "sqlite_errorname", type(fault).__name__)
        return f"{self._path}: the ledger cannot be written: {fault} ({name}). Check the disk, then run again."


def _insert(db: sqlite3.Connection, rows: list[_Row]) -> None:
    """Insert all rows or none; one whose key exists already is skipped. Raises sqlite3.Error.

    SQLite lets go of the interpreter at each statement and gets it back, from a busy event loop, up to 5 ms later:
    a statement a row would keep a group of fifty waiting for a quarter of a second.
    """
    by_table: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
    for table, row in rows:
        by_table[table].append(row)
    db.execute("BEGIN IMMEDIATE")
    try:
        for table, values in by_table.items():
            for start in range(0, len(values), MOST_INSERTED):
                some = values[start : start + MOST_INSERTED]
                marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
                db.execute(f"INSERT OR IGNORE INTO {table} VALUES {marks}", tuple(itertools.chain.from_iterable(some)))  # noqa: S608
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled back by itself
            db.execute("ROLLBACK")
        raise


def _tell(futures: list[asyncio.Future[None]], failure: str | None) -> None:
    for future in futures:
        if future.done():  # its owner was cancelled
            continue
        if failure:
            future.set_exception(LedgerError(failure))
        else:
            future.set_result(None)


def _create(path: Path) -> None:
    """Create an empty ledger, whole or absent. Raises LedgerError if it would take the place of something."""
    journal = path.with_name(f"{path.name}-wal")
    if path.is_symlink():
        raise LedgerError(
            f"{path}: a link to {path.readlink()}, which is not there. Mount its disk, or remove the link."
        )
    if journal.exists():  # SQLite would play it into the new file
        raise LedgerError(f"{journal}: left of a ledger that is gone. Put {path.name} back, or move this file away.")
    try:
        create_database(path, SCHEMA, {"schema": str(VERSION), "tool": __version__})
    except (sqlite3.Error, OSError) as fault:
        raise _unwritable(path.parent, fault) from fault


def hold(folder: Path) -> IO[bytes]:
    """Make the folder and lock `run.lock` in it, until the returned file is closed; its first line names the process.

    Raises LedgerError when the folder cannot be written, or naming the process that holds it.
    """
    try:
        return lock_file(folder / "run.lock")
    except AlreadyLocked as fault:
        if str(fault) == f"pid {os.getpid()}":
            own = f"{folder}: this process has the folder open already, in another run or thread"
            raise LedgerError(f"{own}. Wait until that run ends, or close it.") from fault
        raise LedgerError(f"{folder}: another process ({fault}) is working here. Wait for it or stop it.") from fault
    except OSError as fault:
        raise _unwritable(folder, fault) from fault


def is_held(folder: Path) -> bool:
    """Return True while a living process holds the folder's lock, which `hold` takes."""
    try:
        with (folder / "run.lock").open("rb") as lock:
            pid = int(lock.readline(100).removeprefix(b"pid "))
            with contextlib.suppress(PermissionError):  # a process of another user
                os.kill(pid, 0)
            # Another process may have the number by now. The lock is tried only here: a trial can keep a start out.
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return False


def _unwritable(folder: Path, fault: OSError | sqlite3.Error) -> LedgerError:
    if is_full(fault, folder):
        return LedgerError(full_disk(folder))
    why = fault.strerror if isinstance(fault, OSError) else fault
    return LedgerError(f"{folder}: cannot be written ({why}). Choose another folder.")


def _text(value: str | None) -> str | None:
    """Return text that UTF-8 can hold: lone surrogates become question marks."""
    return None if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def _count(value: int | None) -> int | None:
    """Return a number that a column can hold: whatever a server says, its paid reply gets onto the disk."""
    return int(value) if isinstance(value, int) and 0 <= value < 2**63 else None
