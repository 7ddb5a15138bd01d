"""What stands in a ledger: replies by request, what was spent, what may have been paid for, how long replies took.

Covered: a reader in another process sees what is committed, at any time, and changes nothing. Not covered: sums are
made of rows whose checksums are not looked at one by one; `verify` does that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from amendment.errors import LedgerError
from amendment.llm.ledger_folder import full_disk, is_full
from amendment.llm.ledger_opening import read_only, schema_of
from amendment.llm.ledger_rows import Batch
from amendment.llm.ledger_tables import ATTEMPT, BATCH, FAULT, REPLY, REQUEST, STEP, VERSION, Table

__all__ = ["CLOSED", "Latency", "LostCall", "OpenAttempt", "ReadOnly", "Reader", "ReturnedModel", "Spending", "utc"]


CLOSED = "this model's run was closed, and its ledger with it; look the model up in it again"


class Spending(NamedTuple):
    """What one stage asked of one model and what came of it."""

    stage: str
    host: str
    model: str
    attempts: int
    replies: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    usd: float
    """Of the replies that have a price."""
    unpriced: int
    """Replies whose price is not known."""
    unmetered: int
    """Replies that did not say how many tokens they took."""
    faults: dict[str, int]
    """How attempts without a reply ended, and how many."""


class OpenAttempt(NamedTuple):
    """An attempt of which nothing came back: it may have been paid for."""

    number: int
    request: str
    body_length: int
    """Bytes."""
    host: str
    model: str
    stage: str
    batch: int | None
    """The batch it went out with."""


class LostCall(NamedTuple):
    """An attempt without a reply that the provider may bill for."""

    number: int
    in_batch: bool
    """Whether it went out with a batch, at a batch's price."""
    is_out: bool
    """Whether that batch is not done with, so that the reply may still come."""
    body: str
    """The request, as JSON."""


class ReturnedModel(NamedTuple):
    """A name asked for, and a name that answered."""

    host: str
    asked: str
    returned: str | None
    replies: int


class Latency(NamedTuple):
    """How long replies took, from the line in the ledger to the reply; those of batches do not count."""

    stage: str
    host: str
    model: str
    seconds: float
    """The mean."""
    replies: int


class Reader:
    """Everything that can be read, over a connection that someone else opens and closes."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._reading = db

    def _rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._reading.execute(sql, values).fetchall()  # to the end, so that no checkpoint waits for us
        except sqlite3.ProgrammingError as fault:  # closed
            raise LedgerError(CLOSED) from fault
        except sqlite3.Error as fault:
            if is_full(fault, self.path.parent):
                raise LedgerError(full_disk(self.path.parent)) from fault
            raise LedgerError(f"{self.path}: cannot be read ({fault}). {_ADVICE} {self.path}") from fault

    def __len__(self) -> int:
        """The number of replies."""
        return int(self._rows("SELECT count(*) FROM reply")[0][0])

    def find(self, request_id: str) -> bytes | None:
        """The newest raw reply to a request.

        Raises LedgerError when the stored row is not what was written, and after the ledger was closed.
        """
        rows = self._rows(_FIND, request_id)
        if not rows:
            return None
        row = rows[0]
        if not REPLY.holds(row) or row[1] != request_id:
            raise self._damaged(f"reply to {request_id}")
        return bytes(row[-1])

    def request(self, request_id: str) -> dict[str, Any] | None:
        """A request, its attempts and their replies, oldest first, as JSON can hold them; None when it is not there.

        Raises LedgerError when a row is not what was written.
        """
        asked = self._whole(REQUEST, "id", request_id)
        attempts = self._whole(ATTEMPT, "request", request_id)
        if not attempts:
            return None
        body = asked[0]["body"].decode("utf-8", "replace") if asked else ""
        return {"id": request_id, "body": body, "attempts": [self._told(one) for one in attempts]}

    def _told(self, attempt: dict[str, Any]) -> dict[str, Any]:
        """An attempt with its end."""
        number = attempt["number"]
        faults, replies = self._whole(FAULT, "attempt", number), self._whole(REPLY, "attempt", number)
        for one in (attempt, *faults, *replies):
            one["at"] = utc(one["at"])
        for one in replies:
            one["raw"] = one["raw"].decode("utf-8", "replace")
        ending = {"fault": faults[0]["kind"] if faults else None, "status": faults[0]["status"] if faults else None}
        return {**attempt, **ending, "reply": replies[0] if replies else None}

    def _whole(self, table: Table, column: str, value: Any) -> list[dict[str, Any]]:
        """Rows of a table, checked, by column; without their seals."""
        rows = self._rows(f"SELECT {_names(table.stored)} FROM {table.name} WHERE {column} = ? ORDER BY rowid", value)  # noqa: S608
        if not all(table.holds(row) for row in rows):
            raise self._damaged(f"{table.name} of {value}")
        return [{name: one for name, one in zip(table.stored, row, strict=True) if name != "sha256"} for row in rows]

    def _damaged(self, what: str) -> LedgerError:
        return LedgerError(f"{what}: checksum differs, the ledger is damaged. {_ADVICE} {self.path}")

    def spending(self) -> list[Spending]:
        """By stage, host and model, in that order."""
        faults: dict[tuple[str, str, str], dict[str, int]] = {}
        for stage, host, model, kind, count in self._rows(_FAULTS):
            faults.setdefault((stage, host, model), {})[kind] = count
        return [Spending(*(*row, faults.get(row[:3], {}))) for row in self._rows(_SPENDING)]

    def open_attempts(self) -> list[OpenAttempt]:
        """Attempts with neither a reply nor an end, in order; those on the wire just now are among them."""
        return [OpenAttempt(*row) for row in self._rows(_OPEN)]

    def lost(self, kinds: Collection[str]) -> Iterator[LostCall]:
        """Attempts of which nothing came back, or that ended in a fault of these kinds, in order: they may have been
        paid for, or will be where their batch is still out."""
        question = _LOST.replace("KINDS", ", ".join("?" * len(kinds)))
        last = 0
        while rows := self._rows(question, *kinds, last):
            for number, in_batch, is_out, body in rows:
                yield LostCall(number, bool(in_batch), bool(is_out), body.decode("utf-8", "replace"))
            last = rows[-1][0]

    def models(self) -> list[ReturnedModel]:
        """Which models answered to which names."""
        return [ReturnedModel(*row) for row in self._rows(_MODELS)]

    def times(self) -> list[Latency]:
        """The mean time of replies by stage, host and model."""
        return [Latency(*row) for row in self._rows(_TIMES)]

    def batches(self, host: str | None = None, model: str | None = None) -> list[Batch]:
        """Batches that are not closed, oldest first; of one host and model, or of all.

        Raises LedgerError when a row is not what was written.
        """
        closed = {row[0] for row in self._rows("SELECT batch FROM step WHERE kind = 'closed'")}
        return [
            self._batch(row)
            for row in self._rows(f"SELECT {_names(BATCH.stored)} FROM batch ORDER BY number")  # noqa: S608
            if row[0] not in closed and host in (None, row[2]) and model in (None, row[3])
        ]

    def _batch(self, row: tuple[Any, ...]) -> Batch:
        if not BATCH.holds(row):
            raise self._damaged(f"batch {row[0]}")
        number, shard, host, model, at, _ = row
        names = [step["value"] for step in self._whole(STEP, "batch", number) if step["kind"] == "remote"]
        attempts = {one["request"]: one["number"] for one in self._whole(ATTEMPT, "batch", number)}
        return Batch(number, shard, host, model, names[-1] if names else None, utc(at), attempts)


class ReadOnly(Reader):
    """A ledger that is only read, also while another process writes it. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises LedgerError where there is no ledger, or one of another version."""
        super().__init__(path, read_only(path))
        try:
            found = schema_of(self._reading, path)
            if found < VERSION:
                raise LedgerError(f"{path}: an older ledger (schema {found}); the next run in its folder brings it up")
        except LedgerError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._reading.close()


def utc(seconds: float) -> str:
    """A time for people."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError, OSError):
        return "at an unknown time"


def _names(columns: tuple[str, ...], table: str = "") -> str:
    return ", ".join(f"{table}{column}" for column in columns)


_ADVICE = "Look at all of it with: amendment ledger verify"
_FIND = (
    f"SELECT {_names(REPLY.stored, 'reply.')} FROM attempt JOIN reply ON reply.attempt = attempt.number "  # noqa: S608
    "WHERE attempt.request = ? ORDER BY attempt.number DESC LIMIT 1"
)
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
SELECT a.number, a.request, coalesce(length(q.body), 0), a.host, a.model, a.stage, a.batch
FROM attempt a LEFT JOIN request q ON q.id = a.request
WHERE NOT EXISTS (SELECT 1 FROM reply r WHERE r.attempt = a.number)
    AND NOT EXISTS (SELECT 1 FROM fault f WHERE f.attempt = a.number)
ORDER BY a.number
"""
_LOST = """
SELECT a.number, a.batch IS NOT NULL, f.kind IS NULL AND a.batch IS NOT NULL
    AND NOT EXISTS (SELECT 1 FROM step s WHERE s.batch = a.batch AND s.kind = 'closed'), q.body
FROM attempt a JOIN request q ON q.id = a.request LEFT JOIN fault f ON f.attempt = a.number
WHERE NOT EXISTS (SELECT 1 FROM reply r WHERE r.attempt = a.number) AND (f.kind IS NULL OR f.kind IN (KINDS))
    AND a.number > ?
ORDER BY a.number LIMIT 1000
"""
"""A part of them at a time: a batch has up to 100,000 lines, of any length."""
_MODELS = """
SELECT a.host, a.model, r.model, count(*) FROM reply r JOIN attempt a ON a.number = r.attempt
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_TIMES = """
SELECT a.stage, a.host, a.model, avg(r.seconds), count(*) FROM reply r JOIN attempt a ON a.number = r.attempt
WHERE r.seconds IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
