"""Holm's correction, by hand and against its definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics.shares import holm

FAMILIES = st.dictionaries(st.text(max_size=4), st.floats(0, 1), max_size=8)


def test_three_tests_by_hand() -> None:
    # sorted 0.01, 0.03, 0.04: 3 x 0.01 = 0.03; 2 x 0.03 = 0.06; 1 x 0.04, but no less than the one before: 0.06
    found = holm({"b": 0.04, "a": 0.01, "c": 0.03}, 0.05)
    assert {name: one.adjusted for name, one in found.items()} == pytest.approx({"b": 0.06, "a": 0.03, "c": 0.06})
    assert [name for name, one in found.items() if one.rejected] == ["a"]
    assert list(found) == ["b", "a", "c"]


def test_a_test_that_could_not_be_made_does_not_count_in_the_family() -> None:
    found = holm({"a": 0.03, "b": math.nan}, 0.05)
    assert (found["a"].adjusted, found["a"].rejected) == (0.03, True)
    assert math.isnan(found["b"].adjusted)
    assert not found["b"].rejected


@given(FAMILIES, st.sampled_from([0.01, 0.05, 0.2]))
def test_the_same_as_stepping_down_test_by_test(p_values: dict[str, float], level: float) -> None:
    rejected: set[str] = set()
    for rank, name in enumerate(sorted(p_values, key=lambda name: p_values[name])):
        if p_values[name] * (len(p_values) - rank) > level:
            break
        rejected.add(name)
    assert {name for name, one in holm(p_values, level).items() if one.rejected} == rejected
