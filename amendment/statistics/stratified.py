"""The mean of people's labels where each stratum has a sample of its own (Cochran 1977, chapter 5).

With W_h = N_h / N, the share of stratum h in all rows: theta = sum W_h mean_h, Var = sum W_h ** 2 s_h ** 2 / n_h. That
is the error for strata of fixed sizes. What is estimated is by default the mean of the population that the N rows are
a sample of, whose strata have shares of their own: sum W_h (mean_h - theta) ** 2 / N is added. With `finite` it is the
mean of the N rows themselves: nothing is added, and each stratum's variance shrinks by 1 - n_h / N_h.

Of values that all lie in [0, 1] the interval is Wilson's with this error: with two strata at 0.9 and 0.95 and 50 labels
a symmetric one of 95 % held the truth in 86 %, this one in 96 %.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import Estimate, codes_of
from amendment.statistics.shares import around
from amendment.statistics.strata import Names, satterthwaite

__all__ = ["stratified_mean"]


def stratified_mean(
    values: ArrayLike,
    strata: Names,
    sizes: Mapping[Any, int],
    *,
    clusters: Iterable[Hashable] | None = None,
    per_cluster: float = 1.0,
    finite: bool = False,
    level: float = 0.95,
) -> Estimate:
    """The mean over all rows from `values` of the labelled ones, by stratum; `sizes` counts all rows of each stratum.

    Clusters may cross strata; their errors add up before they are squared. `per_cluster` is how many of all rows share
    the cluster of a row, itself among them, on average: rows of a cluster fall into strata together, which makes the
    shares of strata less certain. Student's t has Satterthwaite's degrees of freedom (Cochran, equation 5.16). With
    `finite`, give clusters only where whole clusters were drawn. Raises ValueError for a stratum with rows and fewer
    than two labels; put such strata together first.
    """
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or len(strata) != x.size or not np.isfinite(x).all():
        raise ValueError(f"a stratum and a finite value per row are needed, found {len(strata)} and {x.size}")
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, "stratified", "no rows")
    named = list(strata)
    own, count = codes_of(named)
    labels = np.bincount(own, minlength=count)
    whole = _sizes(list(dict.fromkeys(named)), labels, sizes)
    share = whole / whole.sum()
    means = np.bincount(own, x, count) / labels
    value = float(share @ means)
    codes, groups = (np.arange(x.size), x.size) if clusters is None else codes_of(clusters)
    if codes.size != x.size:
        raise ValueError(f"one cluster per row is needed, found {codes.size} for {x.size} rows")
    factor = share / labels * np.sqrt(labels / (labels - 1) * (1 - labels / whole if finite else 1))
    sums = np.bincount(codes, factor[own] * (x - means[own]), groups)
    between = 0.0 if finite else float(share @ (means - value) ** 2 / whole.sum())
    between *= 1 + (per_cluster - 1) * _alike(means[own] - value, codes, groups)
    told = Estimate(value, math.nan, math.nan, x.size, groups, "stratified")
    of_strata = np.bincount(own, (factor[own] * (x - means[own])) ** 2, count)
    freedom = min(satterthwaite(of_strata, labels - 1), groups - 1)
    is_known = finite and bool((labels == whole).all())  # nothing is left to be uncertain about
    is_share = not is_known and bool(x.min() >= 0 and x.max() <= 1)
    return around(told, float(sums @ sums) + between, freedom, level, is_share=is_share)


def _alike(apart: np.ndarray, codes: np.ndarray, groups: int) -> float:
    """The correlation of what strata say of two rows of one cluster, 0 to 1; 1 where no two labelled rows share one."""
    rows, sums = np.bincount(codes, minlength=groups), np.bincount(codes, apart, groups)
    pairs = float(rows @ (rows - 1))
    square = float(apart @ apart)
    if not pairs or not square:
        return 1.0
    return min(max((float(sums @ sums) - square) / pairs / (square / apart.size), 0.0), 1.0)


def _sizes(names: Sequence[Hashable], labels: np.ndarray, sizes: Mapping[Any, int]) -> np.ndarray:
    """The rows of each stratum, in the order of `names`."""
    few = [name for name, n in zip(names, labels, strict=True) if n < 2]
    few += [name for name, size in sizes.items() if size and name not in set(names)]
    if few:
        raise ValueError(f"stratum {few[0]}: found fewer than 2 labels; put it together with another")
    short = [name for name, n in zip(names, labels, strict=True) if sizes.get(name, 0) < n]
    if short:
        raise ValueError(f"stratum {short[0]}: found more labels than the {sizes.get(short[0], 0)} rows that it has")
    return np.array([sizes[name] for name in names], np.float64)
