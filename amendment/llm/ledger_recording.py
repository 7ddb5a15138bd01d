"""The ledger of a run: every attempt before it is sent, every raw reply before anything reads it, once, on disk.

Covered: rows are only added and carry a checksum; what comes together is committed together, by one thread; a kill
loses at most what was not yet acknowledged; one process at a time writes. Not covered: network file systems, on which
neither locks nor SQLite's journal can be trusted (see `Ledger.cautions`).
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
import weakref
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from amendment.errors import LedgerError
from amendment.llm.ledger_folder import LEAST_FREE, FreeSpace, cautions, full_disk, hold, is_full, probe
from amendment.llm.ledger_groups import MOST_ROWS, Group
from amendment.llm.ledger_opening import create, move, read_only, refuse_place
from amendment.llm.ledger_reading import CLOSED, Reader, utc
from amendment.llm.ledger_rotate import ready
from amendment.llm.ledger_rows import Batch, BatchCall, TokenMeter, count, money, text
from amendment.llm.ledger_seen import Seen
from amendment.llm.ledger_tables import ATTEMPT, BATCH, FAULT, REPLY, REQUEST, STEP
from amendment.llm.ledger_writing import PATIENCE, Writer

__all__ = ["Ledger"]

GROUP_SECONDS = 0.005
"""What comes within this time shares one commit, and so one flush of the disk."""


class _Flight(NamedTuple):
    """An attempt of this process on its way."""

    request: str
    begun: float | None
    """On the monotonic clock; None where the time until the reply says nothing."""


class Ledger(Reader):
    """What one run sent and what came back. Use as a context manager; one event loop at a time, in one thread."""

    def __init__(
        self,
        path: Path | None = None,
        *,
        least_free: int = LEAST_FREE,
        patience: float = PATIENCE,
    ) -> None:
        """`path` is the database file, made when absent; without one the ledger ends with this object.

        `least_free` is how many bytes must be free for a call to be begun, `patience` for how many seconds a
        write that failed is tried again. Raises LedgerError when the folder cannot be written, another process holds
        it, the ledger is damaged, or a newer version wrote it.
        """
        self.cautions: tuple[str, ...] = cautions(path.parent) if path else ()
        """What a user should know about the place of this ledger, in sentences."""
        self._lock: IO[bytes] | None = hold(path.parent) if path else None
        where = path or Path(tempfile.mkdtemp(prefix="amendment-")) / "ledger.sqlite"
        self._removal = None if path else weakref.finalize(self, shutil.rmtree, where.parent, ignore_errors=True)
        try:
            self._writer = Writer(_opened(where, is_kept=path is not None), str(where), patience=patience)
            super().__init__(where, read_only(where))
            self._last = self._highest("SELECT max(number) FROM attempt", "SELECT max(attempt) FROM fault", _LAST_REPLY)
            self._last_batch = self._highest("SELECT max(number) FROM batch")
        except BaseException:
            self._release()
            raise
        self._space = FreeSpace(where.parent, least_free) if path else None
        self._group = Group()
        self._timer_of: asyncio.AbstractEventLoop | None = None
        self._next_group = 0.0
        self._flights: dict[int, _Flight] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits, close the file and let go of the folder.

        Raises LedgerError when something that was paid for could not be written; it says how much.
        """
        self._hand_over()
        self._reading.close()
        self._writer.close()
        self._writer.trouble = CLOSED
        self._release()
        if self._writer.failure:
            raise LedgerError(self._writer.failure)

    def _release(self) -> None:
        if self._lock:
            self._lock.close()
        if self._removal:
            self._removal()

    async def begin(self, request_id: str, body: bytes, *, host: str, model: str, stage: str) -> int:
        """Write down that a request is about to be sent; the attempt's number, when that is on disk.

        Raises LedgerError, at once, when the ledger could not take the reply.
        """
        self._check()
        self._last += 1
        number = self._last
        self._intend(BatchCall(request_id, body, host, model, stage), number, None)
        try:
            await self._written(self._group.beginners)
        except asyncio.CancelledError:
            self.fail(number, "unsent")
            raise
        self._flights[number] = _Flight(request_id, time.monotonic())
        return number

    def fail(self, attempt: int, fault: str, *, status: int | None = None) -> None:
        """Write down how an attempt ended that brought no reply; on disk with the next group. The first word stands."""
        self._flights.pop(attempt, None)
        self._group.add(FAULT, FAULT.row(attempt, text(fault), count(status), time.time()))
        try:
            self._gather(asyncio.get_running_loop())
        except RuntimeError:  # no loop runs, whose timer could do it
            self._hand_over()

    async def commit(
        self, attempt: int, raw: bytes, meter: TokenMeter, *, server_id: str | None = None, usd: float | None = None
    ) -> None:
        """Store the reply of an attempt; returns when it is on disk, with all others of its group.

        A second reply to one attempt is passed over: a batch's results may be read more than once. Raises LedgerError
        when it could not be written, and says what is lost.
        """
        flight = self._flights.pop(attempt, None) or self._flight(attempt)
        if flight is None:
            return
        usage = meter.usage
        tokens = (usage.input_tokens, usage.output_tokens, usage.cached_tokens) if usage else (None, None, None)
        seconds = None if flight.begun is None else time.monotonic() - flight.begun
        row = REPLY.row(
            attempt,
            flight.request,
            text(meter.model),
            *(count(number) for number in tokens),
            text(server_id),
            money(usd),
            seconds,
            time.time(),
            long=bytes(raw),
        )
        self._group.add(REPLY, row)
        await self._written(self._group.finishers)

    async def open_batch(self, shard: str, calls: Sequence[BatchCall]) -> Batch:
        """Write down that a batch is about to be uploaded, with an attempt per request; returns when it is on disk.

        `shard` is the hash of its content. All calls go to one host and model. Raises LedgerError as `begin` does.
        """
        self._check()
        self._last_batch += 1
        number, first, now = self._last_batch, calls[0], time.time()
        attempts: dict[str, int] = {}
        self._group.add(BATCH, BATCH.row(number, shard, first.host, first.model, now))
        for call in calls:
            self._last += 1
            self._intend(call, self._last, number)
            attempts[call.request_id] = self._last
        await self._written(self._group.beginners)
        return Batch(number, shard, first.host, first.model, None, utc(now), attempts)

    async def name_batch(self, batch: int, remote: str) -> None:
        """Write down the server's name for a batch; returns when it is on disk."""
        await self._step(batch, "remote", remote)

    async def close_batch(self, batch: int, state: str) -> None:
        """Write down that a batch is done with, and in which state it ended; returns when it is on disk."""
        await self._step(batch, "closed", state)

    async def _step(self, batch: int, kind: str, value: str) -> None:
        self._group.add(STEP, STEP.row(batch, kind, text(value), time.time()))
        await self._written(self._group.finishers)

    def _check(self) -> None:
        """Nothing is begun whose reply could not be stored."""
        if self._writer.trouble:
            raise LedgerError(self._writer.trouble)
        if self._space:
            self._space.check()

    def find(self, request_id: str) -> bytes | None:
        """The newest raw reply to a request; see `Reader.find`."""
        return super().find(request_id) if request_id in self._seen else None

    @cached_property
    def _seen(self) -> Seen:
        return Seen(row[0] for row in self._rows("SELECT request FROM attempt"))

    def _intend(self, call: BatchCall, number: int, batch: int | None) -> None:
        self._seen.add(call.request_id)
        self._group.add(REQUEST, REQUEST.row(call.request_id, long=call.body))
        values = (number, call.request_id, call.host, call.model, call.stage, batch, time.time())
        self._group.add(ATTEMPT, ATTEMPT.row(*values))

    def _flight(self, attempt: int) -> _Flight | None:
        """An attempt of a batch or of an earlier process; None when its reply is there."""
        rows = self._rows(_ATTEMPT, attempt)
        if not rows:
            raise LedgerError(f"{self.path}: attempt {attempt} was not begun here; expected a number that `begin` gave")
        request, has_reply = rows[0]
        return None if has_reply else _Flight(request, None)

    def _written(self, waiting: list[asyncio.Future[None]]) -> asyncio.Future[None]:
        """Done when the group that is being gathered is on disk."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        waiting.append(future)
        if self._group.size >= MOST_ROWS:
            self._hand_over()
        else:
            self._gather(loop)
        return future

    def _gather(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._timer_of is not loop:  # a timer of an earlier loop may never have come to its end
            self._timer_of = loop
            loop.call_later(max(0.0, self._next_group - time.monotonic()), self._hand_over)

    def _hand_over(self) -> None:
        self._timer_of = None
        self._next_group = time.monotonic() + GROUP_SECONDS
        if self._group.size:
            group, self._group = self._group, Group()
            self._writer.put(group)

    def _highest(self, *questions: str) -> int:
        return max(self._rows(question)[0][0] or 0 for question in questions)


def _opened(path: Path, *, is_kept: bool) -> sqlite3.Connection:
    """The connection that writes. A ledger that ends with its process need not outlive a loss of power."""
    if is_kept:
        probe(path.parent)
    try:
        refuse_place(path)
        if not path.exists():
            create(path).close()
            move(path)
        db = ready(path)
        if not is_kept:
            db.execute("PRAGMA synchronous=OFF")
    except (sqlite3.Error, OSError) as fault:
        if is_full(fault, path.parent):
            raise LedgerError(full_disk(path.parent)) from fault
        raise LedgerError(f"{path}: the ledger cannot be opened: {fault}") from fault
    return db


_LAST_REPLY = "SELECT max(attempt) FROM reply"
_ATTEMPT = """
SELECT a.request, EXISTS (SELECT 1 FROM reply r WHERE r.attempt = a.number) FROM attempt a WHERE a.number = ?
"""
