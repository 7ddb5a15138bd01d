"""Files are whole or absent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.files import file_hash, replacing, write_text
from amendment.hashing import canonical_json, content_id


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def test_the_canonical_form_is_sorted_tight_and_utf8() -> None:
    assert canonical_json({"b": [1, 2.5, None, True], "a": "ü\n"}) == '{"a":"ü\\n","b":[1,2.5,null,true]}'.encode()


def test_a_name_is_the_hash_of_the_canonical_form() -> None:
    assert content_id({}) == "s2:" + hashlib.sha256(b"{}").hexdigest()[:32] == "s2:44136fa355b3678a1146ad16f7e8649e"


@given(JSON)
def test_the_canonical_form_says_the_same_as_the_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    assert content_id(dict(reversed(value.items()))) == content_id(value)


@pytest.mark.parametrize(("one", "other"), [(1, 1.0), (1, True), (0, False), ("1", 1), (None, "null"), ([], {})])
def test_values_of_different_kinds_have_different_names(one: Any, other: Any) -> None:
    assert content_id(one) != content_id(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "\ud800", {"\udfff": 1}])
def test_what_is_no_json_has_no_name(value: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 # the text is the JSON library's own
        content_id(value)
