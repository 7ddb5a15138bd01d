"""Best of n: every figure worked out by hand, and the curve against all subsets one by one."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.errors import DataError
from amendment.reward_model import best_of_n
from amendment.reward_model.measuring.benchmarks import expected_picks


def test_two_pools_by_hand() -> None:
    # p: scores 3, 1, 2 with qualities 5, 1, 9: the first has 5, the best 9, the mean is 5
    # q: scores 1, 2 with qualities 0, 4: the first has 4, which is the best, the mean is 2
    found = best_of_n([[3, 1, 2], [1, 2]], [[5, 1, 9], [0, 4]], ["p", "q"])
    assert found.first_is_best.value == 0.5
    assert found.chance == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert (found.picked.value, found.mean.value, found.best.value) == (4.5, 3.5, 6.5)
    assert found.gain.value == pytest.approx(1.0)
    # of one: the means, 5 and 2; of two: p's pairs (3, 1), (3, 2), (1, 2) pick 5, 5, 9; q picks 4
    assert [one.value for one in found.curve] == pytest.approx([3.5, (19 / 3 + 4) / 2])
    assert found.to_json()["curve"][1]["clusters"] == 2


def test_equal_scores_share_their_place() -> None:
    # two of three are first, one of them is best: half a hit, and the mean of 1 and 3 as the pick
    found = best_of_n([[2, 2, 0]], [[1, 3, 2]], ["p"])
    assert (found.first_is_best.value, found.picked.value) == (0.5, 2.0)
    # of two: (a, b) gives 2 on average; (a, c) gives 1; (b, c) gives 3
    assert found.curve[1].value == pytest.approx((2 + 1 + 3) / 3)


def test_a_pool_without_a_score_is_left_out_and_counted() -> None:
    found = best_of_n([[1, math.nan], [1, 2]], [[0, 1], [0, 1]], ["p", "q"])
    assert (found.unscored, found.picked.n, found.first_is_best.value) == (1, 1, 1.0)


@pytest.mark.parametrize(("scores", "qualities"), [([1], [1]), ([1, 2], [1]), ([1, 2], [1, math.nan])])
def test_a_pool_that_cannot_be_measured_is_named(scores: list[float], qualities: list[float]) -> None:
    with pytest.raises(DataError, match="pool 1: expected two answers"):
        best_of_n([scores], [qualities], ["p"])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2, max_size=6, unique_by=lambda one: one[0]))
def test_the_curve_is_the_mean_over_all_subsets(pool: list[tuple[int, int]]) -> None:
    scores, qualities = np.array(pool, dtype=float).T
    expected = [
        np.mean([max(subset, key=lambda one: one[0])[1] for subset in combinations(pool, k)])
        for k in range(1, len(pool) + 1)
    ]
    assert expected_picks(scores, qualities) == pytest.approx(expected)
