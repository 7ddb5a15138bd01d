"""A ledger that was cut, or whose header changed, gives up what is left of it; what is no ledger says what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_recover import salvage
from tests.llm.ledger_calls import NOTHING, begin, filled, raw_of

PAGE = 4096


def long_one(path: Path, count: int) -> Path:
    """Replies r0, r1 ... of which a page holds one."""

    async def fill(ledger: Ledger) -> None:
        for i in range(count):
            await ledger.commit(await begin(ledger, f"r{i}"), bytes([65 + i]) * 3000, NOTHING)

    with Ledger(path) as ledger:
        asyncio.run(fill(ledger))
    return path


@pytest.mark.parametrize("cut", [1, PAGE, PAGE + 1, 3 * PAGE])
def test_a_ledger_that_was_cut_gives_up_what_is_left(tmp_path: Path, cut: int) -> None:
    path = long_one(tmp_path / "ledger.sqlite", 30)
    data = path.read_bytes()
    kept = data[: (len(data) - cut) // PAGE * PAGE]  # a page that is not whole is none
    left = [f"r{i}" for i in range(30) if bytes([65 + i]) * 3000 in kept]
    assert 20 < len(left) < 30
    path.write_bytes(data[:-cut])
    with pytest.raises(LedgerError, match="Save what is good in it with: amendment ledger salvage"):
        Ledger(path)
    found = salvage(path)
    assert found.kept is not None
    assert found.kept.read_bytes() == data[:-cut]
    assert found.counts["reply"] == len(left)
    assert set(found.lost) >= {f"r{i}" for i in range(30)} - set(left)
    assert len(found.damage) < 10
    assert verify(path).damage == ()
    with Ledger(path) as ledger:
        for name in left:
            assert ledger.find(name) == bytes([65 + int(name[1:])]) * 3000


def test_a_cut_through_indexes_alone_loses_nothing(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 40)
    path.write_bytes(path.read_bytes()[:-PAGE])  # the last page is that of the index that was made last
    assert salvage(path).counts["reply"] == 40


@pytest.mark.parametrize("place", [0, 15, 16, 17, 18, 19, 20, 21, 22, 23, 47, 59])
def test_a_header_that_changed_is_mended_in_a_copy(tmp_path: Path, place: int) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    found = salvage(path)
    assert (found.counts["reply"], found.lost) == (3, ())
    assert found.kept is not None
    assert found.kept.read_bytes() == data
    with Ledger(path) as ledger:
        assert [ledger.find(f"r{i}") for i in range(3)] == [raw_of(f"r{i}") for i in range(3)]
    assert not [file.name for file in tmp_path.iterdir() if "salvaging" in file.name or ".new" in file.name]


@pytest.mark.parametrize("content", [b"", b"x", b"notes, long enough to be looked at as a database header " * 200])
def test_what_is_no_ledger_is_left_alone_with_advice_that_helps(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(LedgerError, match=r"nothing of one is in it\. Move it away; the next run begins anew"):
        salvage(path)
    assert path.read_bytes() == content
    path.rename(tmp_path / "away")
    assert filled(path, 1).exists()


def test_advice_to_salvage_is_not_given_by_salvage(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 3)
    data = bytearray(path.read_bytes())
    data[100] = 0  # the kind of the page that has the list of tables
    path.write_bytes(data)
    with pytest.raises(LedgerError, match=r"nothing in it can be read .*Move it away; the next run begins anew"):
        salvage(path)
    assert path.read_bytes() == data
    assert not path.with_name("ledger.sqlite.bak").exists()
