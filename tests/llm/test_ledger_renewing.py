"""Ledgers of released versions open and go on; the old file is kept."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_reading import ReadOnly
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_recover import salvage
from tests.llm.ledger_calls import call

ELDER = Path(__file__).with_name("version-1.sql")
"""Written by the code of version 0.1: requests ...0 to ...5, the last one answered twice."""


def name(i: int) -> str:
    return f"s2:{i:032x}"


@pytest.fixture
def elder(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    db = sqlite3.connect(path)
    db.executescript(ELDER.read_text(encoding="utf-8"))
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    return path


def test_an_older_ledger_is_brought_up_with_all_its_replies_and_kept(elder: Path) -> None:
    with Ledger(elder) as ledger:
        assert len(ledger) == 7
        assert [ledger.find(name(i)) for i in range(5)] == [
            b'{"text":"answer %d \xc3\xa9\\u0000"}' % i for i in range(5)
        ]
        assert ledger.find(name(5)) == b'{"text":"answer 5 again"}'
        (spent,) = ledger.spending()
        assert (spent.host, spent.model, spent.stage) == ("api.example.test", "judge-large", "")
        assert (spent.replies, spent.unpriced, spent.unmetered) == (7, 7, 7)
        assert ledger.open_attempts() == []
        asyncio.run(call(ledger, "new", b"reply"))
    assert verify(elder).damage == ()
    kept = elder.with_name("ledger.sqlite.bak")
    assert verify(kept).version == 1
    assert verify(kept).counts["reply"] == 7


def test_a_ledger_is_brought_up_once(elder: Path) -> None:
    for _ in range(2):
        Ledger(elder).close()
    assert sorted(file.name for file in elder.parent.iterdir()) == ["ledger.sqlite", "ledger.sqlite.bak", "run.lock"]


def test_an_older_backup_is_not_overwritten(elder: Path) -> None:
    elder.with_name("ledger.sqlite.bak").write_text("mine")
    Ledger(elder).close()
    assert elder.with_name("ledger.sqlite.bak").read_text() == "mine"
    assert verify(elder.with_name("ledger.sqlite.bak.2")).version == 1


def test_a_damaged_older_ledger_is_refused_and_can_be_saved(elder: Path) -> None:
    with sqlite3.connect(elder) as db:
        db.execute("UPDATE reply SET raw = x'00' WHERE number = 3")
    db.close()
    with pytest.raises(LedgerError, match="damaged in 1 places, first reply of attempt 3: the checksum differs"):
        Ledger(elder)
    assert verify(elder).version == 1
    found = salvage(elder)
    assert found.lost == (name(2),)
    with Ledger(elder) as ledger:
        assert len(ledger) == 6
        assert ledger.find(name(2)) is None


def test_a_reader_leaves_an_older_ledger_to_the_next_run(elder: Path) -> None:
    with pytest.raises(LedgerError, match=r"older ledger \(schema 1\); the next run in its folder brings it up"):
        ReadOnly(elder)


def test_a_kill_while_it_is_brought_up_costs_nothing(elder: Path) -> None:
    """What the copy is called until it is whole may lie there, in any state."""
    elder.with_name("ledger.sqlite.new").write_bytes(elder.read_bytes()[:5000])
    with Ledger(elder) as ledger:
        assert len(ledger) == 7
