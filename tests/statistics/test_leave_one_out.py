"""Leave-one-out agreement by hand, and its properties."""

from __future__ import annotations

import numpy as np
import pytest

from amendment.statistics.agreement import with_others

A, TIE, B = range(3)


def counts(unit: list[int]) -> np.ndarray:
    return np.array([[unit.count(value) for value in range(3)]])


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
    assert with_others(counts(unit)) == pytest.approx(agreed)


def test_a_judge_beside_the_mode_of_all_people_but_one() -> None:
    # of A, A, B without one: A B, A B and A A, whose modes hold A with shares 1/2, 1/2 and 1, and B with 1/2, 1/2 and 0
    assert with_others(counts([A, A, B]), counts([A])) == pytest.approx(2 / 3)
    assert with_others(counts([A, A, B]), counts([B])) == pytest.approx(1 / 3)
