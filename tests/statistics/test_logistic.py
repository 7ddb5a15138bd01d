"""Weights of raters and strengths of answers against a general minimiser; symmetry, and labels that no item of their
group has seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from amendment.statistics.logistic import posterior, stack

Floats = NDArray[np.float64]


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


def test_labels_of_one_group_cannot_be_crossed() -> None:
    with pytest.raises(ValueError, match="two groups"):
        stack([[0.9], [0.8]], [1.0, 0.0], ["p", "p"])
    with pytest.raises(ValueError, match="a label and a group for each item"):
        stack([[0.9]], [1.0, 0.0], ["p"])


def test_a_posterior_is_the_most_probable_point_under_the_prior() -> None:
    first, second, y = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.7, 0.9, 1.0])

    def loss_of(theta: Floats) -> float:
        d = theta[first] - theta[second]
        return float((np.logaddexp(0, d) - y * d).sum() + theta @ theta / (2 * 1.5**2))

    found = posterior(first, second, y, items=3, spread=1.5)
    best = minimize(loss_of, np.zeros(3), options={"gtol": 1e-8})
    assert found.mean == pytest.approx(best.x, abs=1e-5)
    apart = np.eye(3)[first] - np.eye(3)[second]
    p = expit(apart @ best.x)
    hessian = apart.T * (p * (1 - p)) @ apart + np.eye(3) / 1.5**2
    assert found.covariance == pytest.approx(np.linalg.inv(hessian), rel=1e-3)
