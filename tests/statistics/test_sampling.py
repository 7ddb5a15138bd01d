"""Means of rows drawn with unequal probabilities: by hand, and in worlds where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.statistics import clustered_mean, wilson
from amendment.statistics.sampling import effective_rows, weighted_difference, weighted_mean


def test_a_weighted_mean_by_hand() -> None:
    # weights 2 2 4 4 4, values 2 0 2 2 0: (4 + 8 + 8) / 16 = 5/4. Rows add w (x - 5/4) / 16, in 32nds 3 -5 6 6 -10:
    # squares sum to 206 / 1024; Var = 5/4 * 206 / 1024; t(4) = 2.776445
    found = weighted_mean([2, 0, 2, 2, 0], [0.5, 0.5, 0.25, 0.25, 0.25])
    half = 2.776445 * math.sqrt(5 / 4 * 206 / 1024)
    assert found.value == 1.25
    assert (found.low, found.high) == pytest.approx((1.25 - half, 1.25 + half), abs=1e-5)
    assert (found.n, found.clusters, found.method, found.note) == (5, 5, "Hajek, clustered t", "few clusters (5)")


def test_a_weighted_share_by_hand() -> None:
    # the same rows as 1 and 0: 5/8, Var 5/4 * 206 / 4096 = 0.0628662, as a share of 15/64 / Var = 3.728155 rows;
    # t ** 2 = 7.708647, scale 1 + 7.708647 / 3.728155 = 3.067685, centre (0.625 + 1.033842) / 3.067685 = 0.540747,
    # half = sqrt(7.708647 * (0.0628662 + 7.708647 / 4 / 13.899140)) / 3.067685 = 0.406291
    found = weighted_mean([1, 0, 1, 1, 0], [0.5, 0.5, 0.25, 0.25, 0.25])
    assert found[:3] == pytest.approx((0.625, 0.540747 - 0.406291, 0.540747 + 0.406291), abs=2e-5)
    assert found.method == "Hajek, Wilson over effective rows"
    many = weighted_mean([1] * 900 + [0] * 100, [0.1] * 1000)
    assert many[1:3] == pytest.approx(wilson(900, 1000)[1:3], abs=1e-4)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.floats(0.01, 1))
def test_with_equal_chances_a_weighted_mean_is_the_clustered_one(seed: int, chance: float) -> None:
    random = np.random.default_rng(seed)
    x, prompts = 2 * random.random(40), random.integers(0, 25, 40)
    x[0] = 2.0
    found = weighted_mean(x, np.full(40, chance), prompts)
    assert found[:5] == pytest.approx(clustered_mean(x, prompts)[:5])
    inside = weighted_mean(x / 2, np.full(40, chance), prompts)
    assert inside.value == pytest.approx(found.value / 2)
    assert 0 <= inside.low < inside.high <= 1
    turned = weighted_mean(1 - x / 2, np.full(40, chance), prompts)
    assert (1 - turned.high, 1 - turned.low) == pytest.approx((inside.low, inside.high))


def test_a_weighted_difference_by_hand_is_no_share_whatever_its_values() -> None:
    # differences 1 0 1 1 0 with weights 2 2 4 4 4: 5/8; as above but with half the errors, and symmetric
    found = weighted_difference([2, 1, 1, 1, 1], [1, 1, 0, 0, 1], [0.5, 0.5, 0.25, 0.25, 0.25])
    half = 2.776445 * math.sqrt(5 / 4 * 206 / 4096)
    assert found[:3] == pytest.approx((0.625, 0.625 - half, 0.625 + half), abs=1e-5)
    assert found.high > 1


@pytest.mark.parametrize("chance", [0.0, -0.1, 1.1, math.nan, None])
def test_rows_without_a_probability_are_refused(chance: float | None) -> None:
    with pytest.raises(ValueError, match=r"inclusion probabilities lie above 0.* a sample that was drawn for finding"):
        weighted_mean([1.0, 0.0], np.array([0.5, chance], np.float64))


def test_effective_rows_by_hand() -> None:
    # nine weights of 1 and one of 100: 109 ** 2 / 10009
    assert effective_rows([1.0] * 9 + [100.0]) == pytest.approx(11881 / 10009)
    assert effective_rows([]) == 0


@pytest.mark.long
@pytest.mark.parametrize("uniform", [0.8, 0.5])
def test_nineteen_in_twenty_intervals_hold_the_truth(uniform: float) -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(1000):
        p = random.random(600)
        y = (random.random(600) < p).astype(np.float64)
        unsure = np.sqrt(p * (1 - p))
        chance = 0.2 * ((1 - uniform) * unsure / unsure.mean() + uniform)
        seen = random.random(600) < chance
        found = weighted_mean(y[seen], chance[seen])
        held += found.low <= 0.5 <= found.high
    assert wilson(held, 1000, 0.999).low < 0.95 < wilson(held, 1000, 0.999).high
