"""The likelihoods behind ratings, and one Newton iteration that fits them all.

Both models are families in which a comparison of i and j with d = theta_i - theta_j shows two statistics: s, which is
1/2 where i won, -1/2 where j won and 0 at a tie, and t, which is 1 at a tie. The log-likelihood of a row is
s d + t log(nu) - log(e^{d/2} + e^{-d/2} + nu), so that its gradient is what was seen less what was expected, and its
curvature the covariance of (s, t). Bradley and Terry (1952) have no ties, nu = 0; a soft outcome y has s = y - 1/2.
Davidson (1970) has P(i), P(j), P(tie) proportional to e^theta_i, e^theta_j, nu e^{(theta_i + theta_j) / 2}.

Strengths are known up to a constant: the Hessian is singular along u, which is 1 for every one of K strengths, and
every inverse here is taken with a multiple of u u' added and taken off again. A pseudo-inverse with a cut-off would
have to guess which of the small eigenvalues is that one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amendment.statistics.comparison_graph import Codes, Rows
from amendment.statistics.intervals import Floats

__all__ = ["Fit", "Posterior", "fitted", "inverse", "meat", "posterior"]

STEPS, HALVINGS = 200, 60
"""Newton steps until a fit is given up, and how often one is halved."""
NEAR = 1e-10
"""A step smaller than this, in log-odds, is the last."""


class Fit(NamedTuple):
    """A maximum of the likelihood."""

    theta: Floats
    """By item, with the sum 0."""
    log_nu: float | None
    """None for Bradley-Terry."""
    hessian: Floats
    """Of the negative log-likelihood: strengths, then log(nu) where there is one."""
    residuals: Floats
    """Seen less expected, times weight: a row per comparison, the statistics s and (where there are ties) t."""
    is_converged: bool


class Posterior(NamedTuple):
    """Strengths as a normal distribution around their most probable values (Laplace's approximation)."""

    mean: Floats
    covariance: Floats


class _Local(NamedTuple):
    """The likelihood around one point."""

    loss: float
    residuals: Floats
    information: Floats
    """By row: of (s, s), and with ties of (s, t) and (t, t)."""


def fitted(rows: Rows, *, with_ties: bool, precision: float = 0.0) -> Fit:
    """The maximum of the likelihood, which must exist; with `precision`, less precision / 2 * sum(theta ** 2)."""
    k = len(rows.names)
    point = np.zeros(k + with_ties)
    here = _local(rows, point, k)
    for _ in range(STEPS):
        shrunk = np.where(np.arange(point.size) < k, precision, 0.0)
        hessian = _hessian(rows, here, k) + np.diag(shrunk)
        step = inverse(hessian, k) @ (_gradient(rows, here.residuals, k) - shrunk * point)
        if np.abs(step).max() < NEAR:
            break
        moved = _moved(rows, point, here, step, precision)
        if moved is None:
            break
        point, here = moved
    is_converged = bool(np.abs(step).max() < 1e-6)
    log_nu = float(point[k]) if with_ties else None
    return Fit(point[:k] - point[:k].mean(), log_nu, hessian, here.residuals, is_converged)


def posterior(
    first: Codes, second: Codes, y: Floats, *, items: int, spread: float, weights: Floats | None = None
) -> Posterior:
    """Strengths of `items` items in log-odds, given comparisons and that each is normal with mean 0 and standard
    deviation `spread` beforehand. `first` and `second` are numbers of items; `y` is P(first is better)."""
    weight = np.ones(y.size) if weights is None else weights
    rows = Rows(tuple(map(str, range(items))), first, second, y, weight, np.arange(y.size))
    fit = fitted(rows, with_ties=False, precision=spread**-2)
    return Posterior(fit.theta, np.asarray(np.linalg.inv(fit.hessian), np.float64))


def inverse(hessian: Floats, k: int) -> Floats:
    """(H + c u u' / K)^-1 - u u' / (c K), with c of the size of H: the inverse across u, and 0 along it."""
    along = np.zeros(hessian.shape)
    along[:k, :k] = 1 / k
    size = float(np.trace(hessian[:k, :k])) / k
    return np.asarray(np.linalg.inv(hessian + size * along)) - along / size


def meat(rows: Rows, residuals: Floats, k: int) -> Floats:
    """sum over clusters of (sum of scores) (sum of scores)', times G / (G - 1); nan for fewer than two clusters."""
    from scipy.sparse import coo_array

    s, clusters = residuals[:, 0], rows.clusters
    values, where, columns = [s, -s], [clusters, clusters], [rows.first, rows.second]
    if residuals.shape[1] > 1:
        values, where = [*values, residuals[:, 1]], [*where, clusters]
        columns = [*columns, np.full(s.size, k, np.intp)]
    count = int(clusters.max()) + 1
    shape = (count, k + residuals.shape[1] - 1)
    scores = coo_array((np.concatenate(values), (np.concatenate(where), np.concatenate(columns))), shape).tocsr()
    if count < 2:
        return np.full((shape[1], shape[1]), np.nan)
    return np.asarray((scores.T @ scores).toarray(), np.float64) * (count / (count - 1))


def _local(rows: Rows, point: Floats, k: int) -> _Local:
    d = point[rows.first] - point[rows.second]
    if point.size == k:
        return _bradley_terry(d, rows)
    return _davidson(d, float(point[k]), rows)


def _bradley_terry(d: Floats, rows: Rows) -> _Local:
    loss = np.logaddexp(0, d) - rows.y * d
    p = 0.5 * (1 + np.tanh(d / 2))
    w = rows.weights
    return _Local(float(w @ loss), (w * (rows.y - p))[:, None], (w * p * (1 - p))[:, None])


def _davidson(d: Floats, log_nu: float, rows: Rows) -> _Local:
    is_tie, s = rows.y == 0.5, rows.y - 0.5
    normal = np.logaddexp(np.logaddexp(d / 2, -d / 2), log_nu)
    win, lose, tie = np.exp(d / 2 - normal), np.exp(-d / 2 - normal), np.exp(log_nu - normal)
    lead, w = (win - lose) / 2, rows.weights
    residuals = np.stack([s - lead, is_tie - tie], axis=1)
    information = np.stack([(win + lose) / 4 - lead**2, -lead * tie, tie * (1 - tie)], axis=1)
    return _Local(float(w @ (normal - s * d - is_tie * log_nu)), w[:, None] * residuals, w[:, None] * information)


def _gradient(rows: Rows, residuals: Floats, k: int) -> Floats:
    return np.concatenate([_difference(rows, residuals[:, 0], k), residuals[:, 1:].sum(0)])


def _hessian(rows: Rows, here: _Local, k: int) -> Floats:
    information = here.information
    pairs = rows.first * k + rows.second
    between = np.asarray(np.bincount(pairs, information[:, 0], k * k), np.float64).reshape(k, k)
    between = between + between.T
    strengths = np.diag(between.sum(1)) - between
    if information.shape[1] == 1:
        return strengths
    mixed = _difference(rows, information[:, 1], k)[:, None]
    return np.asarray(np.block([[strengths, mixed], [mixed.T, information[:, 2].sum()[None, None]]]), np.float64)


def _difference(rows: Rows, values: Floats, k: int) -> Floats:
    """By item: the sum of values where it is first, less the sum where it is second."""
    return np.asarray(np.bincount(rows.first, values, k) - np.bincount(rows.second, values, k), np.float64)


def _moved(rows: Rows, point: Floats, here: _Local, step: Floats, precision: float) -> tuple[Floats, _Local] | None:
    """A step that lowers the loss, halved until it does; None where rounding leaves none."""
    k = len(rows.names)

    def total(there: Floats, local: _Local) -> float:
        return local.loss + precision / 2 * float(there[:k] @ there[:k])

    before = total(point, here)
    for _ in range(HALVINGS):
        there = point + step
        local = _local(rows, there, k)
        if total(there, local) <= before + 1e-12 * abs(before):
            return there, local
        step = step / 2
    return None
