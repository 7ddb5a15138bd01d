"""Bradley and Terry's strengths (1952) of items, known as a normal distribution, from comparisons of two.

    P(i beats j) = 1 / (1 + e^-(theta_i - theta_j))

Outcomes may be soft: y is P(first is better), or 1, 0, and 0.5 for a tie. Where comparisons were chosen by the results
of others, win shares mean little and these strengths still do. Not covered: ties as an outcome of their own, position
and length as covariates.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amendment.statistics.intervals import Codes, Floats

STEPS, HALVINGS = 200, 60
"""Newton steps until a fit is given up, and how often one is halved."""
NEAR = 1e-10
"""A step smaller than this, in log-odds, is the last."""


class Posterior(NamedTuple):
    """Strengths as a normal distribution around their most probable values (Laplace's approximation)."""

    mean: Floats
    covariance: Floats


def posterior(first: Codes, second: Codes, y: Floats, *, items: int, spread: float) -> Posterior:
    """Strengths of `items` items in log-odds, with the sum 0, given comparisons and that each is normal with mean 0 and
    standard deviation `spread` beforehand. `first` and `second` are numbers of items; `y` is P(first is better).

    Newton's method with halved steps, on sum [log(1 + e^d) - y d] + sum theta^2 / (2 spread^2),
    d = theta_first - theta_second.
    """
    precision = spread**-2

    def loss(point: Floats) -> float:
        d = point[first] - point[second]
        return float((np.logaddexp(0, d) - y * d).sum()) + precision / 2 * float(point @ point)

    theta = np.zeros(items)
    for _ in range(STEPS):
        p = 0.5 * (1 + np.tanh((theta[first] - theta[second]) / 2))
        residuals = y - p
        cells = np.bincount(first * items + second, p * (1 - p), items * items)
        between = np.asarray(cells, np.float64).reshape(items, items)
        between = between + between.T
        hessian = np.diag(between.sum(1) + precision) - between
        gradient = np.bincount(first, residuals, items) - np.bincount(second, residuals, items) - precision * theta
        step = np.linalg.solve(hessian, gradient)
        if np.abs(step).max() < NEAR:
            break
        before = loss(theta)
        for _ in range(HALVINGS):
            if loss(theta + step) <= before + 1e-12 * abs(before):
                break
            step = step / 2
        theta = theta + step
    return Posterior(theta - theta.mean(), np.asarray(np.linalg.inv(hessian), np.float64))
