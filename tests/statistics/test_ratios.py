"""Ratios of weighted sums: against arithmetic by hand and against the mean that they become."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics import clustered_mean
from amendment.statistics.ratios import weighted_ratio


def test_a_ratio_of_two_rows_drawn_with_different_probabilities() -> None:
    # weights 1 / 0.5 = 2 and 1 / 0.25 = 4: (2 * 1 + 4 * 0) / (2 + 4) = 1 / 3
    # influences 2 (1 - 1/3) / 6 = 2/9 and 4 (0 - 1/3) / 6 = -2/9; sum of squares 8/81, times G / (G - 1) = 2: 16/81
    # so the error is 4/9, and t with one degree of freedom 12.7062
    found = weighted_ratio([1, 0], [1, 1], [2, 4], ["x", "y"])
    assert found.value == pytest.approx(1 / 3)
    assert found.high - found.value == pytest.approx(12.7062 * 4 / 9, rel=1e-4)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5)), min_size=2, max_size=40))
def test_with_equal_weights_it_is_the_clustered_mean(rows: list[tuple[float, int]]) -> None:
    values, clusters = [row[0] for row in rows], [row[1] for row in rows]
    found = weighted_ratio(values, np.ones(len(rows)), np.full(len(rows), 3.0), clusters)
    mean = clustered_mean(values, clusters)
    assert found.value == pytest.approx(mean.value)
    assert (math.isnan(found.low) and math.isnan(mean.low)) or found.low == pytest.approx(mean.low)


def test_rows_that_take_no_part_are_not_counted() -> None:
    found = weighted_ratio([1, 0, 0], [1, 0, 1], [1, 1, 1], ["x", "y", "z"])
    assert (found.value, found.n, found.clusters) == (0.5, 2, 2)


def test_no_row_that_counts_gives_no_value() -> None:
    assert math.isnan(weighted_ratio([0], [0], [1], ["x"]).value)


@pytest.mark.parametrize("weights", [[1, 0], [1, math.inf], [1, -1]])
def test_weights_that_no_sample_can_have_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        weighted_ratio([1, 1], [1, 1], weights, ["x", "y"])
