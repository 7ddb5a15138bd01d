"""Shares and counts: Wilson's interval for independent and for clustered rows, the exact test of a fair coin.

Every share has Wilson's interval with n divided by the design effect, and Student's t with one degree of freedom less
than clusters in place of z. It ends at 0 and 1, and keeps its coverage near them, where a symmetric interval misses too
often (`benchmarks/calibration.py coverage` prints the grid). Fewer than five clusters get no interval, fewer than
twenty the note "few clusters".

Estimates that other modules make with weights end in `around`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import (
    FEWEST,
    NO_VARIATION,
    Codes,
    Estimate,
    Floats,
    cautioned,
    checked,
    clustered_error,
    macro,
    t_quantile,
)

METHOD = "Wilson, clustered"
PRIOR_CORRELATION, PRIOR_ROWS = 0.1, 2
"""The intra-cluster correlation assumed before any row is seen, and how many rows of the rarer kind outweigh it."""


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

    low, high = _wilson(successes / n, n, float(ndtri(0.5 + level / 2)))
    return Estimate(successes / n, low, high, n, n, "Wilson")


def share(values: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95) -> Estimate:
    """The mean of `values` in [0, 1], one per row, with Wilson's interval clustered by `clusters`."""
    return macro_share(values, (), clusters, level)


def macro_share(
    values: ArrayLike, groups: Sequence[Hashable], clusters: Iterable[Hashable], level: float = 0.95
) -> Estimate:
    """The mean over groups of each group's share, with Wilson's interval clustered by `clusters`; no groups: one."""
    x, codes = checked(values, clusters)
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, METHOD, "no rows")
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"a share is made of values between 0 and 1, found {x.min()} to {x.max()}")
    value, residuals, weights = macro(x, groups if len(groups) else np.zeros(x.size, np.intp))
    estimate = cautioned(Estimate(value, value, value, x.size, int(codes.max()) + 1, METHOD))
    if math.isnan(estimate.low):
        return estimate
    rows = _rows(value, residuals, weights, codes)
    low, high = _wilson(value, rows, t_quantile(estimate.clusters - 1, level))
    notes = [estimate.note] if estimate.note else []
    if estimate.n > estimate.clusters and not residuals.any():
        notes.append(f"all rows are alike: a correlation of {PRIOR_CORRELATION:g} within clusters is assumed")
    return estimate._replace(low=low, high=high, note="; ".join(notes))


def _rows(value: float, residuals: Floats, weights: Floats, codes: Codes) -> float:
    """The effective number of independent rows of a clustered share: n over the design effect.

    The design effect is the clustered variance over that of independent rows, never below 1. Few rows of the rarer kind
    say little about it (none, nothing), so it is averaged with that of an intra-cluster correlation of 0.1, which
    weighs as much as two such rows. So one more error never raises the lower bound.
    """
    influence = weights * residuals
    independent = float(influence @ influence)
    sums = np.bincount(codes, weights=weights)
    correlated = 1 + PRIOR_CORRELATION * (float(sums @ sums) / float(weights @ weights) - 1)
    if independent <= 1e-24:
        return 1 / float(weights @ weights) / correlated
    measured = max(1.0, clustered_error(influence, codes) ** 2 / independent)
    rare = residuals.size * min(value, 1 - value)
    design_effect = (rare * measured + PRIOR_ROWS * correlated) / (rare + PRIOR_ROWS)
    return value * (1 - value) / independent / design_effect


def by_clusters(estimate: Estimate, level: float = 0.95) -> Estimate:
    """A share of which all clusters, five or more, gave the same value: with Wilson's interval of as many rows."""
    n = estimate.clusters
    low, high = wilson(min(max(estimate.value, 0.0), 1.0) * n, n, level)[1:3]
    note = f"no variation between clusters was seen: Wilson over {n} clusters"
    return estimate._replace(low=low, high=high, method="Wilson over clusters", note=note)


def around(estimate: Estimate, variance: float, freedom: float, level: float, *, is_share: bool = False) -> Estimate:
    """`estimate` with Student's t interval of a mean with this variance; where it is a share, with Wilson's instead."""
    is_alike = freedom < 1 or variance <= 1e-24
    if is_alike and is_share and estimate.clusters >= FEWEST:
        return by_clusters(estimate, level)
    if is_alike:
        return cautioned(estimate._replace(note=NO_VARIATION))
    t, error = t_quantile(freedom, level), math.sqrt(variance)
    low, high = estimate.value - t * error, estimate.value + t * error
    if is_share and 0 < estimate.value < 1:
        low, high = within_bounds(estimate.value, error, t)
    return cautioned(estimate._replace(low=low, high=high))


def within_bounds(value: float, error: float, t: float) -> tuple[float, float]:
    """Wilson's interval of a share strictly between 0 and 1 that has this standard error, `t` quantiles wide.

    It is that of value (1 - value) / error ** 2 independent rows.
    """
    return _wilson(value, value * (1 - value) / error**2, t)


def _wilson(p: float, n: float, z: float) -> tuple[float, float]:
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return 0.0 if p == 0 else max(centre - half, 0.0), 1.0 if p == 1 else min(centre + half, 1.0)


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


class Corrected(NamedTuple):
    """One test of a family."""

    p: float
    """By itself; nan where it could not be made, and then it does not count in the family."""
    adjusted: float
    """The least level at which the family as a whole rejects it."""
    rejected: bool


def holm(p_values: Mapping[str, float], level: float = 0.05) -> dict[str, Corrected]:
    """Every test by name, in the order given, corrected as in Holm (1979).

    With the p-values sorted, p_(1) <= ... <= p_(m), the adjusted one of rank j is the greatest of (m - i + 1) p_(i)
    over i <= j, cut at 1; a test is rejected where that is at most `level`. Raises ValueError for a level or a p that
    is none.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, found {level}")
    defined = {name: p for name, p in p_values.items() if not math.isnan(p)}
    wrong = [name for name, p in defined.items() if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"a p-value lies between 0 and 1, found {defined[wrong[0]]} for {wrong[0]}")
    adjusted, greatest = dict.fromkeys(p_values, math.nan), 0.0
    for rank, name in enumerate(sorted(defined, key=lambda name: defined[name])):
        greatest = max(greatest, min(1.0, (len(defined) - rank) * defined[name]))
        adjusted[name] = greatest
    return {name: Corrected(p, adjusted[name], adjusted[name] <= level) for name, p in p_values.items()}
