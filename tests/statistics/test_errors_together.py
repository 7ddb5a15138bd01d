"""Correlation of errors and the effective number of raters, by hand and against libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.statistics.errors_together import effective_number, errors_together


def test_phi_of_two_raters_by_hand() -> None:
    # Errors of the first: items 0, 1; of the second: 0, 2; of eight. n11 = 1, n1. = n.1 = 2, n = 8:
    # phi = (8 * 1 - 2 * 2) / sqrt(2 * 6 * 2 * 6) = 4 / 12 = 1/3. Effective: 2 / (1 + 1/3) = 1.5.
    votes = [[1, 1], [1, 0], [0, 1], *[[0, 0]] * 5]
    found = errors_together(votes, [0] * 8)
    assert found.against == "labels"
    assert found.error_rates == pytest.approx([0.25, 0.25])
    assert found.phi[0, 1] == found.phi[1, 0] == pytest.approx(1 / 3)
    assert found.counts.tolist() == [[8, 8], [8, 8]]
    assert found.effective == pytest.approx(1.5)


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 4), min_size=2, max_size=40))
def test_phi_is_the_correlation_of_error_indicators(rows: list[tuple[int, ...]]) -> None:
    votes, labels = np.array([row[:3] for row in rows]), np.array([row[3] for row in rows])
    found = errors_together(votes, labels)
    wrong = (votes != labels[:, None]).astype(float)
    for one in range(3):
        for other in range(one):
            if wrong[:, one].std() == 0 or wrong[:, other].std() == 0:
                assert math.isnan(found.phi[one, other])
            else:
                assert found.phi[one, other] == pytest.approx(np.corrcoef(wrong[:, one], wrong[:, other])[0, 1])


def test_one_judge_asked_three_times_is_worth_one_and_independent_ones_are_worth_all() -> None:
    dice = np.random.default_rng(5)
    truth = dice.integers(0, 2, 4000)
    alone = np.where(dice.random((4000, 3)) < 0.8, truth[:, None], 1 - truth[:, None])
    assert errors_together(alone, truth).effective == pytest.approx(3, abs=0.15)
    assert errors_together(alone[:, [0, 0, 0]], truth).effective == pytest.approx(1)


def test_items_without_a_label_or_a_vote_do_not_count() -> None:
    whole = [[1, 1], [1, 0], [0, 1], *[[0, 0]] * 5]
    found = errors_together([*whole, [1, 0], [-1, 1]], [0] * 8 + [-1, 0])
    assert found.phi[0, 1] == pytest.approx(1 / 3)
    assert found.counts[0, 1] == 8
    assert found.error_rates[1] == pytest.approx(3 / 9), "its vote on the last item counts for itself"


def test_without_labels_an_error_is_a_vote_against_the_majority_of_the_others() -> None:
    # Five raters. Item 0: the first is alone; item 1: the second is alone; item 2: both, against three. The others of
    # the first then have three votes to one against it; the others of the third have two to two, which is no majority.
    votes = [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 1, 0, 0, 0], *[[0] * 5] * 5]
    found = errors_together(votes)
    assert found.against == "majority of the others"
    assert found.error_rates == pytest.approx([2 / 8, 2 / 8, 0, 0, 0])
    assert found.phi[0, 1] == pytest.approx((8 * 1 - 2 * 2) / math.sqrt(2 * 6 * 2 * 6))
    assert found.counts[0, 2] == 7
    assert math.isnan(found.phi[0, 2])


def test_three_raters_without_labels_cannot_be_told_apart() -> None:
    votes = np.random.default_rng(1).integers(0, 2, (50, 3))
    found = errors_together(votes)
    assert math.isnan(found.mean_phi)
    assert math.isnan(found.effective)


def test_the_effective_number_by_hand() -> None:
    # Nine raters whose errors correlate by 0.26 on average: 9 / (1 + 8 * 0.26) = 9 / 3.08
    assert effective_number(9, 0.26) == pytest.approx(9 / 3.08)
    assert effective_number(3, -0.2) == 3, "a negative correlation promises nothing"
    assert math.isnan(effective_number(1, math.nan))


def test_votes_that_are_no_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="whole numbers from -1"):
        errors_together([[0.5, 1.0]])
