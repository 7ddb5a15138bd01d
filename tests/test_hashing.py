"""Content names: the canonical form is a contract, so it is written out here."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.hashing import canonical_json, content_id

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
