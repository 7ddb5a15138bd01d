"""What is good in a damaged ledger is saved, what is lost is named, and nothing is deleted."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_recover import salvage
from tests.llm.ledger_calls import NOTHING, begin, filled, raw_of


def change(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(sql)
    db.close()


def test_good_rows_are_copied_lost_ones_named_and_the_old_file_kept(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 20)
    change(path, "UPDATE reply SET raw = x'00' WHERE attempt IN (3, 9)")
    change(path, "UPDATE request SET body = x'00' WHERE id = 'r5'")
    before = path.read_bytes()
    found = salvage(path)
    assert found.lost == ("r2", "r8")  # attempts count from 1, requests from 0
    assert found.kept == tmp_path / "ledger.sqlite.bak"
    assert found.kept.read_bytes() == before
    assert sorted(damage.place for damage in found.damage) == [
        "reply of attempt 3",
        "reply of attempt 9",
        "request 'r5'",
    ]
    with Ledger(path) as ledger:
        assert len(ledger) == 18
        assert [name for name in (f"r{i}" for i in range(20)) if ledger.find(name) != raw_of(name)] == ["r2", "r8"]


def test_a_reply_whose_attempt_is_lost_is_still_found(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    change(path, "UPDATE attempt SET host = 'x' WHERE number = 2")
    assert salvage(path).lost == ()
    with Ledger(path) as ledger:
        assert ledger.find("r1") == raw_of("r1")
        assert {one.host for one in ledger.spending()} == {"", "api.example.test"}


def test_a_damaged_page_takes_only_its_own_rows_along(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"

    async def fill(ledger: Ledger) -> None:
        attempts = [await begin(ledger, f"r{i}") for i in range(12)]
        for i, attempt in enumerate(attempts):
            await ledger.commit(attempt, bytes([65 + i]) * 3000, NOTHING)  # a page of 4096 bytes holds one

    with Ledger(path) as ledger:
        asyncio.run(fill(ledger))
    data = bytearray(path.read_bytes())
    page = data.index(b"D" * 3000) // 4096
    data[4096 * page : 4096 * page + 64] = bytes(64)
    path.write_bytes(data)
    with pytest.raises(LedgerError, match="amendment ledger salvage"):
        Ledger(path)
    found = salvage(path)
    assert found.lost == ("r3",)
    with Ledger(path) as ledger:
        assert [ledger.find(f"r{i}") is None for i in range(12)] == [i == 3 for i in range(12)]


def test_the_copy_may_go_elsewhere_and_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    before = path.read_bytes()
    found = salvage(path, tmp_path / "copy" / "saved.sqlite")
    assert (found.kept, path.read_bytes()) == (None, before)
    assert verify(tmp_path / "copy" / "saved.sqlite").counts["reply"] == 3
    with pytest.raises(LedgerError, match="exists already"):
        salvage(path, found.file)


def test_a_ledger_in_use_is_not_replaced(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite"), pytest.raises(LedgerError, match="another process"):
        salvage(tmp_path / "ledger.sqlite")
