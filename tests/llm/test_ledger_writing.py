"""A disk that will not take it: full, failing, or failing at the n-th write. What was paid for is never lost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_groups import Group
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_tables import REPLY
from amendment.llm.ledger_writing import Writer
from tests.llm.ledger_calls import NOTHING, begin, call, calls, raw_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of two megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("A FULL DISK IS NOT TESTED HERE: mounting a small one needs root")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def fill_up(disk: Path, leave: int = 0) -> Path:
    """A file that takes all the room there is, but for so many bytes."""
    free = os.statvfs(disk)
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, free.f_bavail * free.f_bsize - leave)))
    return ballast


def test_while_the_disk_is_full_nothing_begins_and_a_reply_waits_until_there_is_room(small_disk: Path) -> None:
    async def scenario(ledger: Ledger) -> None:
        attempts = [await begin(ledger, f"r{i}") for i in range(30)]
        ballast = fill_up(small_disk)
        replies = [asyncio.ensure_future(ledger.commit(attempt, b"x" * 40_000, NOTHING)) for attempt in attempts]
        await until_refused(ledger, "the disk is full.*Free space")
        ballast.unlink()
        await asyncio.wait_for(asyncio.gather(*replies), 20)
        await call(ledger, "again", b"y")

    with Ledger(small_disk / "ledger.sqlite", least_free=0, patience=30) as ledger:
        asyncio.run(scenario(ledger))
        assert [ledger.find(f"r{i}") for i in range(30)] == [b"x" * 40_000] * 30
        assert ledger.find("again") == b"y"


def test_a_full_disk_costs_the_replies_of_the_calls_in_flight_and_says_so(small_disk: Path) -> None:
    path = small_disk / "ledger.sqlite"
    ledger = Ledger(path, least_free=0, patience=0.2)

    async def scenario() -> None:
        await call(ledger, "before", b"kept")
        attempts = [await begin(ledger, f"r{i}") for i in range(40)]
        fill_up(small_disk)
        ended = await asyncio.gather(
            *(ledger.commit(attempt, raw_of("r") * 9000, NOTHING) for attempt in attempts), return_exceptions=True
        )
        assert all(isinstance(one, LedgerError) and f"{small_disk}: the disk is full" in str(one) for one in ended)
        with pytest.raises(LedgerError, match="the disk is full"):
            await begin(ledger, "more")

    asyncio.run(scenario())
    with pytest.raises(LedgerError, match="40 replies that were paid for could not be stored and will be asked for"):
        ledger.close()
    assert verify(path).damage == ()
    (small_disk / "ballast").unlink()
    with Ledger(path, least_free=0) as ledger:
        assert ledger.find("before") == b"kept"
        assert {one.request for one in ledger.open_attempts()} == {f"r{i}" for i in range(40)}


def test_at_whatever_byte_the_disk_is_full_what_was_acknowledged_stands(small_disk: Path) -> None:
    for leave in range(0, 160_000, 8192):
        path = small_disk / f"run{leave}" / "ledger.sqlite"
        fill_up(small_disk, leave)
        acknowledged: list[str] = []
        try:
            ledger = Ledger(path, least_free=0, patience=0.01)
        except LedgerError:
            pass
        else:
            asyncio.run(until_full(ledger, acknowledged))
            with contextlib.suppress(LedgerError):  # where a reply was kept out, and not only an intent
                ledger.close()
        (small_disk / "ballast").unlink(missing_ok=True)
        if acknowledged:
            with Ledger(path, least_free=0) as ledger:
                assert all(ledger.find(name) == raw_of(name) * 50 for name in acknowledged)
        subprocess.run(["rm", "-rf", str(path.parent)], check=True)


async def until_refused(ledger: Ledger, pattern: str) -> None:
    for i in range(2000):
        try:
            await begin(ledger, f"more{i}")
        except LedgerError as refused:
            if re.search(pattern, str(refused)):
                return
            raise
    raise AssertionError("the disk was never full")


async def until_full(ledger: Ledger, acknowledged: list[str]) -> None:
    for i in range(2000):
        try:
            await call(ledger, f"r{i}", raw_of(f"r{i}") * 50)
        except LedgerError:
            return
        acknowledged.append(f"r{i}")
    raise AssertionError("the disk was never full")


FILE_LIMIT = """
import asyncio, resource, shutil, sys
from pathlib import Path
from amendment.errors import LedgerError
from amendment.llm import Ledger
from tests.llm.ledger_calls import raw_of
from tests.llm.test_ledger_writing import until_full
for limit in range(0, 200_000, 18_432):
    path, acknowledged = Path(sys.argv[1]) / str(limit) / "ledger.sqlite", []
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        with Ledger(path, patience=0.01) as ledger:
            asyncio.run(until_full(ledger, acknowledged))
    except LedgerError:
        pass
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    if acknowledged:
        with Ledger(path) as ledger:
            assert all(ledger.find(name) == raw_of(name) * 50 for name in acknowledged)
    print(limit, len(acknowledged))
"""


def test_at_whatever_length_a_file_may_grow_no_more_what_was_acknowledged_stands(tmp_path: Path) -> None:
    """The system's limit on the length of a file makes any write beyond it fail, for any user."""
    command = [sys.executable, "-c", FILE_LIMIT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    counts = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert counts[0] == 0
    assert counts[-1] > 5


class Failing:
    """A connection whose commits fail with a given code of SQLite, so many times."""

    def __init__(self, db: sqlite3.Connection, name: str, times: int) -> None:
        self.db = db
        self.name = name
        self.times = times
        self.tried = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    def execute(self, sql: str, *values: Any) -> Any:
        if sql == "COMMIT":
            self.tried += 1
            if self.tried <= self.times:
                fault = sqlite3.OperationalError("disk I/O error")
                fault.sqlite_errorcode = getattr(sqlite3, self.name)
                fault.sqlite_errorname = self.name
                raise fault
        return self.db.execute(sql, *values)


def write_one(db: Failing) -> Writer:
    writer = Writer(db, "here", patience=5)  # type: ignore[arg-type]
    group = Group()
    group.add(REPLY, REPLY.row(1, "r", None, None, None, None, None, None, None, 0.0, long=b"raw"))

    async def wait() -> None:
        future = asyncio.get_running_loop().create_future()
        group.finishers.append(future)
        writer.put(group)
        await future

    try:
        asyncio.run(wait())
    except LedgerError:
        assert writer.failure
    writer.close()
    return writer


def database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    db.execute(REPLY.sql)
    return db


def test_a_failed_flush_is_fatal_and_never_tried_again() -> None:
    db = Failing(database(), "SQLITE_IOERR_FSYNC", times=1)
    writer = write_one(db)
    assert db.tried == 1
    assert "Check the disk" in str(writer.failure)
    assert "1 replies that were paid for could not be stored" in str(writer.failure)


def test_other_failures_of_the_disk_are_tried_again() -> None:
    db = Failing(database(), "SQLITE_IOERR_WRITE", times=2)
    writer = write_one(db)
    assert db.tried == 3
    assert writer.failure is None
    assert writer.trouble is None


def test_a_run_does_not_begin_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l", least_free=2**60) as ledger:
        with pytest.raises(LedgerError, match=r"\d+ MB are free, a run needs \d+ MB"):
            asyncio.run(calls(ledger, ("r",)))
        assert ledger.spending() == []
