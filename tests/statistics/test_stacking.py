"""Stacking against general minimisers, its symmetry, and labels that no item of their group has seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit

from amendment.statistics.stacking import log_odds, stack

NAN = float("nan")


def loss(weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    p = expit(x @ weights)
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).sum() + 0.5 * weights @ weights)


def data(items: int, *, seed: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Two raters, the first of them much better; two items a group."""
    dice = np.random.default_rng(seed)
    truth = dice.normal(size=items) * 2
    x = truth[:, None] + dice.normal(size=(items, 2)) * [0.5, 4.0]
    return x, (dice.random(items) < expit(truth)).astype(float), [index // 2 for index in range(items)]


def test_weights_minimise_the_log_loss_with_a_ridge() -> None:
    x, y, groups = data(200, seed=1)
    scale = np.sqrt((x * x).mean(0))
    best = minimize(loss, np.zeros(2), args=(x / scale, y), tol=1e-12).x
    assert stack(x, y, groups).weights == pytest.approx(best / scale, abs=1e-5)


def test_weights_are_those_of_scikit_learn() -> None:
    oracle = pytest.importorskip("sklearn.linear_model", reason="scikit-learn comes with the dev extra")
    x, y, groups = data(120, seed=2)
    scale = np.sqrt((x * x).mean(0))
    fitted = oracle.LogisticRegression(fit_intercept=False, C=1.0, tol=1e-10, max_iter=1000).fit(x / scale, y)
    assert stack(x, y, groups).weights == pytest.approx(fitted.coef_[0] / scale, abs=1e-5)


def test_the_better_rater_weighs_more_and_unlabelled_items_are_foretold_by_all_labels() -> None:
    x, y, groups = data(400, seed=3)
    labels = np.where(np.arange(400) < 100, y, NAN)
    found = stack(x, labels, groups)
    assert found.n_labels == 100
    assert found.weights[0] > 3 * abs(found.weights[1])
    assert found.p[100:] == pytest.approx(expit(x[100:] @ found.weights))


def test_no_item_is_foretold_by_a_label_of_its_own_group() -> None:
    x, y, groups = data(60, seed=4)
    before = stack(x, y, groups).p
    for group in range(30):
        changed = y.copy()
        changed[[2 * group, 2 * group + 1]] = 1 - changed[[2 * group, 2 * group + 1]]
        after = stack(x, changed, groups).p
        own = [2 * group, 2 * group + 1]
        assert np.array_equal(after[own], before[own])
        assert not np.array_equal(after, before)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_naming_answers_the_other_way_round_turns_their_probabilities_round(turned: list[bool]) -> None:
    x, y, groups = data(40, seed=5)
    labels = np.where(np.arange(40) % 3 == 0, NAN, y)
    signs = np.where(turned, -1.0, 1.0)
    found = stack(x, labels, groups)
    other = stack(x * signs[:, None], np.where(turned, 1 - labels, labels), groups)
    assert other.weights == pytest.approx(found.weights, abs=1e-9)
    assert np.where(turned, 1 - other.p, other.p) == pytest.approx(found.p, abs=1e-9)


def test_labels_that_can_be_foretold_without_a_mistake_have_finite_weights() -> None:
    found = stack([[5.0], [-5.0]] * 10, [1.0, 0.0] * 10, list(range(20)))
    assert np.isfinite(found.weights).all()
    assert (found.p[::2] > 0.8).all()
    assert (found.p[1::2] < 0.2).all()


def test_a_rater_that_never_spoke_weighs_nothing_and_one_vote_is_not_certainty() -> None:
    assert log_odds([NAN, 0.5]).tolist() == [0, 0]
    assert log_odds([1.0]) == pytest.approx(np.log(0.99 / 0.01))
    x = log_odds([[1.0, NAN], [0.0, NAN]] * 20)
    assert stack(x, [1.0, 0.0] * 20, list(range(40))).weights[1] == 0


@pytest.mark.parametrize(
    ("labels", "groups"), [([NAN, NAN], ["p", "q"]), ([1.0, 0.0], ["p", "p"]), ([1.0, NAN], ["p", "q"])]
)
def test_labels_of_one_group_cannot_be_crossed(labels: list[float], groups: list[str]) -> None:
    with pytest.raises(ValueError, match="two groups"):
        stack([[1.0], [2.0]], labels, groups)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a label and a group for each item"):
        stack([[1.0]], [1.0, 0.0], ["p"])
