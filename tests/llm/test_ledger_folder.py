"""Where a ledger may lie: the kind of file system, the room that is left, who else is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amendment.errors import LedgerError
from amendment.llm.ledger_folder import FreeSpace, cautions, hold
from amendment.llm.ledger_recording import Ledger
from amendment.run.status import _is_at_work

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home {home} nfs4 rw 0 0
tmpfs {home}/fast tmpfs rw 0 0
//server/share {home}/two\\040words cifs rw 0 0
broken line
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    (tmp_path / "mounts").write_text(MOUNTS.format(home=tmp_path / "home"))
    return tmp_path / "mounts"


@pytest.mark.parametrize(
    ("folder", "kind"), [("home/run", "nfs4"), ("home/fast/run", None), ("elsewhere", None), ("home/two words", "cifs")]
)
def test_the_innermost_file_system_counts(tmp_path: Path, mounts: Path, folder: str, kind: str | None) -> None:
    told = cautions(tmp_path / folder, mounts)
    assert [f"network file system ({kind})" in caution for caution in told] == ([True] if kind else [])


def test_where_the_system_has_no_table_of_mounts_nothing_is_said(tmp_path: Path) -> None:
    assert cautions(tmp_path, tmp_path / "absent") == ()


def test_a_local_ledger_has_no_cautions(tmp_path: Path) -> None:
    with Ledger(tmp_path / "l") as ledger:
        assert ledger.cautions == ()


def test_the_holder_of_a_folder_is_known_by_its_process(tmp_path: Path) -> None:
    assert not _is_at_work(tmp_path)
    with hold(tmp_path):
        assert (tmp_path / "run.lock").read_text().splitlines()[0] == f"pid {os.getpid()}"
        assert _is_at_work(tmp_path)


def test_free_space_is_looked_at_once_a_minute_while_there_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    space = FreeSpace(tmp_path, least=0)
    space.check()
    space._least = 2**60
    space.check()
    now[0] += 61
    for _ in range(2):
        with pytest.raises(LedgerError, match=rf"{tmp_path}: \d+ MB are free, a run needs {2**40} MB"):
            space.check()
