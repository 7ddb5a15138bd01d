"""Shares and counts: Wilson's interval, shares of clustered rows, the exact test of a fair coin.

A share's interval ends at 0 and 1. Where all clusters look alike the sandwich of `clustered_mean` knows nothing;
a share then gets Wilson's interval with the clusters as its sample, and a note that says so. Fewer than five clusters
get no interval, fewer than twenty a note. Shares of rows with weights have their own functions, which end in `around`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import (
    FEWEST,
    NO_VARIATION,
    Estimate,
    cautioned,
    clustered_mean,
    t_quantile,
)

__all__ = ["around", "binomial_p", "by_clusters", "share", "wilson", "within_bounds"]


def wilson(successes: float, n: int, level: float = 0.95) -> Estimate:
    """The share `successes` / `n` of independent rows, with the score interval of Wilson (1927).

    centre = (p + z^2 / 2n) / (1 + z^2 / n),  half = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n).
    It has a width at p = 0 and p = 1 as well.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, found {level}")
    if not 0 <= successes <= n:
        raise ValueError(f"successes lie between 0 and n, found {successes} of {n}")
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, "Wilson", "no rows")
    from scipy.special import ndtri

    z, p = float(ndtri(0.5 + level / 2)), successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    low, high = 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half
    return Estimate(p, max(low, 0.0), min(high, 1.0), n, n, "Wilson")


def share(values: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95) -> Estimate:
    """The mean of `values` in [0, 1], one per row, with an interval clustered by `clusters` and cut at 0 and 1."""
    x = np.asarray(values, dtype=np.float64)
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise ValueError(f"a share is made of values between 0 and 1, found {x.min()} to {x.max()}")
    mean = clustered_mean(x, clusters, level)
    method = "clustered t"
    if not mean.n:
        return mean._replace(method=method, note="no rows")
    if not math.isnan(mean.low) or mean.clusters < FEWEST:
        return cautioned(mean._replace(low=max(mean.low, 0.0), high=min(mean.high, 1.0), method=method))
    return by_clusters(mean, level)


def by_clusters(estimate: Estimate, level: float = 0.95) -> Estimate:
    """A share of which all clusters, five or more, gave the same value: with Wilson's interval of as many rows."""
    n = estimate.clusters
    low, high = wilson(min(max(estimate.value, 0.0), 1.0) * n, n, level)[1:3]
    note = f"no variation between clusters was seen: Wilson over {n} clusters"
    return estimate._replace(low=low, high=high, method="Wilson over clusters", note=note)


def around(told: Estimate, variance: float, freedom: float, level: float, *, is_share: bool = False) -> Estimate:
    """`told` with Student's t interval of a mean with this variance; where it is a share, with Wilson's instead."""
    is_alike = freedom < 1 or variance <= 1e-24
    if is_alike and is_share and told.clusters >= FEWEST:
        return by_clusters(told, level)
    if is_alike:
        return cautioned(told._replace(note=NO_VARIATION))
    t, error = t_quantile(freedom, level), math.sqrt(variance)
    low, high = told.value - t * error, told.value + t * error
    if is_share and 0 < told.value < 1:
        low, high = within_bounds(told.value, error, t)
    return cautioned(told._replace(low=low, high=high))


def within_bounds(value: float, error: float, t: float) -> tuple[float, float]:
    """Wilson's interval of a share strictly between 0 and 1 that has this standard error, `t` quantiles wide.

    It is that of value (1 - value) / error ** 2 independent rows, and lies in [0, 1]. A symmetric interval misses too
    often where nearly all rows say the same.
    """
    rows = value * (1 - value) / error**2
    scale = 1 + t * t / rows
    centre = (value + t * t / (2 * rows)) / scale
    half = t * math.sqrt(error**2 + t * t / (4 * rows**2)) / scale
    return centre - half, centre + half


def binomial_p(successes: int, n: int) -> float:
    """The exact two-sided p of `successes` in `n` throws of a fair coin; nan without a throw.

    p = min(1, 2 P(X <= min(k, n - k))),  X ~ Binomial(n, 1/2).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes lie between 0 and n, found {successes} of {n}")
    if n == 0:
        return math.nan
    from scipy.special import bdtr

    return min(1.0, 2 * float(bdtr(min(successes, n - successes), n, 0.5)))
