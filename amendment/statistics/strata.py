"""Strata with too few labels, put together, and the degrees of freedom of a sum over strata."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats
from amendment.statistics.power_tuning import codes_together

__all__ = ["LEAST", "Names", "pooled_strata", "satterthwaite"]

Names = Sequence[Hashable] | NDArray[np.integer]
"""The stratum of each row."""

LEAST = 5
"""Labelled clusters of a stratum that stands alone."""


def pooled_strata(
    strata: Names,
    unlabelled_strata: Names,
    clusters: NDArray[np.intp],
    weights: Floats | None = None,
) -> tuple[NDArray[np.intp], dict[int, Floats]]:
    """The stratum of each row, labelled rows first, as numbers from 0, and weights of the labelled rows of the stratum
    that others were put into.

    `clusters` are those of all rows. Strata with fewer than five labelled clusters are put together, with the smallest
    of the others if five are not reached. A row of theirs stands for as many rows as its stratum has per label.
    """
    n = len(strata)
    codes, count = codes_together(strata, unlabelled_strata, (n, clusters.size - n))
    labels, sizes = np.bincount(codes[:n], minlength=count), np.bincount(codes, minlength=count)
    if not labels.all():
        empty = int(labels.argmin())
        name = [*strata, *unlabelled_strata][int(np.flatnonzero(codes == empty)[0])]
        raise ValueError(f"stratum {name}: found {sizes[empty]} rows and no label; label some, or join it to another")
    joined = _joined(_clusters_by_stratum(codes[:n], clusters[:n], count))
    if len(joined) < 2:
        return codes, {}
    place = np.where(np.isin(np.arange(count), joined), joined[0], np.arange(count))
    numbers = np.unique(place, return_inverse=True)[1][codes].astype(np.intp)
    own = np.ones(n) if weights is None else weights
    totals = np.bincount(codes[:n], own, count)
    inside = np.isin(codes[:n], joined)
    of = codes[:n][inside]
    target = int(numbers[:n][inside][0])
    return numbers, {target: own[inside] * sizes[of] / totals[of]}


def satterthwaite(variances: ArrayLike, freedoms: ArrayLike) -> float:
    """Degrees of freedom of a sum of independent variances: (sum v) ** 2 / sum(v ** 2 / freedom); those of the parts
    together at most, 0 where nothing varies."""
    v, own = np.asarray(variances, np.float64), np.asarray(freedoms, np.float64)
    below = float((v**2 / np.maximum(own, 1)).sum())
    return float(v.sum()) ** 2 / below if below > 0 else 0.0


def _clusters_by_stratum(codes: NDArray[np.intp], clusters: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    _, first = np.unique(codes * (clusters.max() + 1) + clusters, return_index=True)
    return np.bincount(codes[first], minlength=count)


def _joined(labelled: NDArray[np.intp]) -> list[int]:
    """The strata to put together: all small ones, and then the next larger ones until there are enough labels."""
    order = np.argsort(labelled, kind="stable")
    found: list[int] = []
    total = 0
    for one in order:
        if labelled[one] >= LEAST and (not found or total >= LEAST):
            break
        found.append(int(one))
        total += int(labelled[one])
    return found
