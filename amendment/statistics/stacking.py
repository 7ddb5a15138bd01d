"""Raters weighed by how well they foretell known labels.

Covered: logistic regression of labels on the raters' log-odds (stacking: Wolpert 1992; Ting and Witten 1999), with a
ridge and no intercept, so that naming the two answers the other way round turns every probability round; cross-fitting,
so that no item is foretold by a label of its own group. Not covered: raters that are right for some items only.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats

__all__ = ["Stacked", "log_odds", "stack"]

FOLDS = 5
RIDGE = 1.0
"""Penalty on half the squared weights, of log-odds with a root mean square of 1."""
SUREST = 0.01
"""A rater is never taken for surer than this from 0 or 1: votes without probabilities say only which side."""
STEPS, SMALL = 100, 1e-10


class Stacked(NamedTuple):
    """What weighed raters say."""

    p: Floats
    """By item; of a labelled one as its fold's model says it, which has seen no label of its group."""
    weights: Floats
    """By rater, for its log-odds, from all labels."""
    n_labels: int


def log_odds(p: ArrayLike) -> Floats:
    """Log-odds of probabilities, held 0.01 away from 0 and 1; 0 for nan, which is how a rater abstains."""
    held = np.clip(np.nan_to_num(np.asarray(p, np.float64), nan=0.5), SUREST, 1 - SUREST)
    found: Floats = np.log(held) - np.log1p(-held)
    return found


def stack(log_odds: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable]) -> Stacked:
    """P of each item from `log_odds`, a row per item and a column per rater.

    `labels` are probabilities or nan, by item, and `groups` say which items belong together, such as those of one
    prompt. Items of labelled groups get what a model says that was fitted to the other folds, of five; all others what
    the model of all labels says. Raises ValueError without labels in two groups.
    """
    x, y = np.asarray(log_odds, np.float64), np.asarray(labels, np.float64)
    if x.ndim != 2 or y.shape != (len(x),) or len(groups) != len(x):
        raise ValueError("expected a row of log-odds, a label and a group for each item")
    known = ~np.isnan(y)
    folds = _folds(groups, known)
    if folds.max(initial=-1) < 1:
        raise ValueError("expected labels in two groups at least")
    scale = _scale(x)
    x = x / scale
    weights = _fit(x[known], y[known])
    p = _expit(x @ weights)
    for fold in range(folds.max() + 1):
        inside = folds == fold
        p[inside] = _expit(x[inside] @ _fit(x[known & ~inside], y[known & ~inside]))
    return Stacked(p, weights / scale, int(known.sum()))


def _expit(x: Floats) -> Floats:
    found: Floats = 0.5 * (1 + np.tanh(x / 2))  # never overflows
    return found


def _scale(x: Floats) -> Floats:
    """Root mean squares of the raters' log-odds, of items on which anybody spoke; 1 for a rater that never did."""
    squares = (x[(x != 0).any(1)] ** 2).mean(0)
    return np.where(squares > 0, np.sqrt(squares), 1.0)


def _folds(groups: Sequence[Hashable], known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """The fold of each item: labelled groups are dealt out in turn; -1 for items of groups without a label."""
    labelled = sorted({group for group, is_known in zip(groups, known, strict=True) if is_known}, key=repr)
    place = {group: number % FOLDS for number, group in enumerate(labelled)}
    return np.array([place.get(group, -1) for group in groups], np.intp)


def _fit(x: Floats, y: Floats) -> Floats:
    """Weights that minimise the log loss of sigmoid(x w) plus the ridge, by Newton's method with halved steps."""
    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = _expit(x @ weights)
        gradient = x.T @ (p - y) + RIDGE * weights
        if np.abs(gradient).max(initial=0.0) < SMALL * max(1, len(x)):
            break
        curvature = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(weights))
        weights = _lower(x, y, weights, np.asarray(np.linalg.solve(curvature, gradient), np.float64))
    return weights


def _lower(x: Floats, y: Floats, weights: Floats, step: Floats) -> Floats:
    """The first of step, half a step, a quarter ... that does not raise the loss."""
    before = _loss(x, y, weights)
    for halvings in range(30):
        tried = weights - step / 2**halvings
        if _loss(x, y, tried) <= before:
            return np.asarray(tried, np.float64)
    return weights


def _loss(x: Floats, y: Floats, weights: Floats) -> float:
    found = x @ weights
    return float((np.logaddexp(0, found) - y * found).sum() + RIDGE / 2 * weights @ weights)
