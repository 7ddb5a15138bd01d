"""Read a ledger: replies by request, spending, calls that may have been billed, and times of replies.

A reader in another process sees what is committed, at any time, and changes nothing. SQLite before 3.51.3 can lose a
journal that one connection restarts while another one writes or checkpoints; a ledger has one connection that
writes, and every other one is opened read-only and never checkpoints, so that defect has no second party here.

Covered: damage is found (SQLite's integrity check, the hash of every request and every raw reply). Not covered: repair,
which SQLite's own `.recover` does; rows that are gone without a trace, as when a journal was lost with its disk.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple, Self

from amendment.errors import LedgerError
from amendment.files import full_disk, is_full
from amendment.hashing import HASH_PREFIX, hash_name
from amendment.text import plain

VERSION = 3
"""The schema's version."""
SHARDS = "workers/*/ledger.sqlite"
"""The ledgers of a run's workers, below its folder; they are taken over into the run's own."""
CLOSED = "this model's run was closed, and its ledger with it; look the model up in it again"
CUT_UNTIL = "cut_until"
"""The key in `meta` of the last attempt by a version that did not repeat cut verdicts. Without it, all attempts are by
such versions."""
MOST_TIMED = 10_000
"""Calls that a model's speed is measured on."""
BUSY = 60.0
"""Seconds to wait for a lock that a foreign program holds."""


class Spending(NamedTuple):
    """Calls, replies and cost of one stage with one model."""

    stage: str
    host: str
    model: str
    attempts: int
    replies: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float
    """The cost of the replies that have a price."""
    unpriced: int
    """Replies whose price is not known."""
    unmetered: int
    """Replies that did not say how many tokens they took."""
    faults: dict[str, int]
    """Attempts without a reply, counted by their fault."""


class OpenAttempt(NamedTuple):
    """An attempt without a reply: it may have been paid for."""

    number: int
    request: str
    host: str
    model: str
    stage: str
    batch: int | None
    """The batch it went out with, at a batch's price."""

    @property
    def may_be_billed(self) -> bool:
        """Return False for models in this process."""
        return not is_in_process(self.host)


class ReturnedModel(NamedTuple):
    """A name asked for, and a name that answered."""

    host: str
    asked: str
    returned: str | None
    replies: int


class AnsweredCall(NamedTuple):
    """A single call with its reply, on the system's clock."""

    host: str
    model: str
    sent: float
    """Seconds."""
    came: float
    input: int
    """Tokens."""
    output: int
    cached: int


class Batch(NamedTuple):
    """A batch that was meant to be uploaded and is not done with."""

    number: int
    shard: str
    """Our own name for it."""
    host: str
    model: str
    at: float
    """Time of its record, in seconds of the system's clock."""
    remote: str | None
    """The server's name for it; None when the process ended between the intent and the server's answer."""
    attempts: dict[str, int]
    """Request id -> number of the attempt."""


class Reader:
    """A ledger that is only read, also while another process writes it. Use as a context manager."""

    def __init__(self, path: Path, *, leave_no_trace: bool = False, is_settled: bool = False) -> None:
        """Open a ledger to read, which makes two small files next to it; with `leave_no_trace` none, if no process
        works there. `is_settled`: its owner writes nothing while it is read here, see `Ledger.settle`.

        Raises LedgerError where there is no ledger, one of another version, or one that cannot be read.
        """
        if not path.is_file():
            raise LedgerError(f"{path}: no ledger here; expected a run's folder or its ledger.sqlite")
        self.path = path
        self._db = connect(path, "ro", leave_no_trace=leave_no_trace, is_settled=is_settled)
        self._sums: dict[str, list[tuple[Any, ...]]] = {}
        self._of_version: int | None = None
        """SQLite's counter of commits by others, as it was when these sums were read."""
        try:
            facts = dict(self._rows("SELECT key, value FROM meta"))
            if facts.get("schema") != str(VERSION):
                wrote = f"amendment {plain(str(facts['tool']))}" if "tool" in facts else "the version that wrote it"
                raise LedgerError(
                    f"{path}: ledger schema {plain(str(facts.get('schema')))}; this version reads schema {VERSION}. "
                    f"Read it with {wrote}, or begin in another folder."
                )
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(sql, values).fetchall()  # to the end, so that no checkpoint waits for us
        except sqlite3.ProgrammingError as fault:
            raise LedgerError(CLOSED) from fault
        except (sqlite3.Error, UnicodeDecodeError) as fault:
            raise unreadable(self.path, fault) from fault

    def _summed(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the few rows of a query over every attempt; it is repeated only after somebody has written."""
        [(version,)] = self._rows("PRAGMA data_version")
        if version != self._of_version:
            self._sums, self._of_version = {}, version
        if sql not in self._sums:
            self._sums[sql] = self._rows(sql)
        return self._sums[sql]

    def __len__(self) -> int:
        return int(self._rows("SELECT count(*) FROM reply")[0][0])

    def find(self, request_id: str) -> bytes | None:
        """Return the newest raw reply to a request. Raises LedgerError if it was changed."""
        for attempt, raw, checksum in self._rows(_FIND, request_id):
            if not _is_whole(raw, checksum):
                raise LedgerError(f"{self.path}: {_changed(attempt)}")
            return bytes(raw)
        return None

    def is_as_cut(self, request_id: str) -> bool:
        """Return True for a reply stored by a version that did not repeat cut verdicts: a cut one is not asked for
        again."""
        return bool(self._rows(_AS_CUT, request_id, CUT_UNTIL)[0][0])

    def body(self, request_id: str) -> bytes | None:
        """Return a request as JSON; None if it is not there."""
        rows = self._rows("SELECT body FROM request WHERE id = ?", request_id)
        return bytes(rows[0][0]) if rows else None

    def attempt_body(self, attempt: OpenAttempt) -> bytes:
        """Return the request of an attempt, which was written together with it. Raises LedgerError if it is gone."""
        body = self.body(attempt.request)
        if body is None:
            raise unreadable(self.path, f"the request of attempt {attempt.number} is missing")
        return body

    def newest(self, stage: str, count: int) -> list[tuple[str, bytes]]:
        """Return the newest raw replies to a stage, oldest first, each with the id of its request."""
        return [(request, bytes(raw)) for request, raw in reversed(self._rows(_NEWEST, stage, count))]

    def spending(self) -> list[Spending]:
        """Return spending by stage, host and model, sorted in that order."""
        faults: dict[tuple[str, str, str], dict[str, int]] = {}
        for stage, host, model, kind, count in self._summed(_FAULTS):
            faults.setdefault((stage, host, model), {})[kind] = count
        spending = [Spending(*(*row, faults.get(row[:3], {}))) for row in self._summed(_SPENDING)]
        for row in spending:
            if not (isinstance(row.stage, str) and isinstance(row.usd, float) and isfinite(row.usd)):
                raise unreadable(self.path, f"the stage {row.stage!r} with the cost {row.usd!r}, which no run writes")
        return spending

    def open_attempts(self, kinds: Collection[str] = ()) -> list[OpenAttempt]:
        """Return attempts without a reply, in order: those with no end at all, also those in flight, and those that
        ended in a fault of these kinds."""
        return [OpenAttempt(*row) for row in self._rows(f"{_OPEN} ({', '.join('?' * len(kinds))}))", *kinds)]

    def models(self) -> list[ReturnedModel]:
        """Return the models that answered, by the name asked for."""
        return [ReturnedModel(*row) for row in self._summed(_MODELS)]

    def answered_calls(self) -> list[AnsweredCall]:
        """Return the newest single calls with a reply that says how many tokens it took, MOST_TIMED at most."""
        return [AnsweredCall(*row) for row in self._rows(_ANSWERED, MOST_TIMED)]

    def batches(self, host: str | None = None, model: str | None = None) -> list[Batch]:
        """Return batches that are not closed, oldest first; of one host and model, or of all."""
        of_batch = "SELECT request, number FROM attempt WHERE batch = ? ORDER BY number"
        return [
            Batch(*(*row, dict(self._rows(of_batch, row[0]))))
            for row in self._rows(_BATCHES)
            if host in (None, row[2]) and model in (None, row[3])
        ]

    def problems(self) -> list[str]:
        """Return SQLite's findings about the structure of the file."""
        try:
            return [line for (line,) in self._db.execute("PRAGMA integrity_check") if line != "ok"]
        except (sqlite3.Error, UnicodeDecodeError) as fault:
            return [str(fault)]

    def damage(self) -> list[str]:
        """Describe all damage to the file in sentences. Reads the whole file."""
        problems = self.problems()
        try:
            for attempt, raw, checksum in self._db.execute("SELECT attempt, raw, sha256 FROM reply"):
                problems += [] if _is_whole(raw, checksum) else [_changed(attempt)]
            for name, body in self._db.execute(_REQUESTS):
                is_same = isinstance(body, bytes) and (hash_name(body) == name or not str(name).startswith(HASH_PREFIX))
                lost = f"the request {name} is missing, or not what was written; restore the ledger from a copy"
                problems += [] if is_same else [lost]
        except sqlite3.Error as fault:
            problems.append(str(fault))
        return problems


def connect(path: Path, mode: str, *, leave_no_trace: bool = False, is_settled: bool = False) -> sqlite3.Connection:
    """Open a connection that commits by itself: `ro`, which never writes, locks others out or checkpoints, or `rw`."""
    side_files = [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]
    is_still = not any(file.exists() and file.stat().st_size for file in side_files)
    is_immutable = is_settled or (mode == "ro" and is_still and (leave_no_trace or not os.access(path.parent, os.W_OK)))
    place = f"{path.absolute().as_uri()}?mode={mode}{'&immutable=1' if is_immutable else ''}"
    return sqlite3.connect(place, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY)


def is_in_process(host: str) -> bool:
    """Return whether the host of a request is a model in the process that asks."""
    return host == "lilliput" or host.startswith("local:")


def unreadable(path: Path, fault: BaseException | str) -> LedgerError:
    """Return the error for a ledger that SQLite cannot read, or finds damaged, with what to do."""
    if isinstance(fault, BaseException) and is_full(fault, path.parent):
        return LedgerError(full_disk(path.parent))
    return LedgerError(
        f"{path}: damaged, or not a ledger of amendment ({plain(str(fault), longest=500)}). Save what SQLite's "
        f"own program can read (sqlite3 {path} .recover | sqlite3 saved.sqlite), see whether that file has replies, "
        "and put it in the place of this one, which you keep; or move the ledger, its -wal file and spending.json "
        "away, and the next run makes and pays for all calls again."
    )


def _is_whole(raw: object, checksum: object) -> bool:
    return isinstance(raw, bytes) and hashlib.sha256(raw).digest() == checksum


def _changed(attempt: int) -> str:
    delete = f"DELETE FROM reply WHERE attempt = {attempt}"  # noqa: S608 - a number, and for people
    return (
        f"the reply of attempt {attempt} is not what was written. To have it asked for again, delete it: "
        f"sqlite3 ledger.sqlite '{delete}'"
    )


_REQUESTS = """
SELECT id, body FROM request UNION ALL SELECT request, NULL FROM attempt WHERE request NOT IN (SELECT id FROM request)
"""
_FIND = """
SELECT r.attempt, r.raw, r.sha256 FROM attempt a JOIN reply r ON r.attempt = a.number
WHERE a.request = ? ORDER BY a.number DESC LIMIT 1
"""
_NEWEST = """
SELECT a.request, r.raw FROM attempt a JOIN reply r ON r.attempt = a.number
WHERE a.stage = ? ORDER BY a.number DESC LIMIT ?
"""
_AS_CUT = """
SELECT EXISTS (SELECT 1 FROM attempt a JOIN reply r ON r.attempt = a.number WHERE a.request = ?
    AND a.number <= coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = ?), a.number))
"""
_SPENDING = """
SELECT a.stage, a.host, a.model, count(*), count(r.attempt), coalesce(sum(r.input_tokens), 0),
    coalesce(sum(r.cached_tokens), 0), coalesce(sum(r.output_tokens), 0), coalesce(sum(r.usd), 0.0),
    count(r.attempt) - count(r.usd), count(r.attempt) - count(r.input_tokens)
FROM attempt a LEFT JOIN reply r ON r.attempt = a.number GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_FAULTS = """
SELECT a.stage, a.host, a.model, f.kind, count(*) FROM fault f JOIN attempt a ON a.number = f.attempt
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_OPEN = """
SELECT a.number, a.request, a.host, a.model, a.stage, a.batch
FROM attempt a LEFT JOIN reply r ON r.attempt = a.number LEFT JOIN fault f ON f.attempt = a.number
WHERE r.attempt IS NULL AND (f.kind IS NULL OR f.kind IN
"""
_MODELS = """
SELECT a.host, a.model, r.model, count(*) FROM reply r JOIN attempt a ON a.number = r.attempt
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_ANSWERED = """
SELECT a.host, a.model, a.at, r.at, r.input_tokens, r.output_tokens, coalesce(r.cached_tokens, 0)
FROM attempt a JOIN reply r ON r.attempt = a.number
WHERE a.batch IS NULL AND r.input_tokens IS NOT NULL AND r.output_tokens IS NOT NULL ORDER BY a.number DESC LIMIT ?
"""
_BATCHES = """
SELECT b.number, b.shard, b.host, b.model, b.at,
    (SELECT s.value FROM step s WHERE s.batch = b.number AND s.kind = 'remote' ORDER BY s.rowid DESC LIMIT 1)
FROM batch b WHERE NOT EXISTS (SELECT 1 FROM step s WHERE s.batch = b.number AND s.kind = 'closed') ORDER BY b.number
"""
