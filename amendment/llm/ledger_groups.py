"""What is written to the ledger in one transaction, and who waits for it."""

from __future__ import annotations

import asyncio
import functools
import itertools
import sqlite3
from typing import Any

from amendment.errors import LedgerError
from amendment.llm.ledger_tables import ATTEMPT, BATCH, FAULT, REPLY, REQUEST, STEP, Table

__all__ = ["MOST_ROWS", "Group", "insert"]

MOST_ROWS = 256
"""A group of so many rows goes to disk at once."""

MOST_INSERTED = 64
"""Rows of one statement; the connection keeps those of all sizes up to it that come up often."""


class Group:
    """Rows for one transaction. Intents can still be refused while nothing was sent; the rest was paid for."""

    def __init__(self) -> None:
        self.intents: dict[Table, list[tuple[Any, ...]]] = {REQUEST: [], BATCH: [], ATTEMPT: []}
        self.results: dict[Table, list[tuple[Any, ...]]] = {REPLY: [], FAULT: [], STEP: []}
        self.beginners: list[asyncio.Future[None]] = []
        """Those who wait to send."""
        self.finishers: list[asyncio.Future[None]] = []
        """Those who wait for what came back to be safe."""
        self.size = 0

    def add(self, table: Table, row: tuple[Any, ...]) -> None:
        """A row of one of the tables."""
        (self.intents if table in self.intents else self.results)[table].append(row)
        self.size += 1

    def take(self, other: Group) -> None:
        """Everything of another group, behind one's own."""
        for table, rows in (*other.intents.items(), *other.results.items()):
            (self.intents if table in self.intents else self.results)[table].extend(rows)
        self.beginners += other.beginners
        self.finishers += other.finishers
        self.size += other.size

    def write(self, db: sqlite3.Connection) -> None:
        """All of it, or nothing. Raises sqlite3.Error."""
        if not self.size:
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            for table, rows in (*self.intents.items(), *self.results.items()):
                insert(db, table, rows)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk has rolled back by itself
                db.execute("ROLLBACK")
            raise

    def refuse(self, reason: str) -> None:
        """Drop the intents: whoever waits to send is told why it must not."""
        waiting, self.beginners = self.beginners, []
        for rows in self.intents.values():
            self.size -= len(rows)
            rows.clear()
        tell(waiting, reason)

    def done(self, failure: str | None = None) -> None:
        """Tell everybody that it is on disk, or why not."""
        tell(self.beginners + self.finishers, failure)


def insert(db: sqlite3.Connection, table: Table, rows: list[tuple[Any, ...]], *, once: bool = False) -> None:
    """Many rows by few statements; with `once` rows whose key stands already are passed over, as some tables ask.

    SQLite lets go of the interpreter at each statement and gets it back, from a busy event loop, up to 5 ms later:
    a statement a row would keep a group of fifty waiting for a quarter of a second.
    """
    for start in range(0, len(rows), MOST_INSERTED):
        some = rows[start : start + MOST_INSERTED]
        db.execute(_statement(table, len(some), once or table.once), tuple(itertools.chain.from_iterable(some)))


@functools.cache
def _statement(table: Table, size: int, once: bool) -> str:
    marks = f"({', '.join('?' * len(table.stored))})"
    rows = f"INSERT INTO {table.name} ({', '.join(table.stored)}) VALUES {', '.join([marks] * size)}"  # noqa: S608
    return f"{rows} ON CONFLICT DO NOTHING" if once else rows


def tell(waiting: list[asyncio.Future[None]], failure: str | None) -> None:
    """Resolve futures from the writer's thread, with one call into each event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for future in waiting:
        by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, futures in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, futures, failure)


def _resolve(futures: list[asyncio.Future[None]], failure: str | None) -> None:
    for future in futures:
        if future.done():  # its owner was cancelled
            continue
        if failure is None:
            future.set_result(None)
        else:
            future.set_exception(LedgerError(failure))
