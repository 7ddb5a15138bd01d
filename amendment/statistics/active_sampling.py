"""Means from labels that were asked for with unequal, known probabilities.

`active_mean`: predictions of a judge for all rows, corrected where people were asked (Zrnic and Candes 2024, arXiv
2403.03208). `weighted_mean`: any value of the labelled rows alone, weighted by 1 / inclusion (Hajek 1971), its error
linearised (Sarndal, Swensson and Wretman 1992, section 5.7). `weighted_difference`: the same of two values of a row.

What is estimated: the mean of the population that all rows are a sample of, as in `prediction_powered`; of the rows
themselves the intervals are too wide by about half the share that was labelled. Both variances are those of rows drawn
independently of each other (Poisson sampling). A sample of fixed size, or one drawn systematically, varies less, and
the intervals are then a little too wide; they are right about clusters either way.

Much as in `prediction_powered`, four labelled clusters vouch for a judge who was hardly ever seen wrong only as far as
people alone would.

Not covered: rows that could not have been drawn. A row without a known, positive probability is refused; the most
uncertain ones, looked at to find errors, are no sample.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import FEWEST, Estimate, Floats, cautioned, codes_of, linear, t_quantile
from amendment.statistics.power_tuning import summed
from amendment.statistics.shares import around, by_clusters, within_bounds
from amendment.statistics.weights import UNEVEN, effective_rows

__all__ = ["ActiveMean", "active_mean", "weighted_difference", "weighted_mean"]

DOUBT = 4
"""As in `power_tuning`, and fewer: here the judge's part is not tuned on the labels that it is checked by."""


class ActiveMean(NamedTuple):
    """A mean, and how evenly its labels carry it."""

    estimate: Estimate
    """`n` and `clusters` count what is labelled."""
    most_weight: float
    """The largest 1 / inclusion of a labelled row."""
    effective_n: float
    """sum(w) ** 2 / sum(w ** 2) of the labelled rows: as many labels, evenly drawn, would be worth as much."""
    warnings: tuple[str, ...] = ()


def weighted_mean(
    values: ArrayLike, inclusion: ArrayLike, clusters: Iterable[Hashable] | None = None, level: float = 0.95
) -> Estimate:
    """sum(w x) / sum(w) with w = 1 / inclusion, and its linearised interval, clustered as `clustered_mean`.

    For any value of a labelled row: whether judge and person agree, say. Values that all lie in [0, 1] are taken for
    shares: the interval is Wilson's, with the error of the linearised one, and over clusters where these are all alike,
    as in `share`. Raises ValueError for rows without an inclusion probability.
    """
    found = _hajek(values, inclusion, clusters, level)
    x = np.asarray(values, np.float64)
    if not (x.size and x.min() >= 0 and x.max() <= 1) or found.clusters < FEWEST:
        return cautioned(found)
    if math.isnan(found.low):
        return by_clusters(found, level)
    t = t_quantile(found.clusters - 1, level)
    low, high = within_bounds(found.value, (found.high - found.value) / t, t)
    return cautioned(found._replace(low=low, high=high, method="Hajek, Wilson over effective rows"))


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


def _hajek(values: ArrayLike, inclusion: ArrayLike, clusters: Iterable[Hashable] | None, level: float) -> Estimate:
    x, chance = np.asarray(values, np.float64), _chances(inclusion)
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


def active_mean(
    predictions: ArrayLike,
    labels_or_nan: ArrayLike,
    inclusion: ArrayLike,
    *,
    clusters: Iterable[Hashable] | None = None,
    level: float = 0.95,
) -> ActiveMean:
    """The mean of f + (y - f) xi / inclusion over all rows, xi being 1 where there is a label.

    One prediction, label (nan: not asked) and inclusion probability per row, and the cluster. Raises ValueError where
    a probability is missing.
    """
    f, y, chance = np.asarray(predictions, np.float64), np.asarray(labels_or_nan, np.float64), _chances(inclusion)
    if not f.shape == y.shape == chance.shape or not np.isfinite(f).all():
        raise ValueError("expected a finite prediction, a label or nan, and an inclusion probability for each row")
    seen = ~np.isnan(y)
    if np.isinf(y).any():
        raise ValueError("labels hold infinity")
    codes, count = (np.arange(f.size), f.size) if clusters is None else codes_of(clusters)
    if codes.size != f.size:
        raise ValueError(f"one cluster per row is needed, found {codes.size} for {f.size} rows")
    weights = np.where(seen, 1 / chance, 0.0)
    rows = f + weights * np.where(seen, y - f, 0.0)
    labelled = int(np.unique(codes[seen]).size)
    value = float(rows.mean()) if f.size else math.nan
    told = Estimate(value, math.nan, math.nan, int(seen.sum()), labelled, "active")
    alone = np.where(seen, y, 0.0)
    alone = weights * (alone - weights @ alone / weights.sum()) / weights.sum() if seen.any() else alone
    own, people = (_sum_of_squares(codes, errors, count) for errors in ((rows - value) / max(f.size, 1), alone))
    variance = (labelled * own + DOUBT * max(own, people)) / (labelled + DOUBT) * labelled / max(labelled - 1, 1)
    return ActiveMean(around(told, variance, labelled - 1, level), *_evenness(weights[seen]))


def _sum_of_squares(codes: NDArray[np.intp], errors: Floats, clusters: int) -> float:
    sums = summed(codes, errors, clusters)
    return float(sums @ sums)


def _evenness(weights: Floats) -> tuple[float, float, tuple[str, ...]]:
    if not weights.size:
        return math.nan, 0.0, ("no label",)
    effective = effective_rows(weights)
    if effective >= UNEVEN * weights.size:
        return float(weights.max()), effective, ()
    told = (
        f"{weights.size} labels are worth {effective:.0f} evenly drawn ones, below {UNEVEN:.0%} of them, and the "
        f"largest weight is {weights.max():.0f}: intervals may be too narrow; draw with a larger uniform share"
    )
    return float(weights.max()), effective, (told,)


def _chances(inclusion: ArrayLike) -> Floats:
    found = np.asarray(inclusion, np.float64)
    if found.ndim != 1 or not (np.isfinite(found).all() and (found > 0).all() and (found <= 1).all()):
        raise ValueError(
            "inclusion probabilities lie above 0 and at most at 1, and each row needs its own; a sample that was drawn "
            "for finding errors has none and says nothing of rates"
        )
    return found
