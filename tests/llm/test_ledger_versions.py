"""Which version a ledger has when its number is damaged, newer, or that of another program's database."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment import __version__
from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_reading import ReadOnly
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_recover import salvage
from tests.llm.ledger_calls import filled, raw_of

COUNT = 5


def numbered(path: Path, number: str | bytes, *more: str) -> Path:
    """The ledger, whose number and what else is asked for are changed."""
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (number,))
        for statement in more:
            db.execute(statement)
    db.close()
    return path


def replies(path: Path) -> list[bytes | None]:
    with ReadOnly(path) as ledger:
        return [ledger.find(f"r{i}") for i in range(COUNT)]


@pytest.mark.parametrize("number", ["0", "-7", "1", "", ":", "r", b"\xb2", "\u0662", "2 "])
def test_a_damaged_number_loses_no_reply(tmp_path: Path, number: str | bytes) -> None:
    """'0' and ':' are '2' with one bit changed; the Arabic digit two is a number to Python."""
    path = numbered(filled(tmp_path / "ledger.sqlite", COUNT), number)
    expected = [raw_of(f"r{i}") for i in range(COUNT)]
    assert replies(path) == expected
    found = verify(path)
    assert found.version == 2
    assert found.counts["reply"] == COUNT
    assert [damage.place for damage in found.damage] == ["schema"]
    with pytest.raises(LedgerError, match=r"damaged in 1 places, first schema: says .*amendment ledger salvage"):
        Ledger(path)
    saved = salvage(path)
    assert (saved.counts["reply"], saved.lost) == (COUNT, ())
    assert replies(path) == expected
    Ledger(path).close()


def test_a_ledger_that_no_longer_says_its_number_is_read_by_its_tables(tmp_path: Path) -> None:
    path = numbered(filled(tmp_path / "ledger.sqlite", COUNT), "2", "DROP TABLE meta")
    assert replies(path) == [raw_of(f"r{i}") for i in range(COUNT)]
    assert salvage(path).counts["reply"] == COUNT


def test_a_newer_ledger_is_not_salvaged_into_an_older_one(tmp_path: Path) -> None:
    later = "UPDATE meta SET value = '7.1.0' WHERE key = 'tool'"
    path = numbered(filled(tmp_path / "ledger.sqlite", COUNT), "99", later, "ALTER TABLE reply ADD COLUMN new TEXT")
    before = path.read_bytes()
    needed = re.escape("schema 99, expected at most 2: use the version that wrote it (it says: amendment 7.1.0)")
    openers: tuple[Callable[[Path], object], ...] = (salvage, Ledger, ReadOnly, verify)
    for opener in openers:
        with pytest.raises(LedgerError, match=needed):
            opener(path)
    with pytest.raises(LedgerError, match=needed):
        salvage(path, tmp_path / "copy.sqlite")
    assert path.read_bytes() == before
    assert not [file.name for file in tmp_path.iterdir() if ".bak" in file.name or "copy" in file.name]


def test_a_newer_ledger_whose_tables_have_other_names_is_still_a_ledger(tmp_path: Path) -> None:
    renamed = [f"ALTER TABLE {name} RENAME TO {name}_3" for name in ("reply", "attempt")]
    path = numbered(filled(tmp_path / "ledger.sqlite", 1), "3", *renamed)
    with pytest.raises(LedgerError, match=f"schema 3, expected at most 2: .*amendment {re.escape(__version__)}"):
        salvage(path)


@pytest.mark.parametrize("number", ["2", "1", "99"])
def test_a_database_of_another_program_that_has_a_number_too_is_no_ledger(tmp_path: Path, number: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT)")
        db.execute("INSERT INTO meta VALUES ('schema', ?)", (number,))
        db.execute("CREATE TABLE reply (id INTEGER, mail TEXT)")
    db.close()
    before = path.read_bytes()
    openers: tuple[Callable[[Path], object], ...] = (verify, salvage, Ledger, ReadOnly)
    for opener in openers:
        with pytest.raises(LedgerError, match=r"not a ledger of amendment.*Move it away; the next run begins anew"):
            opener(path)
    assert path.read_bytes() == before
    assert not path.with_name("ledger.sqlite.bak").exists()


def test_a_table_that_is_gone_is_one_place_of_damage(tmp_path: Path) -> None:
    path = numbered(filled(tmp_path / "ledger.sqlite", COUNT), "2", "DROP TABLE fault")
    places = [damage.place for damage in verify(path).damage]
    assert places == ["fault rows from 1 on"]
    assert salvage(path).counts["reply"] == COUNT
