"""Inclusion probabilities say what they promise, and samples keep them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.calibration.inclusion import (
    conditional_inclusion,
    inclusion_probabilities,
    pareto_sample,
    whole_counts,
)

PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def test_inclusion_by_hand() -> None:
    # u = sqrt(p (1 - p)) = 0.5, 0.3, 0.4, 0: mean 0.3; sizes 0.8 + 0.2 u / 0.3 = 17/15, 1, 16/15, 0.8, with the sum 4;
    # two of four items: each probability is half its size
    found = inclusion_probabilities([0.5, 0.1, 0.2, 1.0], 2, uniform=0.8)
    assert found == pytest.approx([17 / 30, 1 / 2, 16 / 30, 0.4])


def test_what_passes_one_goes_to_the_others_in_proportion() -> None:
    # u = 0.5, 0, 0, 0: mean 0.125; sizes 0.5 + 0.5 u / 0.125 = 2.5, 0.5, 0.5, 0.5. Two of four would be 1.25, 0.25, ...
    # The first is cut to 1, and the others share one item
    assert inclusion_probabilities([0.5, 0, 1, 0], 2, uniform=0.5) == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_a_judge_that_is_always_sure_leaves_a_uniform_sample() -> None:
    assert inclusion_probabilities([0, 1, 1, 0, 1], 2, uniform=0.5) == pytest.approx([0.4] * 5)


@given(PROBABILITIES, st.integers(1, 80), st.floats(0.5, 1))
def test_probabilities_add_up_and_leave_no_item_out(p: list[float], items: int, uniform: float) -> None:
    found = inclusion_probabilities(p, items, uniform=uniform)
    assert float(found.sum()) == pytest.approx(min(items, len(p)))
    assert found.max() <= 1
    assert found.min() >= min(1.0, uniform * items / len(p)) - 1e-9


@given(st.lists(st.floats(0, 9), min_size=1, max_size=30), st.floats(0, 1, exclude_max=True))
def test_whole_counts_are_next_to_what_is_expected(expected: list[float], start: float) -> None:
    found = whole_counts(expected, start)
    assert all(
        math.floor(one - 1e-6) <= count <= math.ceil(one + 1e-6) for one, count in zip(expected, found, strict=True)
    )


def test_whole_counts_keep_expectation_and_total() -> None:
    # ends of the stretches: 0, 0.3, 1.6, 3: three items whatever the start
    expected = [0.3, 1.3, 1.4]
    starts = (np.arange(1000) + 0.5) / 1000
    found = np.array([whole_counts(expected, start) for start in starts])
    assert set(found.sum(axis=1)) == {3}
    assert found.mean(axis=0) == pytest.approx(expected)


@given(st.lists(st.floats(0.01, 1), min_size=2, max_size=30))
def test_both_whole_sizes_of_a_stratum_keep_its_probabilities_on_average(inclusion: list[float]) -> None:
    chance = np.array(inclusion)
    total = float(chance.sum())
    below, rest = math.floor(total), total - math.floor(total)
    few, many = (conditional_inclusion(chance, count) for count in (below, below + 1))
    for found in (few, many):
        assert found.min() >= 0
        assert found.max() <= 1
    assert (1 - rest) * few + rest * many == pytest.approx(chance, abs=1e-6)
    if 1e-6 < rest < 1 - 1e-6:
        assert (float(few.sum()), float(many.sum())) == pytest.approx((below, below + 1))


def test_conditional_inclusion_by_hand() -> None:
    # total 2.5; two and three items are as likely. What is moved is in proportion to 1, 0.9 and 0.6 but stops at
    # (1 - 1) / 0.5 = 0 and (1 - 0.9) / 0.5 = 0.2, so that the third takes 0.8: 0.6 + 0.5 * 0.8 and 0.6 - 0.5 * 0.8
    chance = np.array([1.0, 0.9, 0.6])
    assert conditional_inclusion(chance, 3) == pytest.approx([1, 1, 1])
    assert conditional_inclusion(chance, 2) == pytest.approx([1, 0.8, 0.2])


@pytest.mark.parametrize(
    "inclusion",
    [
        [0.2, 0.3, 0.4, 0.5, 0.6],
        [0.9, 0.5, 0.3, 0.3],
        [0.15] * 6 + [0.3] * 3 + [0.2],
        [1.0, 0.5, 0.25, 0.25],
        [0.1, 0.3] * 15,
    ],
)
def test_realised_frequencies_are_the_probabilities_aimed_at(inclusion: list[float]) -> None:
    # 40,000 draws: a frequency has the standard error sqrt(q (1 - q) / 40000), at most 0.0025; four of them, and 1 % of
    # the probability for what the adjustment leaves over
    draws, chance = 40_000, np.array(inclusion)
    count = round(float(chance.sum()))
    numbers = np.random.default_rng(5).random((draws, chance.size))
    hits = np.zeros(chance.size)
    for row in numbers:
        drawn = pareto_sample(chance, row, count)
        assert len(set(drawn.tolist())) == count
        hits[drawn] += 1
    bound = 4 * np.sqrt(chance * (1 - chance) / draws) + 0.01 * chance
    assert (np.abs(hits / draws - chance) <= bound).all()


def test_an_item_that_is_certain_is_always_drawn() -> None:
    chance = np.array([0.5, 1.0, 0.5])
    for numbers in itertools.product([0.001, 0.5, 0.999], repeat=3):
        assert 1 in pareto_sample(chance, np.array(numbers), 2)
