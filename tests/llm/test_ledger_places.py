"""What stands where a ledger should be and is none: a link into nowhere, a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_reading import ReadOnly
from amendment.llm.ledger_recording import Ledger
from amendment.llm.ledger_recover import salvage
from tests.llm.ledger_calls import filled, raw_of

OPENERS: tuple[Callable[[Path], object], ...] = (Ledger, ReadOnly, verify, salvage)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_link_to_a_disk_that_is_not_there_is_not_replaced(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    path = tmp_path / "ledger.sqlite"
    path.symlink_to(tmp_path / "disk" / "ledger.sqlite")
    with pytest.raises(LedgerError, match=r"a link to .*disk/ledger.sqlite, which is not there. Mount its disk"):
        opener(path)
    assert path.is_symlink()
    filled(tmp_path / "disk" / "ledger.sqlite", 1)  # mounted again
    with Ledger(path) as ledger:
        assert ledger.find("r0") == raw_of("r0")


def test_a_copy_does_not_replace_a_link_either(tmp_path: Path) -> None:
    path = filled(tmp_path / "ledger.sqlite", 1)
    other = tmp_path / "copy.sqlite"
    other.symlink_to(tmp_path / "disk")
    with pytest.raises(LedgerError, match="exists already"):
        salvage(path, other)
    assert other.is_symlink()


@pytest.mark.parametrize("opener", OPENERS)
def test_a_folder_in_the_place_of_a_ledger_is_named(tmp_path: Path, opener: Callable[[Path], object]) -> None:
    path = tmp_path / "ledger.sqlite"
    (path / "mine").mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"ledger.sqlite: a folder, expected the ledger's file. Move it away"):
        opener(path)
    assert (path / "mine").is_dir()
