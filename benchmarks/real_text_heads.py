"""Heads on frozen features: a ridge regression of preferences, whose strength is chosen on people's labels.

    P(a is better) = sigmoid(w . (f(a) - f(b)))

with no intercept (naming the answers the other way round turns P round), and |w|^2 penalised (Bradley and Terry 1952,
with covariates). Features are on one scale, and on their leading components, before (`components`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.statistics.calibration_errors import log_losses

Floats = NDArray[np.float64]
RIDGES = (10000.0, 3000.0, 1000.0, 300.0, 100.0, 30.0)
"""Penalties on |w|^2 / 2, the sum of the losses of the pairs apart, from strong to weak."""
FOLDS = 5
STEPS = 12
NEAR = 1e-3
"""A Newton step that moves no log-odds by more than this is the last; the error after it is of its square."""


class Labelled(NamedTuple):
    """Pairs to train on."""

    x: Floats
    """Features of the first answer less those of the second, one row per pair."""
    p: Floats
    """P(first is better) as the target."""
    weight: Floats

    @classmethod
    def of(cls, x: Floats, p: Floats, weight: float = 1.0) -> Labelled:
        return cls(x, p, np.full(len(x), weight))

    def rows(self, chosen: NDArray[np.bool_]) -> Labelled:
        return Labelled(self.x[chosen], self.p[chosen], self.weight[chosen])

    def with_rows_of(self, other: Labelled) -> Labelled:
        return Labelled(*(np.concatenate(columns) for columns in zip(self, other, strict=True)))


class Head(NamedTuple):
    weights: Floats
    ridge: float

    def p(self, x: Floats) -> Floats:
        return _expit(x @ self.weights)


class Fitted(NamedTuple):
    """A head for each ridge, and the one that people's labels choose."""

    heads: list[Head]
    losses: Floats
    """Log loss of each on people's labels of groups that it was not fitted to; nats per pair."""

    @property
    def head(self) -> Head:
        return self.heads[int(self.losses.argmin())]


def components(x: Floats, rows: Sequence[int], count: int) -> Floats:
    """All rows of `x` on the `count` leading components of `rows`, each feature over its root mean square there."""
    scale = np.sqrt((x[rows] ** 2).mean(0))
    scaled = x / np.where(scale > 0, scale, 1.0)
    _, vectors = np.linalg.eigh(scaled[rows].T @ scaled[rows])
    leading: Floats = scaled @ vectors[:, -count:]
    return leading


def fit_head(by_judge: Labelled | None, by_people: Labelled, groups: Sequence[Hashable], seed: int) -> Fitted:
    """Heads of all rows, and their losses on the five fifths of people's labels, each left out in turn by group.

    `groups` are those of `by_people`. Rows of `by_judge` take part in every fit and are never measured on.
    """
    fold = _folds(groups, seed)
    losses = np.zeros(len(RIDGES))
    for number in range(FOLDS):
        inside = fold == number
        for at, head in enumerate(fit_path(_joined(by_judge, by_people.rows(~inside)))):
            losses[at] += float(log_losses(head.p(by_people.x[inside]), by_people.p[inside]).sum())
    return Fitted(fit_path(_joined(by_judge, by_people)), losses / len(by_people.p))


def _joined(by_judge: Labelled | None, by_people: Labelled) -> Labelled:
    return by_judge.with_rows_of(by_people) if by_judge else by_people


def fit_path(rows: Labelled, ridges: Sequence[float] = RIDGES) -> list[Head]:
    """One head for each ridge, by Newton's method from the one before."""
    weights: Floats = np.zeros(rows.x.shape[1])
    heads = []
    for ridge in ridges:
        for _ in range(STEPS):
            p = _expit(rows.x @ weights)
            curvature = (rows.x.T * (rows.weight * p * (1 - p))) @ rows.x + ridge * np.eye(len(weights))
            step = np.linalg.solve(curvature, rows.x.T @ (rows.weight * (rows.p - p)) - ridge * weights)
            weights = np.asarray(weights + step, np.float64)
            if np.abs(rows.x @ step).max() < NEAR:
                break
        heads.append(Head(weights, ridge))
    return heads


def _folds(groups: Sequence[Hashable], seed: int) -> NDArray[np.intp]:
    names = sorted(set(groups), key=repr)
    order = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    fold_of = dict(zip(names, order.tolist(), strict=True))
    return np.array([fold_of[group] for group in groups], np.intp)


def _expit(x: Floats) -> Floats:
    expit: Floats = 0.5 * (1 + np.tanh(x / 2))  # never overflows
    return expit
