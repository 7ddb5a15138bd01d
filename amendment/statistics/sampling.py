"""Means of rows that were drawn with unequal, known probabilities, weighted by 1 / inclusion (Hajek 1971), their error
linearised (Sarndal, Swensson and Wretman 1992, section 5.7).

What is estimated: the mean of the population that all rows are a sample of, as in `prediction_powered`; of the rows
themselves the intervals are too wide by about half the share that was drawn. The variance is that of rows drawn
independently of each other (Poisson sampling). A sample of fixed size, or one drawn systematically, varies less, and
the intervals are then a little too wide; they are right about clusters either way.

Not covered: rows that could not have been drawn. A row without a known, positive probability is refused; the most
uncertain ones, looked at to find errors, are no sample.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import FEWEST, Estimate, cautioned, codes_of, linear, t_quantile
from amendment.statistics.shares import by_clusters, within_bounds

UNEVEN = 0.3
"""Effective rows per row below which a warning is given: intervals of so few heavy rows are too narrow."""


def weighted_mean(
    values: ArrayLike, inclusion: ArrayLike, clusters: Iterable[Hashable] | None = None, level: float = 0.95
) -> Estimate:
    """sum(w x) / sum(w) with w = 1 / inclusion, and its linearised interval, clustered as `clustered_mean`.

    For any value of a drawn row: whether judge and person agree, say. Values that all lie in [0, 1] are taken for
    shares: the interval is Wilson's, with the error of the linearised one, and over clusters where these are all alike,
    as in `share`. Raises ValueError for rows without an inclusion probability.
    """
    mean = _hajek(values, inclusion, clusters, level)
    x = np.asarray(values, np.float64)
    if not (x.size and x.min() >= 0 and x.max() <= 1) or mean.clusters < FEWEST:
        return cautioned(mean)
    if math.isnan(mean.low):
        return by_clusters(mean, level)
    t = t_quantile(mean.clusters - 1, level)
    low, high = within_bounds(mean.value, (mean.high - mean.value) / t, t)
    return cautioned(mean._replace(low=low, high=high, method="Hajek, Wilson over effective rows"))


def weighted_difference(
    first: ArrayLike,
    second: ArrayLike,
    inclusion: ArrayLike,
    clusters: Iterable[Hashable] | None = None,
    level: float = 0.95,
) -> Estimate:
    """The weighted mean of first - second over rows measured twice, with Student's t whatever the values."""
    left, right = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if left.shape != right.shape:
        raise ValueError(f"paired values need equal lengths, found {left.size} and {right.size}")
    return cautioned(_hajek(left - right, inclusion, clusters, level))


def effective_rows(weights: ArrayLike) -> float:
    """sum(w) ** 2 / sum(w ** 2): as many rows of equal weight would tell as much (Kish 1965, section 11.7).

    0 without a row.
    """
    w = np.asarray(weights, np.float64)
    return float(w.sum() ** 2 / (w @ w)) if w.size else 0.0


def _hajek(values: ArrayLike, inclusion: ArrayLike, clusters: Iterable[Hashable] | None, level: float) -> Estimate:
    x, chance = np.asarray(values, np.float64), np.asarray(inclusion, np.float64)
    if chance.ndim != 1 or not (np.isfinite(chance).all() and (chance > 0).all() and (chance <= 1).all()):
        raise ValueError(
            "inclusion probabilities lie above 0 and at most at 1, and each row needs its own; a sample that was drawn "
            "for finding errors has none and says nothing of rates"
        )
    if x.shape != chance.shape or not np.isfinite(x).all():
        raise ValueError(
            f"a finite value and an inclusion probability per row are needed, found {x.size} and {chance.size}"
        )
    codes = codes_of(range(x.size) if clusters is None else clusters)[0]
    if codes.size != x.size:
        raise ValueError(f"one cluster per row is needed, found {codes.size} for {x.size} rows")
    method = "Hajek, clustered t"
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, method)
    w = 1 / chance
    total = float(w @ np.ones(x.size))  # a product, as the other sum is: the mean of ones is 1 to the last digit
    mean = float(w @ x) / total
    return linear(mean, w * (x - mean) / total, codes, level)._replace(method=method)
