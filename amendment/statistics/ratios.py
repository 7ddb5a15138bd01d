"""Ratios of sums over rows that were drawn with different probabilities.

A row weighs 1 / its inclusion probability (Hajek 1971). The interval linearises the ratio: with R = sum(w y) / sum(w x)
a row adds w (y - R x) / sum(w x) to its error (Sarndal, Swensson and Wretman 1992, section 5.6), and rows of one
cluster add up before they are squared, as in `clustered_mean`, which this is where all weights are equal and x is 1.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import Estimate, Floats, codes_of, linear

__all__ = ["weighted_ratio"]


def weighted_ratio(
    above: ArrayLike, below: ArrayLike, weights: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95
) -> Estimate:
    """sum(w above) / sum(w below) with its interval; `n` counts the rows with a `below` other than 0."""
    value, influence, used = _ratio(above, below, weights)
    if math.isnan(value):
        return Estimate(math.nan, math.nan, math.nan, 0, 0)
    return _told(value, influence, used, clusters, level)


def _ratio(above: ArrayLike, below: ArrayLike, weights: ArrayLike) -> tuple[float, Floats, np.ndarray]:
    y, x, w = (np.asarray(values, np.float64) for values in (above, below, weights))
    if not y.shape == x.shape == w.shape or y.ndim != 1:
        raise ValueError(f"expected three rows of equal length, found shapes {y.shape}, {x.shape} and {w.shape}")
    if w.size and not (np.isfinite(w).all() and w.min() > 0):
        raise ValueError("weights must be finite and above 0")
    total = float(w @ x)
    if total == 0:
        return math.nan, np.zeros(w.size), np.zeros(w.size, np.bool_)
    value = float(w @ y) / total
    return value, w * (y - value * x) / total, x != 0


def _told(value: float, influence: Floats, used: np.ndarray, clusters: Iterable[Hashable], level: float) -> Estimate:
    codes, _ = codes_of(clusters)
    if codes.size != used.size:
        raise ValueError(f"one cluster per row is needed, found {codes.size} for {used.size} rows")
    kept, _ = codes_of(codes[used])
    return linear(value, influence[used], kept, level)
