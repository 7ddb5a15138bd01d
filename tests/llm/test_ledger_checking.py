"""Damage is found: a byte that changed anywhere, a file that was cut anywhere. No wrong row is ever handed out."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_reading import ReadOnly
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_recover import salvage
from tests.llm.ledger_calls import batch_call, call, calls, filled, raw_of

COUNT = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed ledger with replies r0 to r39, two of which are long, a fault and a batch."""

    async def fill(ledger: Ledger) -> None:
        await calls(ledger, (f"r{i}" for i in range(COUNT)))
        await call(ledger, "long", b"l" * 9000)
        ledger.fail(await ledger.begin("f", b"{}", host="h", model="m", stage="s"), "rate", status=429)
        batch = await ledger.open_batch("shard", [batch_call("b")])
        await ledger.name_batch(batch.number, "remote")

    path = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    with Ledger(path) as ledger:
        asyncio.run(fill(ledger))
    assert not path.with_name("ledger.sqlite-wal").exists()
    return path


def right_or_refused(path: Path) -> bool:
    """Whether the ledger opens, and then every reply is right; a wrong one or a missing one fails the test."""
    try:
        with Ledger(path) as ledger:
            assert all(ledger.find(f"r{i}") == raw_of(f"r{i}") for i in range(COUNT))
            assert ledger.find("long") == b"l" * 9000
    except LedgerError:
        return False
    return True


def salvaged(path: Path) -> None:
    """What can be saved is right, and what is missing is told, as far as anything of the file can be read."""
    try:
        salvage(path)
    except LedgerError:  # not even its list of tables can be read
        return
    assert verify(path).damage == ()
    with Ledger(path) as ledger:
        for i in range(COUNT):
            assert ledger.find(f"r{i}") in (None, raw_of(f"r{i}"))


def test_a_ledger_that_is_whole_passes(whole: Path) -> None:
    found = verify(whole)
    assert found.damage == ()
    # 40 calls, one long one, one that failed, one of a batch
    assert found.counts == {"request": 43, "attempt": 43, "fault": 1, "reply": 41, "batch": 1, "step": 1}


def flip(path: Path, place: int, mask: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= mask
    path.write_bytes(data)


def flip_everywhere(whole: Path, folder: Path, places: int, seed: int) -> None:
    chance = random.Random(seed)
    refused = 0
    path = folder / "ledger.sqlite"
    for _ in range(places):
        shutil.copy(whole, path)
        flip(path, chance.randrange(whole.stat().st_size), chance.randrange(1, 256))
        if not right_or_refused(path):
            refused += 1
            salvaged(path)
        for file in folder.iterdir():
            file.unlink()
    assert refused > places // 10  # much of so small a file is empty space, in which a flip means nothing


def test_a_flipped_byte_is_refused_or_means_nothing(whole: Path, tmp_path: Path) -> None:
    flip_everywhere(whole, tmp_path, 100, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_flipped_byte_is_refused_or_means_nothing_at_very_many_places(whole: Path, tmp_path: Path, seed: int) -> None:
    flip_everywhere(whole, tmp_path, 600, seed)


def test_a_file_that_was_cut_is_refused_and_what_is_left_can_be_saved(whole: Path, tmp_path: Path) -> None:
    data = whole.read_bytes()
    path = tmp_path / "ledger.sqlite"
    for length in range(0, len(data), 512):
        path.write_bytes(data[:length])
        assert not right_or_refused(path)
        if length % 16384 == 512:
            salvaged(path)
        for file in tmp_path.iterdir():
            file.unlink()


@pytest.mark.parametrize("column", ["request", "model", "input_tokens", "usd", "at", "raw", "sha256", "attempt"])
def test_a_change_of_any_column_is_found(tmp_path: Path, column: str) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    change(
        path, f"UPDATE reply SET {column} = CASE typeof({column}) WHEN 'blob' THEN x'00' ELSE 77 END WHERE attempt = 2"
    )
    (damage, *_) = verify(path).damage
    assert damage.place.startswith("reply of attempt")
    with pytest.raises(LedgerError, match=r"damaged in \d places.*amendment ledger salvage"):
        Ledger(path)


def test_a_damaged_reply_is_not_handed_out_by_a_reader_that_checked_nothing_before(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    change(path, "UPDATE reply SET raw = x'00' WHERE attempt = 2")
    with ReadOnly(path) as ledger, pytest.raises(LedgerError, match="reply to r1: checksum differs"):
        ledger.find("r1")


def test_a_reply_that_would_not_be_found_is_damage(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    change(path, "DELETE FROM attempt WHERE number = 2")
    assert [damage.place for damage in verify(path).damage] == ["reply of attempt 2"]


def change(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(sql)
    db.close()
