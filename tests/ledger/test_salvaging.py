"""What is good in a damaged ledger is saved, what is lost is named, and nothing is deleted."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.ledger import Ledger, salvage, verify
from amendment.ledger.groups import Group
from amendment.ledger.spilling import spill
from amendment.ledger.tables import REPLY
from tests.ledger.calls import NOTHING, begin, filled, raw_of


def change(path: Path, sql: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(sql)
    db.close()


def spilled(file: Path, attempt: int, request: str) -> Path:
    group = Group()
    row = REPLY.row(attempt, request, "m-1", 3, 4, 0, "req_1", 0.5, 1.5, 1.7e9, long=raw_of(request))
    group.add(REPLY, row)
    assert f"1 replies that were paid for are in {file}" in spill(group, file, "ledger.sqlite")
    return file


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


def test_replies_that_were_written_elsewhere_are_taken_in_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        attempt = asyncio.run(begin(ledger, "r"))
    file = spilled(tmp_path / "spill.jsonl", attempt, "r")
    assert salvage(path, spills=[file]).taken_in == 1
    assert salvage(path, spills=[file]).taken_in == 0
    with Ledger(path) as ledger:
        assert ledger.find("r") == raw_of("r")
        (spent,) = ledger.spending()
        assert (spent.replies, spent.usd, spent.input_tokens) == (1, 0.5, 3)


def test_a_changed_line_of_a_spill_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 1)
    file = spilled(spilled(tmp_path / "spill.jsonl", 8, "a"), 9, "b")
    lines = file.read_text().splitlines()
    file.write_text(lines[0] + "\n" + json.dumps({**json.loads(lines[1]), "usd": 0.0}) + "\n")
    with pytest.raises(LedgerError, match=r"spill.jsonl, line 2: not a reply as it was written"):
        salvage(path, spills=[file])
    assert not path.with_name("ledger.sqlite.bak").exists()


def test_a_spill_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 1)
    with pytest.raises(LedgerError, match=r"nowhere.jsonl: No such file"):
        salvage(path, spills=[tmp_path / "nowhere.jsonl"])


def test_only_its_owner_may_read_a_spill_file(tmp_path: Path) -> None:
    assert spilled(tmp_path / "spill.jsonl", 1, "r").stat().st_mode & 0o077 == 0


def test_replies_that_can_be_written_nowhere_are_said_to_be_lost(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    group = Group()
    group.add(REPLY, REPLY.row(1, "r", None, None, None, None, None, None, None, 0.0, long=b"x"))
    assert "1 replies that were paid for are lost" in spill(group, tmp_path / "file" / "spill", "ledger.sqlite")
