"""The ledger on a real disk: kills, damage, two processes, other versions."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.ledger import Ledger


async def fill(ledger: Ledger, count: int) -> None:
    await asyncio.gather(*(ledger.commit(f"r{i}", {"i": i}, b"\x00\xff%d" % i) for i in range(count)))


def test_what_was_committed_is_found_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ledger.sqlite"
    with Ledger(path) as ledger:
        asyncio.run(fill(ledger, 50))
    with Ledger(path) as ledger:
        assert len(ledger) == 50
        assert ledger.find("r7") == b"\x00\xff7"
        assert ledger.find("absent") is None


def test_a_ledger_without_a_path_lives_in_memory() -> None:
    with Ledger() as ledger:
        asyncio.run(fill(ledger, 3))
        assert len(ledger) == 3


def test_replies_that_come_together_are_committed_together() -> None:
    with Ledger() as ledger:
        statements: list[str] = []
        ledger._db.set_trace_callback(statements.append)
        asyncio.run(fill(ledger, 100))
        assert statements.count("COMMIT") == 1


def test_nothing_paid_is_replaced_and_the_newest_is_found() -> None:
    async def twice(ledger: Ledger) -> None:
        await ledger.commit("r", {}, b"first")
        await ledger.commit("r", {}, b"second")

    with Ledger() as ledger:
        asyncio.run(twice(ledger))
        assert len(ledger) == 2
        assert ledger.find("r") == b"second"


def test_closing_commits_what_waits(tmp_path: Path) -> None:
    async def leave_early() -> None:
        with Ledger(tmp_path / "l") as ledger:
            waiting = asyncio.ensure_future(ledger.commit("r", {}, b"x"))
            await asyncio.sleep(0)
            waiting.cancel()

    asyncio.run(leave_early())
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.find("r") == b"x"


def test_a_failed_commit_tells_everybody_and_the_next_one_catches_up() -> None:
    async def scenario(ledger: Ledger) -> None:
        ledger._db.execute("ALTER TABLE reply RENAME TO away")
        results = await asyncio.gather(*(ledger.commit(f"r{i}", {}, b"x") for i in range(3)), return_exceptions=True)
        assert all(isinstance(result, LedgerError) for result in results)
        ledger._db.execute("ALTER TABLE away RENAME TO reply")
        await ledger.commit("r3", {}, b"x")

    with Ledger() as ledger:
        asyncio.run(scenario(ledger))
        assert len(ledger) == 4


def test_a_ledger_that_cannot_write_says_so_when_it_is_closed_and_lets_go(tmp_path: Path) -> None:
    async def commit_in_vain(ledger: Ledger) -> None:
        ledger._db.execute("ALTER TABLE reply RENAME TO away")
        with pytest.raises(LedgerError, match="cannot be written"):
            await ledger.commit("r", {}, b"x")

    ledger = Ledger(tmp_path / "l")
    asyncio.run(commit_in_vain(ledger))
    with pytest.raises(LedgerError, match="cannot be written"):
        ledger.close()
    Ledger(tmp_path / "l").close()


WRITER = """
import asyncio, sys
from pathlib import Path
from amendment.ledger import Ledger

async def one(ledger, i):
    await ledger.commit(f"r{i}", {"i": i}, b"reply %d" % i)
    print(i, flush=True)

async def main():
    ledger = Ledger(Path(sys.argv[1]))
    i = 0
    while True:
        await asyncio.gather(*(one(ledger, j) for j in range(i, i + 8)))
        i += 8

asyncio.run(main())
"""


def test_every_acknowledged_reply_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    with writer:
        assert writer.stdout is not None
        seen = [int(writer.stdout.readline()) for _ in range(60)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += [int(line) for line in writer.stdout if line.endswith("\n")]
    with Ledger(path) as ledger:
        assert len(ledger) >= len(seen) >= 60
        for number in seen:
            assert ledger.find(f"r{number}") == b"reply %d" % number


def test_a_second_process_on_the_same_run_is_refused(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from amendment.ledger import Ledger; Ledger(Path(sys.argv[1]))"
    with Ledger(tmp_path / "l"):
        command = [sys.executable, "-c", code, str(tmp_path / "l")]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert f"another process (pid {os.getpid()}) is working here" in second.stderr


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger(path), pytest.raises(LedgerError, match="another process"):
        Ledger(path)
    Ledger(path).close()


def test_a_newer_schema_is_refused_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger(path) as ledger:
        ledger._db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    for _ in range(2):
        with pytest.raises(LedgerError, match="schema 99, expected 1"):
            Ledger(path)


def test_a_damaged_reply_is_never_taken_for_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger(path) as ledger:
        asyncio.run(ledger.commit("r", {}, b"the whole truth, at length"))
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    raw = path.read_bytes()
    assert raw.count(b"whole truth") == 1
    path.write_bytes(raw.replace(b"whole truth", b"wh0le truth"))
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="checksum"):
        ledger.find("r")


def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l"
    path.write_text("these are notes, and long enough to be looked at as a database header would be")
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="not a usable ledger"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match="cannot be written"):
        Ledger(tmp_path / "file" / "run" / "ledger.sqlite")
