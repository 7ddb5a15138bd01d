"""Shares, Holm's correction, and sides of one half: by hand, by their definitions, and against a library."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics import binomial_p, share, wilson
from amendment.statistics.shares import holm
from amendment.statistics.sides import read_side


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95]))
def test_wilson_is_that_of_statsmodels(counts: tuple[int, int], level: float) -> None:
    oracle = pytest.importorskip("statsmodels.stats.proportion", reason="statsmodels comes with the dev extra")
    low, high = oracle.proportion_confint(*counts, alpha=1 - level, method="wilson")
    found = wilson(*counts, level)
    assert found[1:3] == pytest.approx((low, high), abs=1e-12)


def test_a_share_of_single_rows_by_hand() -> None:
    # 0 1 1 1 1: the variance is 0.8 * 0.2 / 5, the clustered one 5/4 of it, so n = 4; t(4, 0.975) = 2.77645,
    # t^2 / n = 1.92716; centre = (0.8 + 0.96358) / 2.92716 = 0.60249
    # half = 2.77645 * sqrt(0.16 / 4 + 1.92716 / 4 / 4) / 2.92716 = 0.37993
    found = share([0, 1, 1, 1, 1], range(5))
    assert found.low == pytest.approx(0.60249 - 0.37993, abs=2e-5)
    assert found.high == pytest.approx(0.60249 + 0.37993, abs=2e-5)
    assert (found.n, found.clusters, found.method, found.note) == (5, 5, "Wilson, clustered", "few clusters (5)")


def test_a_share_without_variation_counts_the_rows_of_a_prompt_as_one() -> None:
    # ten prompts of three rows: low = n / (n + t^2) of ten, t(9, 0.975) = 2.26216
    found = share([1] * 30, [row // 3 for row in range(30)])
    assert found.low == pytest.approx(10 / (10 + 2.26216**2), abs=1e-5)
    assert (found.high, found.n, found.clusters) == (1.0, 30, 10)
    assert "all rows are alike" in found.note


def test_a_share_of_uneven_prompts_rests_on_fewer_of_them() -> None:
    # one prompt of 6 rows and six of one: shares of the rows 1/2 and 1/12, squares 1/4 + 6/144 = 7/24: 24/7 clusters;
    # all rows alike: low = n / (n + t^2) of 24/7, t(17/7, 0.975) = 3.65101
    alike = share([1] * 12, [0] * 6 + [1, 2, 3, 4, 5, 6])
    assert alike.low == pytest.approx(24 / 7 / (24 / 7 + 3.65101**2), abs=1e-5)
    # the six rows right, the others wrong: residuals of the prompts 1/4 and -1/24: squares 1/16 + 6/576 = 7/96;
    # cubes of the shares 1/8 + 6/1728 = 37/288, Var = 7/96 / (1 + 7/24 - 2 * 37/288 * 24/7) = 49/276; at one half
    # Wilson's interval of n = 1/4 / Var = 69/49 rows is t / sqrt(n + t^2) wide
    low, high = share([1] * 6 + [0] * 6, [0] * 6 + [1, 2, 3, 4, 5, 6])[1:3]
    assert high - low == pytest.approx(3.65101 / math.sqrt(69 / 49 + 3.65101**2), abs=1e-5)


@pytest.mark.parametrize("rows", [[1, 0, 0, 0], [1, 1, 1, 1]])
def test_fewer_than_five_clusters_make_no_interval_whether_or_not_they_differ(rows: list[int]) -> None:
    found = share(rows, range(4))
    assert found.value == sum(rows) / 4
    assert math.isnan(found.low)
    assert found.note == "no interval from fewer than 5 clusters"


@pytest.mark.parametrize(
    ("k", "n", "p"),
    [
        (5, 5, 2 / 32),  # five heads in five throws, or five tails
        (1, 4, 2 * 5 / 16),  # at most one: (1 + 4) / 16, twice
        (2, 4, 1.0),
    ],
)
def test_the_exact_test_of_a_fair_coin_by_hand(k: int, n: int, p: float) -> None:
    assert binomial_p(k, n) == pytest.approx(p)


def test_a_share_is_made_of_values_between_zero_and_one() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        share([0, 2], ["a", "b"])
    with pytest.raises(ValueError, match="level"):
        wilson(1, 2, 95)


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


def test_one_half_is_a_tie_whatever_rounding_made_of_it() -> None:
    assert [read_side(p) for p in (0.0, 0.4, 0.5, 0.6, 1.0)] == [-1, -1, 0, 1, 1]
    assert read_side(0.5 + 1e-12) == read_side(0.5 - 1e-12) == 0


def test_a_margin_is_the_least_lead_and_includes_itself() -> None:
    assert 2 * 0.6 - 1 < 0.2  # for a computer, and not for whoever wrote min_margin: 0.2
    assert [read_side(p, 0.2) for p in (0.39, 0.4, 0.41, 0.59, 0.6, 0.61)] == [-1, -1, 0, 0, 1, 1]
    assert [read_side(p, 1.0) for p in (0.0, 0.01, 0.99, 1.0)] == [-1, 0, 0, 1]
