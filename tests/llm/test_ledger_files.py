"""Opening ledgers: who may, which files are ledgers, what damage is found, what a kill and a full disk cost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger import Ledger, is_held
from amendment.llm.ledger_reading import Reader
from tests.llm.ledger_calls import batch_call, begin, call, calls, damage, filled, raw_of
from tests.llm.test_ledger import amendment
from tests.vendors.processes import started

ROOT = Path(__file__).resolve().parents[2]
OPENERS: tuple[Callable[[Path], object], ...] = (Ledger, Reader, Ledger)  # the first one lets go of the lock


def python(code: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **environment}
    )


def test_one_process_at_a_time_works_in_a_folder_and_the_next_one_is_told_which(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from amendment.llm import Ledger; Ledger(Path(sys.argv[1]))"
    assert not is_held(tmp_path)
    with Ledger(tmp_path / "l"):
        assert is_held(tmp_path)
        second = python(code, tmp_path / "l")
    assert second.returncode == 1
    assert f"another process (pid {os.getpid()}) is working here" in second.stderr
    Ledger(tmp_path / "l").close()
    assert not is_held(tmp_path / "l")


def test_a_ledger_of_another_version_names_the_version_that_reads_it(tmp_path: Path) -> None:
    path = filled(tmp_path / "l", 1)
    change(path, "UPDATE meta SET value = '99' WHERE key = 'schema'")
    change(path, "UPDATE meta SET value = '0.9' WHERE key = 'tool'")
    for opener in OPENERS:
        with pytest.raises(LedgerError, match=r"ledger schema 99; this version reads .*amendment 0\.9"):
            opener(path)


@pytest.mark.parametrize("content", [b"", b"notes, long enough to be looked at as a database header would be"])
def test_a_file_that_is_no_ledger_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "l"
    path.write_bytes(content)
    for opener in OPENERS:
        with pytest.raises(LedgerError, match=r"not a ledger of amendment.*pays for all calls again"):
            opener(path)
    assert path.read_bytes() == content


def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.symlink_to(tmp_path / "disk" / "ledger.sqlite")
    with pytest.raises(LedgerError, match=r"a link to .*disk/ledger.sqlite, which is not there. Mount its disk"):
        Ledger(path)
    filled(tmp_path / "disk" / "ledger.sqlite", 1)  # mounted again
    with Ledger(path) as ledger:
        assert ledger.find("r0") == raw_of("r0")
    folder = tmp_path / "folder"
    folder.mkdir()
    for opener in OPENERS:
        with pytest.raises(LedgerError, match="no ledger here"):
            opener(folder)
    with pytest.raises(LedgerError, match="no ledger here"):
        Reader(tmp_path / "absent")


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_spent(tmp_path: Path) -> None:
    """Runs as another user where root runs the tests, since no file mode keeps root out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerError, match=r"cannot be written.*Choose another folder"):
        Ledger(tmp_path / "file" / "run" / "ledger.sqlite")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o555)
        code = (
            "import os; from pathlib import Path; from amendment.llm import Ledger\n"
            "if os.geteuid() == 0: os.seteuid(65534)\n"
            "Ledger(Path(os.environ['PLACE']) / 'ledger.sqlite')"
        )
        assert "cannot be written (Permission denied). Choose another folder." in python(code, PLACE=name).stderr


def test_a_journal_without_its_file_is_not_played_into_a_new_ledger(tmp_path: Path) -> None:
    (tmp_path / "l-wal").write_bytes(b"journal")
    with pytest.raises(LedgerError, match=r"l-wal: left of a ledger that is gone. Put l back, or move this file away"):
        Ledger(tmp_path / "l")
    assert (tmp_path / "l-wal").read_bytes() == b"journal"


def left_by_a_kill(folder: Path) -> Path:
    """A ledger whose rows are still in its journal."""
    with tempfile.TemporaryDirectory() as other, Ledger(Path(other) / "l") as ledger:
        asyncio.run(calls(ledger, ("a", "b")))
        for name in ("l", "l-wal"):
            shutil.copy(ledger.path.with_name(name), folder / name)
    return folder / "l"


def test_a_reader_sees_what_is_in_the_journal_and_changes_neither_file(tmp_path: Path) -> None:
    """Nor does it checkpoint as the last one to close, which is what makes one writer enough with every SQLite."""
    path = left_by_a_kill(tmp_path)
    before = [(tmp_path / name).read_bytes() for name in ("l", "l-wal")]
    for leave_no_trace in (False, True):
        with Reader(path, leave_no_trace=leave_no_trace) as ledger:
            assert ledger.find("a") == raw_of("a")
            assert len(ledger) == 2
            assert ledger.damage() == []
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                ledger._db.execute("DELETE FROM reply")
    assert [(tmp_path / name).read_bytes() for name in ("l", "l-wal")] == before


COUNT = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger with replies r0 to r39, a long one, a fault and a batch."""

    async def fill(ledger: Ledger) -> None:
        await calls(ledger, (f"r{i}" for i in range(COUNT)))
        await call(ledger, "long", b"l" * 9000)
        ledger.fail(await begin(ledger, "f"), "rate", status=429)
        await ledger.open_batch("shard", [batch_call("b")])

    path = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    with Ledger(path) as ledger:
        asyncio.run(fill(ledger))
    return path


def right_or_refused(path: Path) -> bool:
    """True where the ledger opens and every reply is right; a wrong or missing reply fails the test."""
    try:
        with Ledger(path) as ledger:
            assert all(ledger.find(f"r{i}") == raw_of(f"r{i}") for i in range(COUNT))
            assert ledger.find("long") == b"l" * 9000
    except LedgerError:
        return False
    finally:
        for file in path.parent.iterdir():
            file.unlink()
    return True


@pytest.mark.parametrize("places", [40, pytest.param(2000, marks=pytest.mark.long)])
def test_a_flipped_byte_is_refused_or_means_nothing(whole: Path, tmp_path: Path, places: int) -> None:
    chance = random.Random(places)
    path = tmp_path / "ledger.sqlite"
    n_refused = 0
    for _ in range(places):
        content = bytearray(whole.read_bytes())
        content[chance.randrange(len(content))] ^= chance.randrange(1, 256)
        path.write_bytes(content)
        n_refused += not right_or_refused(path)
    assert n_refused > places // 10  # much of so small a file is empty space, in which a flip means nothing


def test_a_changed_reply_is_not_handed_out_and_verify_says_how_to_have_it_asked_for_again(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    assert amendment("show", tmp_path, "--verify").startswith("3 replies and their requests, all unchanged\n")
    change(path, "UPDATE reply SET raw = x'00' WHERE attempt = 2")
    with Ledger(path) as ledger, pytest.raises(LedgerError, match="the reply of attempt 2 is not what was written"):
        ledger.find("r1")
    assert "1 places are damaged\n" in amendment("show", tmp_path, "--verify", code=1)
    assert "attempt 2" in amendment("show", tmp_path, "--verify", "--json", code=1)
    change(path, "DELETE FROM reply WHERE attempt = 2")
    with Ledger(path) as ledger:
        assert (ledger.find("r1"), ledger.find("r2")) == (None, raw_of("r2"))


def change(path: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute(sql)


WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from amendment.llm import Ledger
from amendment.llm.provider import Meter
from tests.llm.ledger_calls import begin, NOTHING, raw_of, batch_call

async def one(ledger, name):
    attempt = await begin(ledger, name)
    print("begun", name, flush=True)
    await ledger.commit(attempt, raw_of(name), NOTHING)
    print("replied", name, flush=True)

async def work(ledger, first):
    for i in itertools.count(first, 8):
        await asyncio.gather(*(one(ledger, f"r{j}") for j in range(i, i + 8)))
        await ledger.open_batch(f"shard{i}", [batch_call(f"b{i}")])
        print("batch", f"shard{i}", flush=True)

with Ledger(Path(sys.argv[1])) as ledger:
    asyncio.run(work(ledger, int(sys.argv[2])))
"""


@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=pytest.mark.long)])
def test_whatever_was_acknowledged_survives_kills(tmp_path: Path, kills: int) -> None:
    chance = random.Random(kills)
    path = tmp_path / "ledger.sqlite"
    acknowledged: list[list[str]] = []
    for kill in range(kills):
        command = [sys.executable, "-c", WRITER, str(path), str(kill * 100_000)]
        with started(command) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(chance.randint(1, 120))]
            writer.kill()
            lines += [line for line in writer.stdout if line.endswith("\n")]
        acknowledged += [line.split() for line in lines]
        assert damage(path) == []
    with Ledger(path) as ledger:
        shards = {batch.shard for batch in ledger.batches()}
        begun = {attempt.request for attempt in ledger.open_attempts()}
        for what, name in acknowledged:
            if what == "batch":
                assert name in shards
            else:
                reply = ledger.find(name)
                assert reply == raw_of(name) or (what == "begun" and reply is None and name in begun)


def test_nothing_is_begun_on_a_disk_that_is_nearly_full(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l", least_free=2**60) as ledger:
        with pytest.raises(LedgerError, match=r"\d+ MB are free, a run needs \d+ MB"):
            asyncio.run(calls(ledger, ("r",)))
        assert ledger.spending() == []


@pytest.mark.parametrize("is_replaced", [False, True])
def test_nothing_is_begun_once_the_ledger_is_deleted_under_its_process(is_replaced: bool, tmp_path: Path) -> None:
    path = tmp_path / "run/ledger.sqlite"
    with Ledger(path) as ledger:
        asyncio.run(calls(ledger, ("r",)))
        (tmp_path / "run").rename(tmp_path / "gone")
        if is_replaced:
            filled(path, 1)
        with pytest.raises(LedgerError, match=r"ledger\.sqlite: deleted or replaced .*; nothing more is sent"):
            asyncio.run(calls(ledger, ("s",)))


def test_a_ledger_takes_over_the_rows_of_another_once(tmp_path: Path) -> None:
    filled(tmp_path / "run", 2)
    with Ledger(filled(tmp_path / "worker", 4)) as worker:
        asyncio.run(begin(worker, "open"))
    with Ledger(tmp_path / "run") as ledger:
        for _ in range(2):
            ledger.absorb(tmp_path / "worker")
            assert [ledger.find(f"r{i}") for i in range(5)] == [*(raw_of(f"r{i}") for i in range(4)), None]
            assert [(row.attempts, row.replies) for row in ledger.spending()] == [(7, 6)]
            assert [row.request for row in ledger.open_attempts()] == ["open"]
        asyncio.run(calls(ledger, ["r4"]))
        assert ledger.find("r4") == raw_of("r4")
        assert ledger.damage() == []
