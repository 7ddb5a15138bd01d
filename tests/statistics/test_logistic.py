"""Weights of raters and strengths of answers against a general minimiser; symmetry, and labels that no item of their
group has seen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from amendment.statistics.logistic import posterior, stack

Floats = NDArray[np.float64]
NAN = float("nan")


def loss(weights: Floats, x: Floats, y: Floats) -> float:
    p = expit(x @ weights)
    return float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).sum() + 0.5 * weights @ weights)


def data(items: int, *, seed: int) -> tuple[Floats, Floats, list[int]]:
    """Log-odds of two raters, held at P of 0.01 and 0.99, the first of them much better; two items a group."""
    random = np.random.default_rng(seed)
    truth = random.normal(size=items) * 2
    x = np.clip(truth[:, None] + random.normal(size=(items, 2)) * [0.5, 4.0], -4.59, 4.59)
    return x, (random.random(items) < expit(truth)).astype(float), [index // 2 for index in range(items)]


def test_weights_minimise_the_log_loss_with_a_ridge() -> None:
    x, y, groups = data(200, seed=1)
    scale = np.sqrt((x * x).mean(0))
    best = minimize(loss, np.zeros(2), args=(x / scale, y), tol=1e-12).x
    assert stack(expit(x), y, groups).weights == pytest.approx(best / scale, abs=1e-5)


def test_the_better_rater_weighs_more_and_unlabelled_items_are_foretold_by_all_labels() -> None:
    x, y, groups = data(400, seed=3)
    found = stack(expit(x), np.where(np.arange(400) < 100, y, NAN), groups)
    assert found.weights[0] > 3 * abs(found.weights[1])
    assert found.p[100:] == pytest.approx(expit(x[100:] @ found.weights))


def test_no_item_is_foretold_by_a_label_of_its_own_group() -> None:
    x, y, groups = data(60, seed=4)
    before = stack(expit(x), y, groups).p
    for group in (0, 7, 29):
        own = [2 * group, 2 * group + 1]
        changed = y.copy()
        changed[own] = 1 - changed[own]
        after = stack(expit(x), changed, groups).p
        assert np.array_equal(after[own], before[own])
        assert not np.array_equal(after, before)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=40, max_size=40))
def test_naming_answers_the_other_way_round_turns_their_probabilities_round(turned: list[bool]) -> None:
    x, y, groups = data(40, seed=5)
    labels = np.where(np.arange(40) % 3 == 0, NAN, y)
    signs = np.where(turned, -1.0, 1.0)
    found = stack(expit(x), labels, groups)
    other = stack(expit(x * signs[:, None]), np.where(turned, 1 - labels, labels), groups)
    assert other.weights == pytest.approx(found.weights, abs=1e-9)
    assert np.where(turned, 1 - other.p, other.p) == pytest.approx(found.p, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "groups"), [([NAN, NAN], ["p", "q"]), ([1.0, 0.0], ["p", "p"]), ([1.0, NAN], ["p", "q"])]
)
def test_labels_of_one_group_cannot_be_crossed(labels: list[float], groups: list[str]) -> None:
    with pytest.raises(ValueError, match="two groups"):
        stack([[0.9], [0.8]], labels, groups)
    with pytest.raises(ValueError, match="a label and a group for each item"):
        stack([[0.9]], [1.0, 0.0], ["p"])


def derivative(f: Callable[[Floats], Floats], at: Floats, step: float = 1e-5) -> Floats:
    """Central differences, one row per coordinate."""
    sides = [(f(at + move), f(at - move)) for move in step * np.eye(at.size)]
    return np.array([(up - down) / (2 * step) for up, down in sides])


def test_a_posterior_is_the_most_probable_point_under_the_prior() -> None:
    first, second, y = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.7, 0.9, 1.0])

    def loss_of(theta: Floats) -> float:
        d = theta[first] - theta[second]
        return float((np.logaddexp(0, d) - y * d).sum() + theta @ theta / (2 * 1.5**2))

    found = posterior(first, second, y, items=3, spread=1.5)
    best = minimize(loss_of, np.zeros(3), options={"gtol": 1e-8})
    assert found.mean == pytest.approx(best.x, abs=1e-5)
    hessian = derivative(lambda theta: derivative(lambda inner: np.array(loss_of(inner)), theta), best.x)
    assert found.covariance == pytest.approx(np.linalg.inv(hessian), rel=1e-3)
    nothing = posterior(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), items=2, spread=2.0)
    assert nothing.covariance == pytest.approx(4 * np.eye(2))
