"""The tables of a ledger, and the checksum that every row carries.

Rows are added and never changed: how an attempt ended, what a batch is called and when it was done with are rows of
their own. SQLite's own checks say nothing about a byte that changed inside a value; the checksum of the row does.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

__all__ = ["ATTEMPT", "BATCH", "FAULT", "REPLY", "REQUEST", "SCHEMA", "STEP", "TABLES", "VERSION", "Table", "seal"]

VERSION = 2
"""Of the schema. 1 knew requests and replies only."""


class Table:
    """A table: sealed columns first, then the seal, then the one long column that there may be."""

    def __init__(self, name: str, declared: str, *, long: str | None = None, once: bool = True) -> None:
        """`declared` is the SQL of the sealed columns; with `once` a row whose key stands already is passed over."""
        self.name = name
        self.declared = declared
        self.long = long
        self.once = once
        self._sealed = len(self.columns)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The sealed columns that are not long, in order."""
        return tuple(column.split()[0] for column in self.declared.split(", "))

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """All columns, as rows are written and read."""
        return (*self.columns, "sha256", *([self.long] if self.long else []))

    @property
    def sql(self) -> str:
        """The statement that makes it."""
        long = f", {self.long} BLOB NOT NULL" if self.long else ""
        return f"CREATE TABLE {self.name} ({self.declared}, sha256 BLOB NOT NULL{long})"

    def row(self, *values: Any, long: bytes = b"") -> tuple[Any, ...]:
        """The values with their seal, ready to be written."""
        digest = seal(values, long)
        return (*values, digest, long) if self.long else (*values, digest)

    def holds(self, row: tuple[Any, ...]) -> bool:
        """Whether a stored row is what was written."""
        count = self._sealed
        long = row[count + 1] if self.long else b""
        return isinstance(long, bytes) and seal(row[:count], long) == row[count]


def seal(values: tuple[Any, ...], long: bytes = b"") -> bytes:
    """SHA-256 over all values of a row. The text form is ASCII with every type told apart, on any Python."""
    return hashlib.sha256(b"%a\n" % (values,) + long).digest()


REQUEST = Table("request", "id TEXT NOT NULL UNIQUE", long="body")
ATTEMPT = Table(
    "attempt",
    "number INTEGER PRIMARY KEY, request TEXT NOT NULL, host TEXT NOT NULL, model TEXT NOT NULL, stage TEXT NOT NULL, "
    "batch INTEGER, at REAL NOT NULL",
    once=False,
)
FAULT = Table("fault", "attempt INTEGER PRIMARY KEY, kind TEXT NOT NULL, status INTEGER, at REAL NOT NULL")
REPLY = Table(
    "reply",
    "attempt INTEGER PRIMARY KEY, request TEXT NOT NULL, model TEXT, input_tokens INTEGER, output_tokens INTEGER, "
    "cached_tokens INTEGER, server_id TEXT, usd REAL, seconds REAL, at REAL NOT NULL",
    long="raw",
)
BATCH = Table(
    "batch",
    "number INTEGER PRIMARY KEY, shard TEXT NOT NULL, host TEXT NOT NULL, model TEXT NOT NULL, at REAL NOT NULL",
    once=False,
)
STEP = Table("step", "batch INTEGER NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, at REAL NOT NULL", once=False)
"""What became of a batch: `remote`, the server's name for it, or `closed`, with the state in which it ended."""

TABLES = (REQUEST, ATTEMPT, FAULT, REPLY, BATCH, STEP)
"""Ordinary rowid tables: `WITHOUT ROWID` halves the speed and doubles the file with rows as long as these."""

SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
    *(table.sql for table in TABLES),
    "CREATE INDEX attempt_by_request ON attempt (request)",
    "CREATE INDEX attempt_by_batch ON attempt (batch) WHERE batch IS NOT NULL",
    "CREATE INDEX step_by_batch ON step (batch)",
)
