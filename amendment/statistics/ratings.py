"""Bradley and Terry's ratings (1952): strengths on one scale, from comparisons of two.

    P(i beats j) = 1 / (1 + e^-(theta_i - theta_j))

Outcomes may be soft: y is P(first is better), or 1, 0, and 0.5 for a tie. Strengths are known up to a constant, so
they are made to sum to 0. `bradley_terry` gives the maximum of the likelihood, with intervals that know which rows
belong together; `posterior` a normal distribution under a prior, for choosing what to compare next.

Where comparisons were chosen by the results of others, win shares mean little and these ratings still do. Not covered:
ties as an outcome of their own, position and length as covariates.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import Codes, Estimate, Floats, cautioned, codes_of, t_quantile

__all__ = ["Posterior", "RankRange", "Ratings", "bradley_terry", "posterior"]

CERTAIN = 1e-6
"""A probability this near to 0 or 1 is taken for it: 14 in log-odds is more than a judge can know."""
STEPS, HALVINGS = 200, 60
"""Newton steps until a fit is given up, and how often one is halved."""
NEAR = 1e-10
"""A step smaller than this, in log-odds, is the last."""


class Posterior(NamedTuple):
    """Strengths as a normal distribution around their most probable values (Laplace's approximation)."""

    mean: Floats
    covariance: Floats


class RankRange(NamedTuple):
    """Ranks that the data leave open; 1 is the best."""

    low: int
    high: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratings:
    """Strengths of items, in log-odds."""

    names: tuple[str, ...]
    """Sorted; the order of `theta` and `covariance`."""
    theta: Floats
    """Strengths with the sum 0: theta_a - theta_b is the log-odds of a against b."""
    covariance: Floats
    """Of `theta`; its rows sum to 0."""
    n: int
    """Comparisons."""
    clusters: int

    def difference(self, a: str, b: str, level: float = 0.95) -> Estimate:
        """theta_a - theta_b: above 0 where a is better. Whether the intervals of two strengths overlap does not tell
        whether they differ; this interval knows what they have in common."""
        contrast = np.zeros(len(self.names))
        contrast[self.names.index(a)] += 1
        contrast[self.names.index(b)] -= 1
        value, variance = float(contrast @ self.theta), float(contrast @ self.covariance @ contrast)
        half = self._quantile(level) * math.sqrt(variance) if variance > 1e-24 else math.nan
        method = "Bradley-Terry, clustered sandwich"
        return cautioned(Estimate(value, value - half, value + half, self.n, self.clusters, method))

    def ranks(self, level: float = 0.95) -> dict[str, RankRange]:
        """By name, best first: 1 + those that are surely better, to all but those that are surely worse.

        Sure is a difference whose own interval lies beyond 0; several of them are not corrected for being several.
        """
        lead = self.theta[:, None] - self.theta[None, :]
        spread = np.diag(self.covariance)
        error = np.sqrt(np.maximum(spread[:, None] + spread[None, :] - 2 * self.covariance, 0))
        is_better = lead > self._quantile(level) * error + 1e-12  # nan is never sure
        above, below = is_better.sum(0), is_better.sum(1)
        best_first = sorted(range(len(self.names)), key=lambda i: (-self.theta[i], self.names[i]))
        return {self.names[i]: RankRange(1 + int(above[i]), len(self.names) - int(below[i])) for i in best_first}

    def _quantile(self, level: float) -> float:
        return t_quantile(max(self.clusters - 1, 1), level)


def bradley_terry(
    first: Sequence[str], second: Sequence[str], y: ArrayLike, *, clusters: Iterable[Hashable] | None = None
) -> Ratings:
    """The strengths that minimise sum [log(1 + e^d) - y d], d = theta_first - theta_second; a row per comparison.

    `clusters` name the prompt of each row. The covariance is H^- sum_g(s_g s_g') H^- G / (G - 1), H being the Hessian
    and s_g the scores of cluster g summed; nan with a single cluster. Raises ValueError for bad rows, and where the
    items fall into two groups of which one never won anything from the other, whose strengths have no finite maximum
    (Ford 1957).
    """
    outcome = np.asarray(y, np.float64)
    together = codes_of(range(len(first)) if clusters is None else clusters)[0]
    sizes = {len(first), len(second), outcome.size, together.size}
    if len(sizes) > 1 or not outcome.size:
        raise ValueError(f"expected as many firsts, seconds, outcomes and clusters, and one at least, found {sizes}")
    if not ((outcome >= 0) & (outcome <= 1)).all():
        raise ValueError("expected outcomes from 0 to 1; leave unreadable comparisons out")
    names = tuple(sorted({*first, *second}))
    place = {name: i for i, name in enumerate(names)}
    one, other = (np.array([place[name] for name in column], np.intp) for column in (first, second))
    if (one == other).any():
        raise ValueError(f"{names[one[one == other][0]]!r} is compared with itself; leave such rows out")
    outcome = np.where(outcome < CERTAIN, 0.0, np.where(outcome > 1 - CERTAIN, 1.0, outcome))
    _refuse_disconnected(names, one, other, outcome)
    k, groups = len(names), int(together.max()) + 1
    theta, hessian, residuals = _fitted(one, other, outcome, k)
    along = np.full((k, k), 1 / k)  # H is singular along 1, across which it is inverted
    size = float(np.trace(hessian)) / k
    bread = np.linalg.inv(hessian + size * along) - along / size
    scores = np.zeros((groups, k))
    np.add.at(scores, (together, one), residuals)
    np.add.at(scores, (together, other), -residuals)
    meat = scores.T @ scores * groups / (groups - 1) if groups > 1 else np.full((k, k), math.nan)
    return Ratings(names=names, theta=theta, covariance=bread @ meat @ bread, n=outcome.size, clusters=groups)


def posterior(first: Codes, second: Codes, y: Floats, *, items: int, spread: float) -> Posterior:
    """Strengths of `items` items in log-odds, given comparisons and that each is normal with mean 0 and standard
    deviation `spread` beforehand. `first` and `second` are numbers of items; `y` is P(first is better)."""
    theta, hessian, _ = _fitted(first, second, y, items, precision=spread**-2)
    return Posterior(theta, np.asarray(np.linalg.inv(hessian), np.float64))


def _refuse_disconnected(names: tuple[str, ...], first: Codes, second: Codes, y: Floats) -> None:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    took, gave = y > 0, y < 1  # a tie, or a P strictly between 0 and 1, counts for both sides
    winners = np.concatenate([first[took], second[gave]])
    losers = np.concatenate([second[took], first[gave]])
    wins = coo_array((np.ones(winners.size), (winners, losers)), shape=(len(names), len(names)))
    count, label = connected_components(wins.tocsr(), directed=True, connection="strong")
    if count > 1:
        groups = sorted(
            ", ".join(n for n, of in zip(names, label, strict=True) if of == group) for group in range(count)
        )
        raise ValueError(
            f"results connect no two of these groups both ways: {'; '.join(groups[:6])}{' ...' if count > 6 else ''}; "
            "compare across them until each has won and lost something"
        )


def _fitted(first: Codes, second: Codes, y: Floats, k: int, *, precision: float = 0.0) -> tuple[Floats, Floats, Floats]:
    """Strengths that sum to 0, the Hessian of the negative log-likelihood, and seen less expected by row; with
    `precision`, precision / 2 * sum(theta ** 2) is added to the loss. Newton's method with halved steps."""

    def loss(point: Floats) -> float:
        d = point[first] - point[second]
        return float((np.logaddexp(0, d) - y * d).sum()) + precision / 2 * float(point @ point)

    theta = np.zeros(k)
    for _ in range(STEPS):
        p = 0.5 * (1 + np.tanh((theta[first] - theta[second]) / 2))
        residuals = y - p
        between = np.asarray(np.bincount(first * k + second, p * (1 - p), k * k), np.float64).reshape(k, k)
        between = between + between.T
        hessian = np.diag(between.sum(1) + precision) - between
        gradient = np.bincount(first, residuals, k) - np.bincount(second, residuals, k) - precision * theta
        ridge = 0.0 if precision else float(np.trace(hessian)) / k**2
        step = np.linalg.solve(hessian + ridge, gradient)  # the ridge, added everywhere, makes the sum of a step 0
        if np.abs(step).max() < NEAR:
            break
        before = loss(theta)
        for _ in range(HALVINGS):
            if loss(theta + step) <= before + 1e-12 * abs(before):
                break
            step = step / 2
        theta = theta + step
    return theta - theta.mean(), hessian, residuals
