"""Rates corrected for the judge's mistakes: by hand, refused, and in simulated worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from amendment.statistics import wilson
from amendment.statistics.rogan_gladen import Corrected, homogeneity, rogan_gladen


def corrected(k: int, n: int, found: tuple[int, int], rejected: tuple[int, int], level: float = 0.95) -> Corrected:
    return rogan_gladen(
        judged_positive=k,
        judged_n=n,
        hits=found[0],
        positives=found[1],
        correct_rejections=rejected[0],
        negatives=rejected[1],
        level=level,
    )


def test_the_value_by_hand() -> None:
    # p 0.4, q1 0.9, q0 0.8: (0.4 + 0.8 - 1) / (0.9 + 0.8 - 1) = 0.2 / 0.7
    found = corrected(400, 1000, (90, 100), (80, 100))
    assert found.estimate.value == pytest.approx(2 / 7)
    assert found.youden.value == pytest.approx(0.7)
    assert not found.refused


def test_the_interval_by_hand() -> None:
    # z ** 2 = 3.841459: n' 1003.8415, p' 401.9207 / 1003.8415 = 0.400383; m' 102 both, q1' 91/102 = 0.892157,
    # q0' 81/102 = 0.794118; youden 0.686275; theta' = 0.194500 / 0.686275 = 0.283415
    # q (1 - q) / m: 0.000943234, 0.001602873; shift 2 z ** 2 (0.283415 * 0.000943234 - 0.716585 * 0.001602873)
    # SE ** 2 = (0.400383 * 0.599617 / 1003.8415 + 0.513494 * 0.001602873 + 0.0803240 * 0.000943234) / 0.470973
    theta, shift = 0.283415, 2 * 3.841459 * (0.283415 * 0.000943234 - 0.716585 * 0.001602873)
    error = math.sqrt((0.400383 * 0.599617 / 1003.8415 + 0.513494 * 0.001602873 + 0.080324 * 0.000943234) / 0.470973)
    found = corrected(400, 1000, (90, 100), (80, 100)).estimate
    assert found.low == pytest.approx(theta + shift - 1.959964 * error, abs=2e-5)
    assert found.high == pytest.approx(theta + shift + 1.959964 * error, abs=2e-5)


def test_youdens_limits_by_hand() -> None:
    # Wilson of 90 and of 80 in 100: 0.8256 to 0.9448 and 0.7112 to 0.8666;
    # low = 0.7 - sqrt(0.0744 ** 2 + 0.0888 ** 2) = 0.7 - 0.11585, high = 0.7 + sqrt(0.0448 ** 2 + 0.0666 ** 2)
    found = corrected(400, 1000, (90, 100), (80, 100)).youden
    assert (found.low, found.high) == pytest.approx((0.58415, 0.78027), abs=2e-4)


def test_rates_stay_between_0_and_1() -> None:
    none, every = corrected(0, 200, (95, 100), (90, 100)).estimate, corrected(200, 200, (90, 100), (95, 100)).estimate
    assert (none.value, none.low, every.value, every.high) == (0.0, 0.0, 1.0, 1.0)


@given(st.integers(0, 300), st.integers(70, 100), st.integers(140, 200))
def test_asking_for_the_opposite_turns_the_estimate_round(k: int, hits: int, rejections: int) -> None:
    one, other = (
        corrected(k, 300, (hits, 100), (rejections, 200)),
        corrected(300 - k, 300, (rejections, 200), (hits, 100)),
    )
    turned = 1 - other.estimate.value, 1 - other.estimate.high, 1 - other.estimate.low
    assert turned == pytest.approx(one.estimate[:3])


@pytest.mark.parametrize("found", [(50, 100), (30, 100), (12, 20)])
def test_a_judge_who_guesses_is_refused(found: tuple[int, int]) -> None:
    refused = corrected(40, 100, found, (60, 100))
    assert refused.refused.startswith("the judge hardly tells positives from negatives: sensitivity + specificity - 1")
    assert math.isnan(refused.estimate.value)
    assert refused.estimate.note == refused.refused


def test_the_rule_is_about_the_lower_limit() -> None:
    # 0.7 + 0.7 - 1 = 0.4 either way. Wilson's lower limits of 14 in 20 and 21 in 30 are 0.4810 and 0.5212:
    # 0.4 - sqrt(2) * 0.2190 = 0.0903, 0.4 - sqrt(2) * 0.1788 = 0.1471
    assert corrected(40, 100, (14, 20), (14, 20)).refused.endswith("its lower limit 0.09 is not above 0.1")
    assert corrected(40, 100, (21, 30), (21, 30)).youden.low == pytest.approx(0.1471, abs=1e-4)
    assert not corrected(40, 100, (21, 30), (21, 30)).refused


@pytest.mark.parametrize("counts", [(0, 0, (9, 10), (9, 10)), (1, 2, (0, 0), (9, 10)), (1, 2, (9, 10), (0, 0))])
def test_a_missing_part_is_named(counts: tuple[int, int, tuple[int, int], tuple[int, int]]) -> None:
    assert corrected(*counts).refused.endswith("each is needed")


def test_parts_larger_than_their_wholes_are_an_error() -> None:
    with pytest.raises(ValueError, match="expected three parts and their wholes"):
        corrected(11, 10, (9, 10), (9, 10))


@pytest.mark.parametrize(
    ("theta", "q1", "q0", "m"), [(0.3, 0.9, 0.8, 100), (0.7, 0.8, 0.75, 60), (0.1, 0.85, 0.95, 100)]
)
def test_the_interval_holds_the_truth_as_often_as_was_found_before(theta: float, q1: float, q0: float, m: int) -> None:
    # by simulation of others the coverage lies from 0.955 to 0.968
    random = np.random.default_rng(0)
    draws = 2000
    k = random.binomial(500, theta * q1 + (1 - theta) * (1 - q0), draws).tolist()
    hits, rejections = random.binomial(m, q1, draws).tolist(), random.binomial(m, q0, draws).tolist()
    found = [corrected(a, 500, (b, m), (c, m)).estimate for a, b, c in zip(k, hits, rejections, strict=True)]
    held = sum(one.low <= theta <= one.high for one in found)
    around = wilson(held, draws, 0.99)
    assert around.high > 0.95
    assert around.low < 0.968


def test_one_share_in_two_systems_by_hand() -> None:
    # 40 of 50 and 20 of 50, together 0.6: (10 ** 2 / (50 * 0.24)) twice = 100 / 12 * 2
    found = homogeneity({"a": (40, 50), "b": (20, 50)})
    assert found.chi_square == pytest.approx(200 / 12)
    assert (found.freedom, found.note) == (1, "")
    assert found.p == pytest.approx(math.erfc(math.sqrt(200 / 12 / 2)))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=2, max_size=5))
def test_homogeneity_is_that_of_scipy(counts: list[tuple[int, int]]) -> None:
    table = np.array([(hits, misses) for hits, misses in counts])
    found = homogeneity({i: (hits, hits + misses) for i, (hits, misses) in enumerate(counts)})
    if not table.sum(axis=0).all():
        assert found.p == 1.0
        return
    oracle = chi2_contingency(table, correction=False)
    assert (found.chi_square, found.freedom, found.p) == pytest.approx((oracle.statistic, oracle.dof, oracle.pvalue))


def test_few_rows_are_noted_and_one_group_tells_nothing() -> None:
    assert homogeneity({"a": (3, 4), "b": (20, 40)}).note.startswith("the smallest expected count is 1.9")
    assert homogeneity({"a": (4, 4), "b": (0, 0)}).note == "fewer than two groups have rows"
    assert math.isnan(homogeneity({}).p)
    with pytest.raises(ValueError, match="no more hits than rows"):
        homogeneity({"a": (5, 4)})
