"""Logistic regression of soft labels, with a ridge and no intercept: weights of raters, and strengths of answers.

`stack` weighs raters by how well they foretell known labels (Wolpert 1992; Ting and Witten 1999). It regresses
labels on the raters' log-odds, so that naming the two answers the other way round turns every probability round, and is
cross-fitted, so that no item is foretold by a label of its own group. Not covered: raters that are right for some items
only.

`posterior` knows Bradley and Terry's strengths (1952), P(i beats j) = 1 / (1 + e^-(theta_i - theta_j)), as a normal
distribution. Where comparisons were chosen by the results of others, win shares mean little and these strengths still
do. Not covered: ties as an outcome of their own, position and length as covariates.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import Codes, Floats

FOLDS = 5
RIDGE = 1.0
"""Penalty on half the squared weights of raters, of log-odds with a root mean square of 1."""
LEAST = 0.01
"""Probabilities are held this far from 0 and 1: votes without probabilities say only which side."""
STEPS, HALVINGS = 200, 60
"""Newton steps until a fit is given up, and how often one is halved."""
NEAR = 1e-10
"""A step smaller than this, in log-odds, is the last."""


class Stacked(NamedTuple):
    """Probabilities from weighted raters, and the weights."""

    p: Floats
    """By item; of a labelled one as its fold's model says it, which has seen no label of its group."""
    weights: Floats
    """By rater, for its log-odds, from all labels."""


def stack(p: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable]) -> Stacked:
    """Return P of each item from the raters' P, a row per item and a column per rater; nan is how a rater abstains.

    `labels` are probabilities or nan, by item, and `groups` say which items belong together, such as those of one
    prompt. An item of a labelled group is scored by a model that was fitted to the other four folds of five; any
    other item by the model of all labels. Raises ValueError without labels in two groups.
    """
    raters = np.asarray(p, np.float64)
    y = np.asarray(labels, np.float64)
    if raters.ndim != 2 or y.shape != (len(raters),) or len(groups) != len(raters):
        raise ValueError("expected a row of probabilities, a label and a group for each item")
    has_label = ~np.isnan(y)
    labelled = sorted({group for group, is_labelled in zip(groups, has_label, strict=True) if is_labelled}, key=repr)
    if len(labelled) < 2:
        raise ValueError("expected labels in two groups at least")
    fold_of = {group: number % FOLDS for number, group in enumerate(labelled)}
    folds = np.array([fold_of.get(group, -1) for group in groups], np.intp)
    clipped = np.clip(np.nan_to_num(raters, nan=0.5), LEAST, 1 - LEAST)
    x = np.log(clipped) - np.log1p(-clipped)
    squares = (x[(x != 0).any(1)] ** 2).mean(0)
    scale = np.where(squares > 0, np.sqrt(squares), 1.0)
    x = x / scale
    weights = _fit(x[has_label], y[has_label], RIDGE).weights
    stacked = sigmoid(x @ weights)
    for fold in range(folds.max() + 1):
        inside = folds == fold
        stacked[inside] = sigmoid(x[inside] @ _fit(x[has_label & ~inside], y[has_label & ~inside], RIDGE).weights)
    return Stacked(stacked, weights / scale)


class Posterior(NamedTuple):
    """Strengths as a normal distribution around their most probable values (Laplace's approximation)."""

    mean: Floats
    covariance: Floats


def posterior(first: Codes, second: Codes, y: Floats, *, items: int, spread: float) -> Posterior:
    """Return strengths of `items` items in log-odds, with the sum 0, given comparisons and that each is normal with
    mean 0 and standard deviation `spread` beforehand. `first` and `second` are numbers of items; `y` is P(first is
    better), or 1, 0, and 0.5 for a tie."""
    one_hot = np.eye(items)
    fit = _fit(one_hot[first] - one_hot[second], y, spread**-2)
    return Posterior(fit.weights - fit.weights.mean(), np.asarray(np.linalg.inv(fit.curvature), np.float64))


class _LogisticFit(NamedTuple):
    weights: Floats
    curvature: Floats


def _fit(x: Floats, y: Floats, ridge: float) -> _LogisticFit:
    """Return the weights w that minimise sum [log(1 + e^(x w)) - y x w] + ridge |w|^2 / 2, by Newton's method with
    halved steps, and the matrix of second derivatives there."""

    def loss(weights: Floats) -> float:
        log_odds = x @ weights
        return float((np.logaddexp(0, log_odds) - y * log_odds).sum() + ridge / 2 * weights @ weights)

    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = sigmoid(x @ weights)
        curvature = (x.T * (p * (1 - p))) @ x + ridge * np.eye(len(weights))
        step = np.linalg.solve(curvature, x.T @ (y - p) - ridge * weights)
        if np.abs(step).max(initial=0.0) < NEAR:
            break
        before = loss(weights)
        for _ in range(HALVINGS):
            if loss(weights + step) <= before + 1e-12 * abs(before):
                break
            step = step / 2
        weights = weights + step
    return _LogisticFit(weights, curvature)


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x)), which never overflows."""
    p: Floats = 0.5 * (1 + np.tanh(x / 2))
    return p
