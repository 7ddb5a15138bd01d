"""What figures of calibration are made of: confidences, hits, and bins of equal mass.

c = max(p, 1 - p) is how sure the judge is, and z how much of the label is on its side: y where p > 1/2, 1 - y where
p < 1/2, one half where the judge has no side. A tie between two answers is half a hit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats, codes_of
from amendment.statistics.resampling import quotient, sums_by_cluster
from amendment.statistics.sides import HALF, SAME

BLOCK = 1 << 22
"""Simulated labels at a time: bounds memory."""
COLUMNS = 5
"""Sums by bin: weight, and weight times c, z, c squared, c z."""


class Judged(NamedTuple):
    """Labelled pairs, by the answer that the judge finds better."""

    p: Floats
    y: Floats
    weights: Floats
    """With a mean of 1."""
    clusters: NDArray[np.intp]
    confidence: Floats
    hits: Floats
    has_side: NDArray[np.bool_]
    bin: NDArray[np.intp]
    """From 0, by rising confidence."""

    @property
    def bins(self) -> int:
        return int(self.bin.max()) + 1


def judged(p: ArrayLike, y: ArrayLike, weights: ArrayLike | None, clusters: Iterable[Hashable], bins: int) -> Judged:
    """The rows; ValueError for columns that do not fit together, values outside of [0, 1], weights not above 0."""
    raw, labels, codes = np.asarray(p, np.float64), np.asarray(y, np.float64), codes_of(clusters)[0]
    w = np.ones_like(raw) if weights is None else np.asarray(weights, np.float64)
    if raw.ndim != 1 or any(column.shape != raw.shape for column in (labels, w, codes)):
        raise ValueError(f"one label, weight and cluster per p are needed, found {raw.size} and {labels.size}")
    for name, column in (("p", raw), ("labels", labels)):
        if column.size and not (column.min() >= 0 and column.max() <= 1):
            raise ValueError(f"{name} lie between 0 and 1, found {column.min()} to {column.max()}")
    if w.size and not (np.isfinite(w).all() and w.min() > 0):
        raise ValueError("weights are above 0 and finite")
    if bins < 1:
        raise ValueError(f"expected one bin or more, found {bins}")
    w = w / w.mean() if w.size else w
    side = np.where(np.abs(raw - 0.5) <= HALF, 0.0, np.sign(raw - 0.5))
    confidence = np.round(np.abs(raw - 0.5) + 0.5, SAME)
    hits = 0.5 + side * (labels - 0.5)
    return Judged(raw, labels, w, codes, confidence, hits, side != 0, _equal_mass(confidence, w, bins))


def _equal_mass(confidence: Floats, weights: Floats, bins: int) -> NDArray[np.intp]:
    """The bin of each row: that in which the middle of its confidence's weight lies; empty bins are left out."""
    levels, code = np.unique(confidence, return_inverse=True)
    mass = np.bincount(code, weights, levels.size)
    middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), 1e-300)
    place = np.minimum((middle * bins).astype(np.intp), bins - 1)
    return np.unique(place[code], return_inverse=True)[1].astype(np.intp)


def moments(rows: Judged) -> Floats:
    """Sums by cluster: `COLUMNS` blocks of one column per bin."""
    c, z, w = rows.confidence, rows.hits, rows.weights
    inside = (rows.bin[:, None] == np.arange(rows.bins)).astype(np.float64)
    blocks = [inside * (w * column)[:, None] for column in (np.ones_like(c), c, z, c * c, c * z)]
    return sums_by_cluster(rows.clusters, *np.concatenate(blocks, axis=1).T)


def expected_errors(sums: Floats) -> Floats:
    """ECE of each row of sums: sum over bins of |sum w (z - c)| / sum w (Naeini et al. 2015)."""
    mass, c, z, *_ = _blocks(sums)
    return quotient(np.abs(z - c).sum(1), mass.sum(1))


def reliabilities(sums: Floats) -> Floats:
    """sum_b W_b (c_b - z_b)^2 of each row of sums, with weights W_b that add up to 1.

    The parts of the Brier score have both orientations of every pair in: a bin b of confidence stands for two bins of
    p that mirror each other around the mean label, one half.
    """
    mass, c, z, *_ = _blocks(sums)
    return quotient(np.nansum(mass * (quotient(c, mass) - quotient(z, mass)) ** 2, axis=1), mass.sum(1))


def resolutions(sums: Floats) -> Floats:
    """sum_b W_b (z_b - 1/2)^2 - Var_b(c) + 2 Cov_b(c, z) of each row of sums, means over a bin with its weight.

    The last two terms are what varies within a bin (Stephenson, Coelho and Jolliffe 2008). With them reliability -
    resolution + uncertainty is the Brier score, whatever the bins.
    """
    mass, c, z, cc, cz = _blocks(sums)
    mean_c, mean_z = quotient(c, mass), quotient(z, mass)
    within = cc - mass * mean_c**2 - 2 * (cz - mass * mean_c * mean_z)
    return quotient(np.nansum(mass * (mean_z - 0.5) ** 2 - within, axis=1), mass.sum(1))


def by_cell(rows: Judged, *, most: int | None) -> Floats:
    """Sums by cluster of weighted hits, then of misses, a column per confidence, or per group of `most` such."""
    exact = np.unique(rows.confidence, return_inverse=True)[1]
    is_coarse = most is not None and exact.max() >= most
    cell = _equal_mass(rows.confidence, rows.weights, most) if is_coarse and most else exact
    codes, clusters = (rows.clusters, int(rows.clusters.max()) + 1) if most else (np.zeros_like(rows.clusters), 1)
    cells = int(cell.max()) + 1
    place = codes * cells + cell
    shape = (clusters, cells)
    hits, misses = rows.weights * rows.hits, rows.weights * (1 - rows.hits)
    sums = [np.bincount(place, column, clusters * cells).reshape(shape) for column in (hits, misses)]
    return np.concatenate(sums, axis=1)


def areas(sums: Floats) -> Floats:
    """Of each row of sums by cell the area under the ROC curve: P(a hit is surer than a miss), equals count half."""
    hits, misses = np.split(sums, 2, axis=1)
    below = np.cumsum(misses, axis=1) - misses / 2
    return quotient((hits * below).sum(1), hits.sum(1) * misses.sum(1))


def _blocks(sums: Floats) -> tuple[Floats, ...]:
    return tuple(np.split(sums, COLUMNS, axis=1))


def null_errors(rows: Judged, *, seed: int, draws: int) -> Floats:
    """ECE in `draws` simulated sets of labels, each a hit with probability c: what a perfectly calibrated judge shows.

    Each label is one independent draw; rows are taken in the order of their contents.
    """
    random = np.random.default_rng([seed, rows.p.size])
    by_content = np.lexsort((rows.has_side, rows.weights, rows.bin, rows.confidence))
    has_side, confidence = rows.has_side[by_content], rows.confidence[by_content]
    share = (rows.bin[:, None] == np.arange(rows.bins)) * rows.weights[:, None] / rows.weights.sum()
    share = share[by_content]
    errors = np.empty(draws)
    each = max(1, BLOCK // max(1, rows.p.size))
    for start in range(0, draws, each):
        count = min(each, draws - start)
        hit = random.random((count, rows.p.size)) < confidence
        apart = np.where(has_side, hit, 0.5) - confidence
        errors[start : start + count] = np.abs(apart @ share).sum(1)
    return errors
