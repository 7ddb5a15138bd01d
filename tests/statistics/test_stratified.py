"""The stratified mean of people's labels: by hand, and its refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import stdtrit

from amendment.statistics import clustered_mean, wilson
from amendment.statistics.stratified import stratified_mean

VALUES = [1, 0, 1, 0, 1, 1, 1, 0]
TWICE = [2 * value for value in VALUES]
"""No shares, so that the interval is symmetric."""
STRATA = ["a"] * 4 + ["b"] * 4
SIZES = {"a": 10, "b": 30}
T = stdtrit((1 / 192 + 9 / 256) ** 2 / (((1 / 192) ** 2 + (9 / 256) ** 2) / 3), 0.975)


def test_two_strata_by_hand() -> None:
    # W 1/4 and 3/4, means 1/2 and 3/4: 11/16. s ** 2 = 1/3 and 1/4:
    # Var = 1/16 * 1/12 + 9/16 * 1/16; between: (1/4 * (3/16) ** 2 + 3/4 * (1/16) ** 2) / 40
    # degrees of freedom: (1/192 + 9/256) ** 2 / ((1/192) ** 2 / 3 + (9/256) ** 2 / 3) = 3.86972; t = 2.813494
    within, between = 1 / 16 / 12 + 9 / 16 / 16, (9 / 256 / 4 + 3 / 4 / 256) / 40
    found = stratified_mean(TWICE, STRATA, SIZES)
    assert found.value == 2 * 11 / 16
    assert found.high - found.value == pytest.approx(2 * T * math.sqrt(within + between), abs=1e-5)
    assert (found.n, found.clusters, found.method) == (8, 8, "stratified")
    # as shares: Var 0.0406576, 11/16 * 5/16 / Var = 5.28423 rows; t ** 2 = 7.915749, scale 2.497996,
    # centre (0.6875 + 0.748998) / 2.497996 = 0.575060, half = sqrt(7.915749 * (0.0406576 + 0.0708710)) / 2.497996
    as_shares = stratified_mean(VALUES, STRATA, SIZES)
    half = math.sqrt(7.915749 * (0.0406576 + 0.0708710)) / 2.497996
    assert as_shares.value == 11 / 16
    assert (as_shares.low, as_shares.high) == pytest.approx((0.575060 - half, 0.575060 + half), abs=2e-5)


def test_of_the_rows_themselves_the_interval_is_narrower() -> None:
    # 4 of 10 and 4 of 30 were labelled: variances shrink by 6/10 and 26/30, and nothing is added
    found = stratified_mean(TWICE, STRATA, SIZES, finite=True)
    a, b = 6 / 10 / 16 / 12, 26 / 30 * 9 / 16 / 16
    half = stdtrit((a + b) ** 2 / ((a**2 + b**2) / 3), 0.975) * math.sqrt(a + b)
    assert found.high - found.value == pytest.approx(2 * half)
    assert math.isnan(stratified_mean(VALUES, STRATA, {"a": 4, "b": 4}, finite=True).low)


def test_strata_may_be_named_by_an_array_in_any_order() -> None:
    strata = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    found = stratified_mean(VALUES, strata, {0: 30, 1: 10})
    assert found[:5] == stratified_mean(VALUES, STRATA, SIZES)[:5]


def test_one_stratum_is_the_clustered_mean() -> None:
    random = np.random.default_rng(0)
    x = 2 * random.random(40)
    assert stratified_mean(x, [0] * 40, {0: 1000})[:3] == pytest.approx(clustered_mean(x, range(40))[:3])


def test_a_prompt_in_two_strata_is_one_cluster() -> None:
    # every row twice, in strata of equal size: as if each were there once
    x = np.array([2.0, 0.0] * 20)
    twice = stratified_mean(np.tile(x, 2), [0] * 40 + [1] * 40, {0: 500, 1: 500}, clusters=[*range(40)] * 2)
    assert twice.clusters == 40
    once = clustered_mean(x, range(40))
    assert twice.high - twice.value == pytest.approx((once.high - once.value), rel=0.02)


def test_no_rows_and_no_variation() -> None:
    assert stratified_mean([], [], {}).note == "no rows"
    assert math.isnan(stratified_mean([2.0] * 30, [0] * 30, {0: 100}).low)
    alike = stratified_mean([1.0] * 30, [0] * 30, {0: 100})
    assert (alike.low, alike.high) == pytest.approx((30 / (30 + 1.959964**2), 1.0))


@pytest.mark.parametrize(
    ("values", "strata", "sizes", "told"),
    [
        ([1, 0, 1], ["a", "a", "b"], {"a": 5, "b": 5}, "stratum b: found fewer than 2 labels"),
        ([1, 0], ["a", "a"], {"a": 5, "c": 5}, "stratum c: found fewer than 2 labels"),
        ([1, 0], ["a", "a"], {"a": 1}, "stratum a: found more labels than the 1 rows"),
        ([1, 0], ["a", "a"], {}, "stratum a: found more labels than the 0 rows"),
        ([1, math.nan], ["a", "a"], {"a": 5}, "a stratum and a finite value per row"),
        ([1, 0], ["a"], {"a": 5}, "a stratum and a finite value per row"),
    ],
)
def test_what_cannot_be_estimated_is_refused(
    values: list[float], strata: list[str], sizes: dict[str, int], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        stratified_mean(values, strata, sizes)


def test_a_cluster_per_row_is_needed() -> None:
    with pytest.raises(ValueError, match="one cluster per row"):
        stratified_mean(VALUES, STRATA, SIZES, clusters=["p"])


@pytest.mark.parametrize("finite", [False, True])
def test_nineteen_in_twenty_intervals_hold_what_they_speak_of(finite: bool) -> None:
    # half of all rows are labelled, so that the rows themselves and their population are different questions
    random = np.random.default_rng(3)
    held = 0
    for _ in range(1000):
        strata = (random.random(200) < 0.5).astype(int)
        y = (random.random(200) < np.where(strata == 1, 0.8, 0.3)).astype(float)
        seen = random.permutation(200)[:100]
        sizes = dict(enumerate(np.bincount(strata, minlength=2).tolist()))
        found = stratified_mean(y[seen], strata[seen].tolist(), sizes, finite=finite)
        held += found.low <= (y.mean() if finite else 0.55) <= found.high
    assert wilson(held, 1000, 0.999).low < 0.95 < wilson(held, 1000, 0.999).high


def test_rows_of_a_prompt_that_fall_into_strata_together_make_their_shares_less_certain() -> None:
    # Strata a and b, 20 labels of 50 rows each, two rows to a prompt and a prompt in one stratum: means 0.9 and 0.1.
    # In a one prompt says 0 twice, which lies 0.9 below: by prompt 1.8^2 + 9 (0.2)^2 = 3.6, and 3.6 in b;
    # times (0.5 / 20)^2 (20 / 19) it is 0.0047368. Between strata 0.4^2 / 100 = 0.0016, twice that for pairs.
    values = [0.0] * 2 + [1.0] * 18 + [1.0] * 2 + [0.0] * 18
    strata, prompts = ["a"] * 20 + ["b"] * 20, [number // 2 for number in range(40)]
    sizes = {"a": 50, "b": 50}
    doubled = [2 * value for value in values]  # no shares, so that the interval is symmetric
    alone, pairs = (stratified_mean(doubled, strata, sizes, clusters=prompts, per_cluster=each) for each in (1.0, 2.0))
    widths = (pairs.high - pairs.low) / (alone.high - alone.low)
    assert widths**2 == pytest.approx((0.0047368 + 0.0032) / (0.0047368 + 0.0016), rel=1e-4)


def test_rows_of_a_prompt_that_fall_into_strata_by_themselves_do_not() -> None:
    # each prompt has one row of either stratum: what one says above the mean the other says below it, correlation -1
    values, strata, prompts = [1.0, 0.0] * 20, ["a", "b"] * 20, [number // 2 for number in range(40)]
    alone, pairs = (
        stratified_mean(values, strata, {"a": 50, "b": 50}, clusters=prompts, per_cluster=each) for each in (1.0, 2.0)
    )
    assert pairs == alone


def test_intervals_of_shares_near_one_hold_the_truth_as_well() -> None:
    # symmetric ones hold it in 86 %; 0.019 is three standard errors of a frequency over 1,000 draws
    random = np.random.default_rng(4)
    held = 0
    for _ in range(1000):
        y = [*(random.random(35) < 0.95), *(random.random(15) < 0.9)]
        found = stratified_mean(y, [1] * 35 + [0] * 15, {0: 500, 1: 500})
        held += found.low <= 0.925 <= found.high
    assert held / 1000 > 0.95 - 0.019
