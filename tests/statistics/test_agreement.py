"""Kappa, alpha and AC1 against answers worked out by hand, their properties, and libraries."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.statistics import Resampling, cohen_kappa, gwet_ac1, kappa_of, krippendorff_alpha

QUICK = Resampling(draws=50)
Rows = list[tuple[int, int]]


def kappa(first: list[int], second: list[int], classes: int = 3) -> float:
    return cohen_kappa(first, second, range(len(first)), classes=classes, resampling=QUICK).value


def counts_of(units: list[list[int]], classes: int) -> list[list[int]]:
    return [[unit.count(value) for value in range(classes)] for unit in units]


def test_kappa_of_two_raters_who_agree_on_three_of_four() -> None:
    # observed 3/4; expected 1/2 * 1/4 + 1/2 * 3/4 = 1/2; kappa = (3/4 - 1/2) / (1 - 1/2)
    assert kappa([1, 1, 0, 0], [1, 0, 0, 0]) == pytest.approx(0.5)


def test_kappa_of_the_textbook_table() -> None:
    # 20 both yes, 5 and 10 apart, 15 both no: p_o = 35/50, p_e = 0.5 * 0.6 + 0.5 * 0.4 = 0.5, kappa = 0.4
    assert kappa_of(np.array([[20.0, 5, 10, 15]]))[0] == pytest.approx(0.4)


def test_kappa_is_nan_where_both_always_say_the_same_one_thing() -> None:
    assert math.isnan(kappa([1, 1, 1], [1, 1, 1]))


def test_kappa_is_zero_where_one_rater_is_constant_and_the_other_is_not() -> None:
    # p_o = 1/2, p_e = 1 * 1/2
    assert kappa([0, 0, 0, 0], [0, 1, 0, 1]) == 0


@given(st.lists(st.integers(0, 2), min_size=2, max_size=30).filter(lambda rows: len(set(rows)) > 1))
def test_kappa_of_a_rater_with_itself_is_one(rows: list[int]) -> None:
    assert kappa(rows, rows) == 1


@settings(deadline=None)  # the first call imports the library
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn_and_symmetric(rows: Rows) -> None:
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")
    first, second = [a for a, _ in rows], [b for _, b in rows]
    found = kappa(first, second)
    assert kappa(second, first) == pytest.approx(found, nan_ok=True)
    if math.isnan(found):
        assert set(first) == set(second)
        assert len(set(first)) == 1  # the library warns and gives nan or nothing of use here
    else:
        assert found == pytest.approx(float(oracle.cohen_kappa_score(first, second)), abs=1e-12)


@pytest.mark.parametrize(("first", "second"), [([0, 3], [0, 1]), ([0, -1], [0, 1]), ([0.5, 1.0], [0.0, 1.0])])
def test_classes_are_whole_numbers_in_range(first: list[float], second: list[float]) -> None:
    with pytest.raises(ValueError, match="whole numbers from 0 to 2"):
        cohen_kappa(first, second, range(2), classes=3)


def test_two_raters_have_equally_many_rows() -> None:
    with pytest.raises(ValueError, match="a class for each row"):
        cohen_kappa([0, 1], [0], range(2), classes=2)


def test_alpha_of_four_units_by_hand() -> None:
    # units 00, 01, 11, 1 (alone, left out). m = 2 each: D_o = 0 + (4 - 2) / 1 + 0 = 2; n = 6, n_0 = n_1 = 3
    # alpha = 1 - (6 - 1) * 2 / (36 - 18) = 1 - 10/18 = 4/9
    found = krippendorff_alpha(counts_of([[0, 0], [0, 1], [1, 1], [1]], 2), range(4), resampling=QUICK)
    assert found.value == pytest.approx(4 / 9)
    assert (found.n, found.clusters) == (3, 3)


def test_alpha_weighs_a_unit_of_three_by_hand() -> None:
    # units 0 0 1 and 1 1: D_o = (9 - 5) / 2 = 2; n = 5, n_0 = 2, n_1 = 3; alpha = 1 - 4 * 2 / (25 - 13) = 1/3
    found = krippendorff_alpha(counts_of([[0, 0, 1], [1, 1]], 2), range(2), resampling=QUICK)
    assert found.value == pytest.approx(1 / 3)


def test_alpha_is_nan_where_all_ratings_are_equal() -> None:
    found = krippendorff_alpha(counts_of([[1, 1]] * 30, 3), range(30), resampling=QUICK)
    assert math.isnan(found.value)
    assert found.note == "undefined on these rows"


def test_alpha_of_nothing_that_can_be_compared_is_nan() -> None:
    found = krippendorff_alpha(counts_of([[1], [0], []], 2), range(3), resampling=QUICK)
    assert math.isnan(found.value)
    assert (found.n, found.note) == (0, "no rows")


Units = st.lists(st.lists(st.integers(0, 2), min_size=0, max_size=5), min_size=2, max_size=25)


@given(Units, st.randoms(use_true_random=False))
def test_alpha_does_not_care_which_rater_said_what(units: list[list[int]], random: Random) -> None:
    def alpha(units: list[list[int]]) -> float:
        return krippendorff_alpha(counts_of(units, 3), range(len(units)), resampling=QUICK).value

    shuffled = [random.sample(unit, len(unit)) for unit in units]
    assert alpha(shuffled) == pytest.approx(alpha(units), nan_ok=True)


@settings(deadline=None)
@given(Units)
def test_alpha_is_that_of_the_krippendorff_library(units: list[list[int]]) -> None:
    oracle = pytest.importorskip("krippendorff", reason="krippendorff comes with the dev extra")
    counts = np.array(counts_of(units, 3))
    found = krippendorff_alpha(counts, range(len(units)), resampling=QUICK).value
    comparable = counts[counts.sum(1) > 1]
    if (comparable.sum(0) > 0).sum() < 2:
        assert math.isnan(found)
    else:
        expected = oracle.alpha(value_counts=comparable, level_of_measurement="nominal")
        assert found == pytest.approx(float(expected), abs=1e-12)


def test_a_cluster_per_unit_is_needed() -> None:
    with pytest.raises(ValueError, match="a row of counts and a cluster per unit"):
        krippendorff_alpha([[1, 1]], ["a", "b"])


def ac1(units: list[list[int]], classes: int) -> float:
    return gwet_ac1(counts_of(units, classes), range(len(units)), resampling=QUICK).value


def test_ac1_of_two_raters_by_hand() -> None:
    # both 0 on 2 of 4 units, both 1 on one, apart on one: p_a = 3/4; pi_1 = (1 + 1/2) / 4 = 3/8, pi_0 = 5/8
    # p_e = (3/8 * 5/8 + 5/8 * 3/8) / (2 - 1) = 30/64; AC1 = (48/64 - 30/64) / (34/64) = 18/34
    assert ac1([[0, 0], [0, 0], [1, 1], [0, 1]], 2) == pytest.approx(18 / 34)


def test_ac1_depends_on_how_many_classes_are_possible() -> None:
    # the same with a third class that nobody chose: p_e = 30/64 / 2 = 15/64; AC1 = (48 - 15) / (64 - 15)
    assert ac1([[0, 0], [0, 0], [1, 1], [0, 1]], 3) == pytest.approx(33 / 49)


def test_ac1_of_a_published_table() -> None:
    # Gwet's 100 pregnancies by two abstractors: 13, 20 and 56 alike, 7 and 4 apart. p_a = 0.89,
    # pi = 0.13, 51/200, 123/200; p_e = (0.1131 + 0.189975 + 0.236775) / 2 = 0.269925; 0.620075 / 0.730075
    units = [[0, 0]] * 13 + [[1, 1]] * 20 + [[2, 2]] * 56 + [[1, 2]] * 7 + [[2, 1]] * 4
    assert ac1(units, 3) == pytest.approx(0.8493305, abs=5e-8)


def test_ac1_with_absent_ratings() -> None:
    # units 000, 01, 1: agreement 1 and 0, so p_a = 1/2 over two units; the classes over three units:
    # pi_0 = (1 + 1/2 + 0) / 3 = 1/2; p_e = 1/2; AC1 = 0
    found = gwet_ac1(counts_of([[0, 0, 0], [0, 1], [1], []], 2), range(4), resampling=QUICK)
    assert found.value == pytest.approx(0)
    assert found.n == 2


def test_ac1_stays_where_one_class_is_nearly_everything_and_alpha_collapses() -> None:
    # 96 units 00, 2 and 2 apart: p_a = 0.96, pi_1 = 0.02, p_e = 2 * 0.98 * 0.02 = 0.0392
    units = [[0, 0]] * 96 + [[0, 1]] * 2 + [[1, 0]] * 2
    assert ac1(units, 2) == pytest.approx(0.9208 / 0.9608)
    assert krippendorff_alpha(counts_of(units, 2), range(100), resampling=QUICK).value < 0
    assert ac1([[0, 0]] * 30, 2) == 1


@pytest.mark.parametrize("units", [[[0]], [[]], []])
def test_ac1_of_nothing_that_can_be_compared_is_nan(units: list[list[int]]) -> None:
    found = gwet_ac1(np.array(counts_of(units, 2)).reshape(-1, 2), range(len(units)), resampling=QUICK)
    assert math.isnan(found.value)
    assert found.note == "no rows"


def test_ac1_needs_two_possible_classes() -> None:
    with pytest.raises(ValueError, match="two possible classes or more, found 1"):
        gwet_ac1([[2], [2]], range(2))


@given(st.lists(st.lists(st.integers(0, 2), min_size=2, max_size=5), min_size=1, max_size=20))
def test_ac1_is_one_only_where_all_agree_and_never_above(units: list[list[int]]) -> None:
    found = ac1(units, 3)
    assert found <= 1
    assert (found == pytest.approx(1)) == all(len(set(unit)) == 1 for unit in units)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=60), st.permutations(range(3)))
def test_ac1_does_not_care_what_classes_are_called(rows: Rows, names: list[int]) -> None:
    renamed = [[names[a], names[b]] for a, b in rows]
    assert ac1(renamed, 3) == pytest.approx(ac1([list(row) for row in rows], 3))


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 2), min_size=3, max_size=3), min_size=2, max_size=30))
def test_its_raw_agreement_is_that_of_statsmodels(units: list[list[int]]) -> None:
    oracle = pytest.importorskip("statsmodels.stats.inter_rater", reason="statsmodels comes with the dev extra")
    counts = np.array(counts_of(units, 3))
    # Randolph's kappa is (p_a - 1/K) / (1 - 1/K): it gives the library's p_a
    observed = float(oracle.fleiss_kappa(counts, method="randolph")) * (2 / 3) + 1 / 3
    pi = counts.sum(0) / counts.sum()
    chance = float((pi * (1 - pi)).sum()) / 2
    assert ac1(units, 3) == pytest.approx((observed - chance) / (1 - chance))
