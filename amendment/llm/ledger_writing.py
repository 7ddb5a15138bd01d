"""The one thread that writes the ledger, and what it does when the disk will not take a group.

Covered: groups that wait are written together; while the disk is full nothing new is begun, and replies that were paid
for are kept in memory and tried again for a while, so that at most those of the calls in flight are lost. Not covered:
a failed flush of the disk is never tried again, since the system may have dropped the pages and would say all is well.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from amendment.llm.ledger_folder import full_disk, is_full
from amendment.llm.ledger_groups import Group
from amendment.llm.ledger_tables import REPLY

__all__ = ["Writer"]

PATIENCE = 60.0
"""Seconds for which a group that could not be written is tried again."""
RETRY = 1.0
"""Seconds between two tries."""

_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
}
_FATAL = {sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC}


class Writer:
    """Writes groups in the order in which they come. All methods but the thread's own are for the owner's thread."""

    def __init__(
        self,
        db: sqlite3.Connection,
        place: str,
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`place` is the ledger's file."""
        self.trouble: str | None = None
        """Why nothing may be begun now; None while all is well."""
        self.failure: str | None = None
        """Why nothing was, or will be, written any more."""
        self._db = db
        self._place = place
        self._patience = patience
        self._clock = clock
        self._queue: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_closing = False
        self._lost = 0

    def put(self, group: Group) -> None:
        """Hand over a group; the thread begins with the first one."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
            self._thread.start()
        self._queue.put(group)

    def close(self) -> None:
        """Write what waits, trying once only, and close the connection. What went wrong stands in `failure`."""
        self._is_closing = True
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        with contextlib.suppress(sqlite3.Error):  # what is in the journal is as safe as what is in the file
            if self.failure is None:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()

    def _work(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next(None)
            try:
                self._store(group)
            except BaseException as fault:  # whoever waits must be told, whatever happened
                self.trouble = self.failure = f"{self._place}: the ledger cannot be written: {fault!r}"
                group.done(self.failure)

    def _next(self, seconds: float | None) -> tuple[Group, bool]:
        """All groups that wait, as one, and whether more may come; an empty one when the time passes without any."""
        together = Group()
        with contextlib.suppress(queue.Empty):
            group = self._queue.get(timeout=seconds)
            while group is not None:
                together.take(group)
                group = self._queue.get_nowait()
            return together, False
        return together, True

    def _store(self, group: Group) -> None:
        if self.failure is not None:
            self._give_up(group, self.failure)
            return
        fault = self._try(group)
        if fault:
            self._endure(group, fault)

    def _try(self, group: Group) -> sqlite3.Error | None:
        """Write a group and tell everybody; what kept it from being written."""
        try:
            group.write(self._db)
        except sqlite3.Error as fault:
            return fault
        self.trouble = None
        group.done()
        return None

    def _endure(self, group: Group, fault: sqlite3.Error) -> None:
        """Try again until it is written or time is up, with what comes in meanwhile."""
        until = self._clock() + self._patience
        self.trouble = self._told(fault)
        group.refuse(self.trouble)
        while _is_passing(fault) and self._clock() < until and not self._is_closing:
            more, is_open = self._next(min(RETRY, self._patience / 10))
            group.take(more)
            group.refuse(self.trouble)
            if not is_open:
                self._queue.put(None)  # for the thread's own loop, which ends by it
            again = self._try(group)
            if again is None:
                return
            fault = again
        self._last_try(group, fault)

    def _last_try(self, group: Group, fault: sqlite3.Error) -> None:
        if _is_passing(fault) and self._is_closing:
            again = self._try(group)
            if again is None:
                return
            fault = again
        self.trouble = self.failure = self._told(fault)
        self._give_up(group, self.failure)

    def _give_up(self, group: Group, reason: str) -> None:
        """Tell everybody, and what is lost."""
        group.refuse(reason)
        self._lost += len(group.results[REPLY])
        if self._lost:
            lost = f"{self._lost} replies that were paid for could not be stored and will be asked for again."
            self.failure = self.trouble = f"{reason.partition(chr(10))[0]}\n{lost}"
        group.done(self.failure)

    def _told(self, fault: sqlite3.Error) -> str:
        folder = Path(self._place).parent
        if is_full(fault, folder):
            return full_disk(folder)
        name = getattr(fault, "sqlite_errorname", "")
        advice = "Free space, then run again" if _is_passing(fault) else "Check the disk and the ledger, then run again"
        return f"{self._place}: the ledger cannot be written: {fault} ({name}). {advice}."


def _is_passing(fault: sqlite3.Error) -> bool:
    """Whether the same write may succeed later: the disk was full or busy, and no flush has failed."""
    code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code not in _FATAL and code & 0xFF in _PASSING
