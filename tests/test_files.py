"""Files are whole or absent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from amendment.files import file_hash, replacing, write_text


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "down" / "rows.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        temporary.write_text("whole")
    assert path.read_text() == "whole"
    assert [one.name for one in path.parent.iterdir()] == ["rows.txt"]


def test_an_error_leaves_the_old_file_and_no_partial_one(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    write_text(path, "old")

    def write_badly() -> None:
        with replacing(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_badly()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    write_text(path, "old")
    with pytest.raises(FileNotFoundError), replacing(path):
        pass
    assert path.read_text() == "old"


def test_what_a_killed_run_left_behind_does_not_get_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    with replacing(path) as temporary:
        left_behind = temporary
        left_behind.touch()
    left_behind.write_text("of a killed run; ")
    with replacing(path) as temporary, temporary.open("a") as file:
        file.write("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_the_hash_is_sha_256_of_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_bytes(b"abc")
    assert file_hash(path) == hashlib.sha256(b"abc").hexdigest()
    assert file_hash(path).startswith("ba7816bf")  # FIPS 180-2, appendix B.1
