"""Dawid and Skene's estimate against a plain one, hand arithmetic, and raters whose errors are known."""

from __future__ import annotations

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.statistics.dawid_skene import dawid_skene

NOBODY = -1
Table = list[list[int]]
tables = st.lists(st.lists(st.integers(-1, 2), min_size=3, max_size=3), min_size=1, max_size=12)


def plain(votes: Table, classes: int) -> list[list[float]]:
    """The same by products of probabilities, one item after another, and no naming by majority."""
    items = [row for row in votes if any(vote >= 0 for vote in row)]
    said = [[vote for vote in row if vote >= 0] for row in items]
    found = [[row.count(k) / len(row) for k in range(classes)] for row in said]
    for _ in range(1000):
        prior = [sum(p[k] for p in found) + 0.01 for k in range(classes)]
        prior = [one / sum(prior) for one in prior]
        rates = []
        for rater in range(len(votes[0])):
            table = [
                [
                    sum(p[k] for p, row in zip(found, items, strict=True) if row[rater] == vote) + 0.01
                    for vote in range(classes)
                ]
                for k in range(classes)
            ]
            rates.append([[cell / sum(line) for cell in line] for line in table])
        renewed = []
        for row in items:
            likely = [
                prior[k] * math.prod(rates[j][k][vote] for j, vote in enumerate(row) if vote >= 0)
                for k in range(classes)
            ]
            renewed.append([one / sum(likely) for one in likely])
        change = max(abs(a - b) for old, new in zip(found, renewed, strict=True) for a, b in zip(old, new, strict=True))
        found = renewed
        if change <= 1e-8:
            break
    return found


def planted(right: list[float], *, items: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Raters that are right with these probabilities, each by itself, on two classes."""
    dice = np.random.default_rng(seed)
    truth = dice.integers(0, 2, items)
    is_right = dice.random((items, len(right))) < right
    return truth, np.where(is_right, truth[:, None], 1 - truth[:, None])


def test_rates_and_posteriors_follow_from_each_other() -> None:
    # Two items 0 0, one item 1 1, one item 0 1. With p = P(class 0) by item, what smoothing adds being 0.01:
    # prior of 0 = (sum p + 0.01) / 4.02, and the second rater's P(0 | 0) = (2 p_00 + 0.01) / (sum p + 0.02).
    votes = [[0, 0], [0, 0], [1, 1], [0, 1]]
    found = dawid_skene(votes, classes=2)
    p = found.posteriors[:, 0]
    assert found.converged
    assert found.prior[0] == pytest.approx((p.sum() + 0.01) / 4.02)
    assert found.confusions[1, 0, 0] == pytest.approx((p[0] + p[1] + 0.01) / (p.sum() + 0.02))
    # The last item: prior of 0 times P(0 | 0) of the first times P(1 | 0) of the second, against the same for class 1.
    zero, one = (found.prior[k] * found.confusions[0, k, 0] * found.confusions[1, k, 1] for k in (0, 1))
    assert p[3] == pytest.approx(zero / (zero + one), abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(tables)
def test_the_estimate_is_that_of_plain_products_up_to_the_names_of_classes(votes: Table) -> None:
    found = dawid_skene(votes, classes=3)
    voted = [row for row in votes if max(row) >= 0]
    if not voted or not found.converged:
        return
    ours, theirs = found.posteriors[found.has_votes], np.array(plain(voted, 3))
    assert sorted(ours.sum(0)) == pytest.approx(sorted(theirs.sum(0)), abs=1e-4)
    assert np.sort(ours, axis=1) == pytest.approx(np.sort(theirs, axis=1), abs=1e-4)


def test_the_error_rates_of_independent_raters_are_found_again() -> None:
    truth, votes = planted([0.95, 0.8, 0.7, 0.6], items=6000, seed=1)
    found = dawid_skene(votes, classes=2)
    assert found.converged
    assert [found.confusions[j, k, k] for j in range(4) for k in range(2)] == pytest.approx(
        [0.95, 0.95, 0.8, 0.8, 0.7, 0.7, 0.6, 0.6], abs=0.04
    )
    ours = (found.posteriors.argmax(1) == truth).mean()
    majority = np.where(votes.sum(1) == 2, 0.5, (votes.sum(1) > 2) == truth).mean()
    assert ours > majority + 0.05


def test_a_rater_who_says_the_opposite_is_read_the_other_way_round() -> None:
    truth, votes = planted([0.9, 0.85, 0.8, 0.05], items=3000, seed=2)
    found = dawid_skene(votes, classes=2)
    assert found.confusions[3, 0, 0] < 0.1
    assert (found.posteriors.argmax(1) == truth).mean() > (votes[:, 0] == truth).mean()


@pytest.mark.parametrize("seed", range(5))
def test_classes_keep_the_names_that_most_raters_give_them(seed: int) -> None:
    truth, votes = planted([0.8, 0.75, 0.7], items=400, seed=seed)
    found = dawid_skene(votes, classes=2)
    assert (found.posteriors.argmax(1) == (votes.sum(1) >= 2)).mean() > 0.5
    assert (found.posteriors.argmax(1) == truth).mean() > 0.7


def test_an_item_without_votes_has_the_prior_and_says_so_and_makes_nothing_nan() -> None:
    votes = [[0, 0], [0, 0], [0, 0], [1, 1], [NOBODY, NOBODY]]
    found = dawid_skene(votes, classes=2)
    assert found.has_votes.tolist() == [True] * 4 + [False]
    assert found.posteriors[4] == pytest.approx(found.prior)
    assert found.prior[0] == pytest.approx(0.75, abs=0.01)
    assert np.isfinite(found.posteriors).all()
    without = dawid_skene(votes[:4], classes=2)
    assert found.posteriors[:4] == pytest.approx(without.posteriors), "nobody's vote changes nothing"


def test_where_nobody_voted_at_all_every_class_is_as_likely_as_another() -> None:
    found = dawid_skene([[NOBODY], [NOBODY]], classes=3)
    assert found.posteriors == pytest.approx(np.full((2, 3), 1 / 3))
    assert dawid_skene(np.zeros((0, 2), int), classes=2).posteriors.shape == (0, 2)


@settings(deadline=None, max_examples=25)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_items_does_not_matter_to_the_last_digit(votes: Table, dice: Random) -> None:
    order = list(range(len(votes)))
    dice.shuffle(order)
    found = dawid_skene(votes, classes=3)
    shuffled = dawid_skene([votes[index] for index in order], classes=3)
    assert np.array_equal(shuffled.posteriors, found.posteriors[order])


def test_forty_raters_are_told_apart_by_rows_as_well_as_by_numbers() -> None:
    truth, votes = planted([0.6] * 40, items=300, seed=3)
    found = dawid_skene(votes, classes=2)
    assert (found.posteriors.argmax(1) == truth).mean() > 0.85
    assert np.array_equal(found.posteriors, dawid_skene(votes.astype(np.int8), classes=2).posteriors)


@pytest.mark.parametrize("votes", [[0, 1], [[0, 3]], [[-2, 0]], [[0.5, 1.0]]])
def test_votes_that_are_no_classes_are_refused(votes: object) -> None:
    with pytest.raises(ValueError, match="whole numbers from -1 to 2"):
        dawid_skene(votes, classes=3)  # type: ignore[arg-type]
