"""Raters weighed by how well they foretell known labels.

Covered: logistic regression of labels on the raters' log-odds (stacking: Wolpert 1992; Ting and Witten 1999), with a
ridge and no intercept, so that naming the two answers the other way round turns every probability round; cross-fitting,
so that no item is foretold by a label of its own group. Not covered: raters that are right for some items only.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import Floats

FOLDS = 5
RIDGE = 1.0
"""Penalty on half the squared weights, of log-odds with a root mean square of 1."""
LEAST = 0.01
"""Probabilities are held this far from 0 and 1: votes without probabilities say only which side."""
STEPS, SMALL, HALVINGS = 100, 1e-10, 30


class Stacked(NamedTuple):
    """What weighed raters say."""

    p: Floats
    """By item; of a labelled one as its fold's model says it, which has seen no label of its group."""
    weights: Floats
    """By rater, for its log-odds, from all labels."""


def stack(p: ArrayLike, labels: ArrayLike, groups: Sequence[Hashable]) -> Stacked:
    """P of each item from the raters' P, a row per item and a column per rater; nan is how a rater abstains.

    `labels` are probabilities or nan, by item, and `groups` say which items belong together, such as those of one
    prompt. An item of a labelled group is scored by a model that was fitted to the other four folds of five; any
    other item by the model of all labels. Raises ValueError without labels in two groups.
    """
    raters, y = np.asarray(p, np.float64), np.asarray(labels, np.float64)
    if raters.ndim != 2 or y.shape != (len(raters),) or len(groups) != len(raters):
        raise ValueError("expected a row of probabilities, a label and a group for each item")
    has_label = ~np.isnan(y)
    labelled = sorted({group for group, is_labelled in zip(groups, has_label, strict=True) if is_labelled}, key=repr)
    if len(labelled) < 2:
        raise ValueError("expected labels in two groups at least")
    fold_of = {group: number % FOLDS for number, group in enumerate(labelled)}
    folds = np.array([fold_of.get(group, -1) for group in groups], np.intp)
    held = np.clip(np.nan_to_num(raters, nan=0.5), LEAST, 1 - LEAST)
    x = np.log(held) - np.log1p(-held)
    squares = (x[(x != 0).any(1)] ** 2).mean(0)
    scale = np.where(squares > 0, np.sqrt(squares), 1.0)
    x = x / scale
    weights = _fit(x[has_label], y[has_label])
    stacked = _expit(x @ weights)
    for fold in range(folds.max() + 1):
        inside = folds == fold
        stacked[inside] = _expit(x[inside] @ _fit(x[has_label & ~inside], y[has_label & ~inside]))
    return Stacked(stacked, weights / scale)


def _fit(x: Floats, y: Floats) -> Floats:
    """Weights that minimise the log loss of sigmoid(x w) plus the ridge, by Newton's method with halved steps."""

    def loss(weights: Floats) -> float:
        log_odds = x @ weights
        return float((np.logaddexp(0, log_odds) - y * log_odds).sum() + RIDGE / 2 * weights @ weights)

    weights = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = _expit(x @ weights)
        gradient = x.T @ (p - y) + RIDGE * weights
        if np.abs(gradient).max(initial=0.0) < SMALL * max(1, len(x)):
            break
        curvature = (x * (p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(weights))
        step, before = np.linalg.solve(curvature, gradient), loss(weights)
        tried = (weights - step / 2**halvings for halvings in range(HALVINGS))
        weights = next((candidate for candidate in tried if loss(candidate) <= before), weights)
    return weights


def _expit(x: Floats) -> Floats:
    expit: Floats = 0.5 * (1 + np.tanh(x / 2))  # never overflows
    return expit
