"""The cluster bootstrap: prompts are drawn with replacement, and the whole statistic is computed again.

Any statistic that is a function of sums over rows needs only one row of sums per cluster. A draw is then a row of
weights (how often each cluster was drawn), and all draws are one product of matrices. Intervals are percentiles
(Efron and Tibshirani 1993, chapter 13), or normal where a level asks for percentiles that so few draws do not have;
the method then ends in "normal".

Promised: the same seed gives the same interval, in whatever order rows and clusters come: clusters are sorted by their
sums before they are drawn. Fewer than five clusters get no interval, fewer than twenty a note.
Not covered: with very many clusters they are drawn in `MOST` random groups of equal size, which bounds time and
memory; the error of an interval's width that comes with it is about 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.results import Estimate
from amendment.statistics.intervals import FEWEST, NO_VARIATION, Floats, cautioned, number_names

MOST = 4096
"""Clusters above which they are drawn in groups."""
UNDEFINED = 0.05
"""With more than this share of draws in which the statistic has no value, there is no interval."""
FEWEST_BEYOND = 10
"""With fewer draws than these beyond a bound, the interval is the normal one with the standard error of the draws."""
BLOCK = 256
"""Draws at a time: bounds memory."""
DIGITS = 40
"""Binary digits of a column's largest sum that are kept: what is dropped depends on the order of the additions."""
LEAST_EXPONENT = -1000
"""Of that digit, so that it is no 0 where all sums of a column are nearly 0."""


class Resampling(NamedTuple):
    """The settings of a bootstrap, and the level of its interval."""

    seed: int = 0
    draws: int = 2000
    level: float = 0.95

    def checked(self) -> Resampling:
        if self.seed < 0 or self.draws < 1 or not 0 < self.level < 1:
            raise ValueError(f"expected a seed from 0, draws from 1 and a level between 0 and 1, found {self}")
        return self


def sums_by_cluster(clusters: Iterable[Hashable], *columns: ArrayLike) -> Floats:
    """Return sums of each column over the rows of each cluster: a row per cluster, a column per column."""
    codes, count = number_names(clusters)
    return np.stack([np.bincount(codes, np.asarray(column, np.float64), count) for column in columns], axis=1)


def bootstrap(
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    n: int,
    resampling: Resampling | None = None,
    name: str = "",
) -> Estimate:
    """Return `statistic` of the sums over all clusters, with an interval over draws of clusters.

    `sums` has a row per cluster. `statistic` takes sums, one row per draw, and gives one value per draw, nan where
    it is undefined. `n` is the number of rows that stand behind the sums; `name` opens the method's text.
    """
    draws = (resampling or Resampling()).checked()
    sums = _in_order(sums)
    clusters = sums.shape[0]
    value = float(statistic(sums.sum(axis=0, keepdims=True))[0]) if clusters else math.nan
    estimate = Estimate(
        value, math.nan, math.nan, n, clusters, f"{name} cluster bootstrap, {draws.draws} draws".strip()
    )
    if not n:
        return estimate._replace(note="no rows")
    if math.isnan(value):
        return estimate._replace(note="undefined on these rows")
    if clusters < FEWEST:
        return cautioned(estimate)
    return _with_interval(estimate, np.concatenate([statistic(drawn) for drawn in redrawn(sums, draws)]), draws.level)


def _with_interval(estimate: Estimate, values: Floats, level: float) -> Estimate:
    defined = values[np.isfinite(values)]
    lost = values.size - defined.size
    if lost > UNDEFINED * values.size:
        return estimate._replace(note=f"no interval: undefined in {lost} of {values.size} draws")
    if np.ptp(defined) <= 1e-12:
        return estimate._replace(note=NO_VARIATION)
    if defined.size * (1 - level) / 2 < FEWEST_BEYOND:
        from scipy.special import ndtri

        half = float(ndtri(0.5 + level / 2) * defined.std())
        low = estimate.value - half
        high = estimate.value + half
        estimate = estimate._replace(method=f"{estimate.method}, normal")
    else:
        low, high = np.quantile(defined, [0.5 - level / 2, 0.5 + level / 2])
    note = f"undefined in {lost} of {values.size} draws" if lost else ""
    return cautioned(estimate._replace(low=float(low), high=float(high), note=note))


def quotient(above: Floats, below: Floats) -> Floats:
    """Draw by draw above / below, nan where `below` is 0: for statistics that `bootstrap` takes."""
    ratio: Floats = np.divide(above, below, out=np.full(below.shape, math.nan), where=below != 0)
    return ratio


def redrawn(sums: Floats, draws: Resampling) -> Iterator[Floats]:
    """Yield sums of the drawn clusters, some draws at a time."""
    sums = _grouped(_in_order(sums), draws.seed)
    weights = _weights(draws.seed, draws.draws, len(sums))
    for start in range(0, draws.draws, BLOCK):
        yield weights[start : start + BLOCK].astype(np.float64) @ sums


def _in_order(sums: Floats) -> Floats:
    """Return clusters sorted by what they hold: a draw picks by place, and the place must not come from the file."""
    largest = np.abs(sums).max(axis=0, initial=0)
    unit = np.exp2(np.maximum(np.ceil(np.log2(np.where(largest > 0, largest, 1))) - DIGITS, LEAST_EXPONENT))
    kept = np.round(sums / unit) * unit
    in_order: Floats = kept[np.lexsort(kept.T[::-1])]
    return in_order


def _grouped(sums: Floats, seed: int) -> Floats:
    """Merge more than `MOST` clusters into that many random groups, each a cluster of its own."""
    if len(sums) <= MOST:
        return sums
    group = np.random.default_rng([seed, len(sums)]).permutation(len(sums)) % MOST
    return np.stack([np.bincount(group, column, MOST) for column in sums.T], axis=1)


@lru_cache(maxsize=4)
def _weights(seed: int, draws: int, clusters: int) -> NDArray[np.uint16]:
    """Return the number of times each cluster was drawn: a row per draw, each with the sum `clusters`."""
    random = np.random.default_rng([seed, clusters])
    weights = np.empty((draws, clusters), np.uint16)
    for start in range(0, draws, BLOCK):
        rows = min(BLOCK, draws - start)
        picked = random.integers(0, clusters, (rows, clusters)) + np.arange(rows)[:, None] * clusters
        weights[start : start + rows] = np.bincount(picked.ravel(), minlength=rows * clusters).reshape(rows, clusters)
    weights.flags.writeable = False
    return weights
