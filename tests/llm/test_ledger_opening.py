"""Who may open a ledger, which files are one, and what a reader leaves alone."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_reading import ReadOnly
from amendment.llm.ledger_recording import Ledger
from tests.llm.ledger_calls import begin, call, calls, filled, raw_of

ROOT = Path(__file__).resolve().parents[2]
OPEN = "import sys; from pathlib import Path; from amendment.llm import Ledger; Ledger(Path(sys.argv[1]))"


def test_a_second_process_on_the_same_run_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l"):
        command = [sys.executable, "-c", OPEN, str(tmp_path / "l")]
        second = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert second.returncode == 1
    assert f"another process (pid {os.getpid()}, host {os.uname().nodename}, since 20" in second.stderr


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with Ledger(path), pytest.raises(LedgerError, match="another process"):
        Ledger(path)
    Ledger(path).close()


def test_a_newer_schema_is_refused_and_lets_go_of_the_lock(tmp_path: Path) -> None:
    path = filled(tmp_path / "l", 1)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    db.close()
    openers: tuple[Callable[[Path], object], ...] = (Ledger, Ledger, ReadOnly, verify)
    for opener in openers:
        with pytest.raises(LedgerError, match="schema 99, expected at most 2: use the version that wrote it"):
            opener(path)


@pytest.mark.parametrize("content", [b"", b"x", b"notes, long enough to be looked at as a database header would be"])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l"
    path.write_bytes(content)
    openers: tuple[Callable[[Path], object], ...] = (Ledger, ReadOnly, verify)
    for opener in openers:
        with pytest.raises(LedgerError, match=r"not a ledger of amendment.*Move it away; the next run begins anew"):
            opener(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(LedgerError, match="not a ledger of amendment"):
        Ledger(path)
    assert path.read_bytes() == before


def test_bytes_that_are_no_text_in_the_list_of_tables_are_damage(tmp_path: Path) -> None:
    path = filled(tmp_path / "l", 1)
    data = path.read_bytes()
    assert data.count(b"CREATE INDEX attempt_by_request") == 1  # quoted in SQLite's message
    path.write_bytes(data.replace(b"CREATE INDEX attempt_by_request", b"CREATE \xa7NDEX attempt_by_request"))
    openers: tuple[Callable[[Path], object], ...] = (Ledger, ReadOnly, verify)
    for opener in openers:
        with pytest.raises(LedgerError, match=r"not a usable ledger.*amendment ledger salvage"):
            opener(path)


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be written.*Choose another folder"):
        Ledger(tmp_path / "file" / "run" / "ledger.sqlite")


def test_a_folder_that_is_read_only_is_refused_in_less_than_a_second() -> None:
    """As another user where the tests are run by root, whom no mode keeps out."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    code = (
        "import os, time; from pathlib import Path; from amendment.llm import Ledger\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "begun = time.monotonic()\n"
        "try: Ledger(Path(os.environ['PLACE']) / 'ledger.sqlite')\n"
        "except Exception as fault: print(time.monotonic() - begun, fault)"
    )
    environment = {**os.environ, "PLACE": str(folder)}
    try:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, cwd=ROOT)
    finally:
        folder.rmdir()
    seconds, told = done.stdout.split(" ", 1)
    assert "cannot be written (Permission denied). Choose another folder." in told
    assert float(seconds) < 1


def test_a_journal_without_its_file_is_not_played_into_a_new_ledger(tmp_path: Path) -> None:
    async def leave_a_journal(ledger: Ledger) -> bytes:
        await calls(ledger, ("old",))
        return (tmp_path / "l-wal").read_bytes()

    with Ledger(tmp_path / "l") as ledger:
        journal = asyncio.run(leave_a_journal(ledger))
    (tmp_path / "l").unlink()
    (tmp_path / "l-wal").write_bytes(journal)
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.find("old") is None
        asyncio.run(calls(ledger, ("new",)))
    assert verify(tmp_path / "l").damage == ()
    assert (tmp_path / "l.orphan-wal").read_bytes() == journal


def test_what_a_process_left_that_ended_while_making_a_ledger_is_no_hindrance(tmp_path: Path) -> None:
    for name in ("l.new", "l.new-wal", "l.new-shm"):
        (tmp_path / name).write_bytes(b"half")
    filled(tmp_path / "l", 2)
    assert {file.name for file in tmp_path.iterdir()} == {"l", "run.lock"}


def left_by_a_kill(folder: Path) -> Path:
    """A ledger whose rows are still in its journal."""

    async def leave(ledger: Ledger) -> None:
        await calls(ledger, ("a", "b"))
        for name in ("l", "l-wal"):
            shutil.copy(ledger.path.with_name(name), folder / name)

    with tempfile.TemporaryDirectory() as other, Ledger(Path(other) / "l") as ledger:
        asyncio.run(leave(ledger))
    return folder / "l"


def test_a_reader_sees_what_is_in_the_journal_and_changes_neither_file(tmp_path: Path) -> None:
    """Nor does it checkpoint as the last one to close, which is what makes one writer enough with every SQLite."""
    path = left_by_a_kill(tmp_path)
    before = [hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("l", "l-wal")]
    for _ in range(2):
        with ReadOnly(path) as ledger:
            assert ledger.find("a") == raw_of("a")
            assert len(ledger) == 2
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                ledger._reading.execute("DELETE FROM reply")
    assert verify(path).damage == ()
    assert [hashlib.sha256((tmp_path / name).read_bytes()).digest() for name in ("l", "l-wal")] == before


def test_a_reader_in_another_process_follows_a_writer_and_stays_out_of_its_way(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from amendment.llm import ReadOnly\n"
        "until, seen = time.monotonic() + 30, 0\n"
        "while seen < 100 and time.monotonic() < until:\n"
        "    with ReadOnly(Path(sys.argv[1])) as ledger:\n"
        "        assert len(ledger) >= seen\n"
        "        seen = len(ledger)\n"
        "        assert all(ledger.find(f'r{i}') for i in range(0, seen, 20))\n"
        "print(seen)"
    )

    async def write(ledger: Ledger) -> None:
        for i in range(100):
            await call(ledger, f"r{i}", raw_of(f"r{i}"))

    with Ledger(tmp_path / "l") as ledger:
        command = [sys.executable, "-c", code, str(tmp_path / "l")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
            asyncio.run(write(ledger))
            printed, _ = reader.communicate(timeout=60)
    assert printed.strip() == "100"
    assert verify(tmp_path / "l").damage == ()


def test_there_is_nothing_to_read_where_no_ledger_is(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger here; expected a run's folder"):
        ReadOnly(tmp_path / "ledger.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_signs_of_an_address_is_a_name(tmp_path: Path) -> None:
    path = filled(tmp_path / "50% done? #1" / "ledger.sqlite", 1)
    with ReadOnly(path) as ledger:
        assert ledger.find("r0") == raw_of("r0")


def test_a_clock_that_jumps_leaves_the_order_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(ledger: Ledger) -> None:
        for day, raw in ((30, b"first"), (-400, b"second"), (1, b"third")):
            monkeypatch.setattr(time, "time", lambda day=day: 1.7e9 + 86100 * day)
            await call(ledger, "r", raw)

    with Ledger(tmp_path / "l") as ledger:
        asyncio.run(scenario(ledger))
        assert ledger.find("r") == b"third"
        asyncio.run(begin(ledger, "other"))
