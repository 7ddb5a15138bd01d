"""Kappa, alpha and AC1 against answers worked out by hand, their properties, and libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics import (
    Resampling,
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
)
from amendment.statistics.agreement import alpha_with_person, alphas_with_people
from amendment.statistics.beside import Beside

QUICK = Resampling(draws=50)
Rows = list[tuple[int, int]]


def counts_of(units: list[list[int]], classes: int) -> list[list[int]]:
    return [[unit.count(value) for value in range(classes)] for unit in units]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=60))
def test_kappa_is_that_of_scikit_learn(rows: Rows) -> None:
    oracle = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")
    first, second = zip(*rows, strict=True)
    found = cohen_kappa(first, second, range(len(rows)), classes=3, resampling=QUICK).value
    if len({*first, *second}) == 1:
        assert math.isnan(found)  # the library warns and gives nan or nothing of use here
    else:
        assert found == pytest.approx(float(oracle.cohen_kappa_score(first, second)), abs=1e-12)


def test_alpha_of_four_units_by_hand() -> None:
    # units 00, 01, 11, 1 (alone, left out). m = 2 each: D_o = 0 + (4 - 2) / 1 + 0 = 2; n = 6, n_0 = n_1 = 3
    # alpha = 1 - (6 - 1) * 2 / (36 - 18) = 1 - 10/18 = 4/9
    found = krippendorff_alpha(counts_of([[0, 0], [0, 1], [1, 1], [1]], 2), range(4), resampling=QUICK)
    assert found.value == pytest.approx(4 / 9)
    assert (found.n, found.clusters) == (3, 3)


def beside(judge: list[int], *people: list[int], ordered: bool = True) -> Beside:
    columns = list(range(len(judge))) * len(people), [label for person in people for label in person]
    return alphas_with_people(judge, columns, range(len(judge)), is_ordered=ordered)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40), st.booleans())
def test_alphas_of_two_raters_are_those_of_the_krippendorff_library(rows: Rows, ordered: bool) -> None:
    oracle = pytest.importorskip("krippendorff", reason="krippendorff comes with the dev extra")
    first, second = [a for a, _ in rows], [b for _, b in rows]
    alpha = beside(first, second, second, ordered=ordered).judge  # both people say the same: they are one person
    if len({*first, *second}) == 1:
        assert alpha.value == 0
    else:
        level = "ordinal" if ordered else "nominal"
        assert alpha.value == pytest.approx(oracle.alpha([first, second], level_of_measurement=level), abs=1e-9)
        assert beside(first, first, second, ordered=ordered).people.value == pytest.approx(alpha.value)


def test_the_error_of_an_alpha_is_that_of_the_jackknife() -> None:
    rng = np.random.default_rng(7)
    truth = rng.choice(5, 300, p=[0.05, 0.2, 0.5, 0.2, 0.05])
    judge, ann, bo = (np.where(rng.random(300) < 0.7, truth, rng.integers(0, 5, 300)) for _ in range(3))
    whole = beside(judge.tolist(), ann.tolist(), bo.tolist())
    without = [beside(*(np.delete(said, place).tolist() for said in (judge, ann, bo))) for place in range(300)]
    for name in ("judge", "people", "gap"):
        values = np.array([getattr(figures, name).value for figures in without])
        error = np.sqrt(299 / 300 * ((values - values.mean()) ** 2).sum())
        assert getattr(whole, name).error == pytest.approx(error, rel=0.03)


def test_the_alpha_of_a_judge_is_that_with_one_person_and_not_with_their_mean() -> None:
    # ordinal alpha of two classes is nominal; the judge equals ann and differs from bo on one of four items: its pairs
    # are 7 equal and 1 unequal of 8, D_o = 1/8; shares: the judge 2/4, people 3/8 of class 1, together 7/16
    # D_e = 2 * 7/16 * 9/16 = 126/256; alpha = 1 - 7/8 * (1/8) / (126/256) = 7/9
    assert beside([0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]).judge.value == pytest.approx(7 / 9)


def test_a_label_that_cannot_be_read_counts_as_chance() -> None:
    people = [0, 1] * 20
    assert beside([-1] * 10 + people[10:], people, people).judge.value == pytest.approx(0.75)
    alone = alpha_with_person([-1] * 40, (range(40), people), range(40), is_ordered=True)
    assert (alone.value, alone.items) == (0, 40)


def test_one_more_miss_is_as_large_as_the_labels_allow() -> None:
    # labels 97 : 3 leave little to expect, 2 * 0.97 * 0.03 = 0.0582, so that one miss takes 17 from its item
    people = [1] * 3 + [0] * 97
    figures = beside(people, people, people, ordered=False)
    assert figures.gap.least == pytest.approx(-199 / 200 / 0.0582)
    assert figures.gap.p_above(-0.05) > 0.01


def ac1(units: list[list[int]], classes: int) -> float:
    return gwet_ac1(counts_of(units, classes), range(len(units)), resampling=QUICK).value


def test_ac1_of_a_published_table() -> None:
    # Gwet's 100 pregnancies by two abstractors: 13, 20 and 56 alike, 7 and 4 apart. p_a = 0.89,
    # pi = 0.13, 51/200, 123/200; p_e = (0.1131 + 0.189975 + 0.236775) / 2 = 0.269925; 0.620075 / 0.730075
    units = [[0, 0]] * 13 + [[1, 1]] * 20 + [[2, 2]] * 56 + [[1, 2]] * 7 + [[2, 1]] * 4
    assert ac1(units, 3) == pytest.approx(0.8493305, abs=5e-8)
