"""Bradley and Terry's ratings against hand arithmetic and against second implementations, brute force in their ways."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from amendment.statistics import posterior

Floats = NDArray[np.float64]


def derivative(f: Callable[[Floats], Floats], at: Floats, step: float = 1e-5) -> Floats:
    """Central differences, one row per coordinate."""
    sides = [(f(at + move), f(at - move)) for move in step * np.eye(at.size)]
    return np.array([(up - down) / (2 * step) for up, down in sides])


def test_a_posterior_is_the_most_probable_point_under_the_prior() -> None:
    first, second, y = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.7, 0.9, 1.0])

    def loss(theta: Floats) -> float:
        d = theta[first] - theta[second]
        return float((np.logaddexp(0, d) - y * d).sum() + theta @ theta / (2 * 1.5**2))

    found = posterior(first, second, y, items=3, spread=1.5)
    best = minimize(loss, np.zeros(3), options={"gtol": 1e-8})
    assert found.mean == pytest.approx(best.x, abs=1e-5)
    hessian = derivative(lambda theta: derivative(lambda inner: np.array(loss(inner)), theta), best.x)
    assert found.covariance == pytest.approx(np.linalg.inv(hessian), rel=1e-3)
    nothing = posterior(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), items=2, spread=2.0)
    assert nothing.covariance == pytest.approx(4 * np.eye(2))
