"""Leave-one-out agreement by hand, and its properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics.agreement import with_others

A, TIE, B = range(3)
Units = list[list[int]]


def counts(units: Units) -> np.ndarray:
    return np.array([[unit.count(value) for value in range(3)] for unit in units]).reshape(-1, 3)


def judge(units: Units, said: Units) -> float:
    return float(with_others(counts(units), counts(said)).mean())


@pytest.mark.parametrize(
    ("unit", "agreed"),
    [
        ([A, A], 1),
        ([A, B], 0),
        ([A, A, B], 1 / 3),  # A of {A, B}: 1/2, twice; B of {A, A}: 0; together 1 / 3
        ([A, B, TIE], 0),
        ([A, A, B, B], 0),  # A of {A, B, B}: 0, and so is every other
        ([A, A, A, B], 3 / 4),  # A of {A, A, B}: 1, three times; B of {A, A, A}: 0
        ([A, A, A, B, B], 3 / 5 * 1 / 2),  # A of {A, A, B, B}: 1/2, three times; B of {A, A, A, B}: 0
    ],
)
def test_a_person_beside_the_mode_of_the_others(unit: list[int], agreed: float) -> None:
    assert with_others(counts([unit])) == pytest.approx(agreed)


@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=6), min_size=1, max_size=20), st.data())
def test_a_person_by_whom_all_were_drawn_is_the_definition(units: Units, data: st.DataObject) -> None:
    said = [data.draw(st.integers(0, 2)) for _ in units]
    expected = []
    for unit, one in zip(units, said, strict=True):
        scores = []
        for place in range(len(unit)):
            rest = unit[:place] + unit[place + 1 :]
            modes = [value for value in range(3) if rest.count(value) == max(map(rest.count, rest))]
            scores.append((one in modes) / len(modes))
        expected.append(sum(scores) / len(scores))
    assert judge(units, [[one] for one in said]) == pytest.approx(sum(expected) / len(expected))
