"""Shares and counts: Wilson's interval for independent and for clustered rows, the exact test of a fair coin.

Every share has Wilson's interval with n divided by the design effect, and Student's t with one degree of freedom less
than effective clusters in place of z. It ends at 0 and 1, and keeps its coverage near them, where a symmetric interval
misses too often (`benchmarks/calibration.py coverage` prints the grid). If all rows are alike, nothing is known of how
alike those of one cluster are, and each cluster counts as one row; no other interval ends nearer to 0 or 1 than this
one, so one more error never raises the lower bound. Fewer than five clusters get no interval, fewer than twenty the
note "few clusters".

Estimates that other modules make with weights end in `around`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.results import Estimate
from amendment.statistics.intervals import (
    FEWEST,
    cautioned,
    checked,
    checked_level,
    clustered_error,
    macro,
    t_quantile,
)

METHOD = "Wilson, clustered"


def wilson(successes: float, n: int, level: float = 0.95) -> Estimate:
    """Return the share `successes` / `n` of independent rows, with the score interval of Wilson (1927).

    centre = (p + z^2 / 2n) / (1 + z^2 / n),  half = z sqrt(p (1 - p) / n + z^2 / 4n^2) / (1 + z^2 / n).
    It has a width at p = 0 and p = 1 as well.
    """
    half = 0.5 + checked_level(level) / 2
    if not 0 <= successes <= n:
        raise ValueError(f"successes lie between 0 and n, found {successes} of {n}")
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, "Wilson", "no rows")
    from scipy.special import ndtri

    low, high = _wilson(successes / n, n, float(ndtri(half)))
    return Estimate(successes / n, low, high, n, n, "Wilson")


def share(values: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95) -> Estimate:
    """Return the mean of `values` in [0, 1], one per row, with Wilson's interval clustered by `clusters`."""
    return macro_share(values, (), clusters, level)


def by_length(longer: Estimate) -> tuple[str, Estimate]:
    """Return the better of two rules that look at lengths alone: `longer` or `shorter`, and how often that answer is
    right.

    `longer` is how often the longer answer is right, equal lengths half.
    """
    if not longer.value < 0.5:
        return "longer", longer
    return "shorter", longer._replace(value=1 - longer.value, low=1 - longer.high, high=1 - longer.low)


def macro_share(
    values: ArrayLike, groups: Sequence[Hashable], clusters: Iterable[Hashable], level: float = 0.95
) -> Estimate:
    """Return the mean over groups of each group's share, with Wilson's interval clustered by `clusters`; no groups:
    one.

    The interval is that of value (1 - value) / Var independent rows, where Var is the clustered variance or that of
    independent rows, whichever is larger.
    """
    x, codes = checked(values, clusters)
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, METHOD, "no rows")
    if x.min() < 0 or x.max() > 1:
        raise ValueError(f"a share is made of values between 0 and 1, found {x.min()} to {x.max()}")
    value, residuals, weights = macro(x, groups if len(groups) else np.zeros(x.size, np.intp))
    estimate = cautioned(Estimate(value, value, value, x.size, int(codes.max()) + 1, METHOD))
    if math.isnan(estimate.low):
        return estimate
    influence = weights * residuals
    error, effective = clustered_error(influence, codes, weights)
    variance = max(float(influence @ influence), error**2)
    t = t_quantile(effective - 1, level)
    is_alike = variance <= 1e-24
    low, high = _wilson(value, effective if is_alike else value * (1 - value) / variance, t)
    spotless = _wilson(1.0, effective, t)[0]
    notes = [estimate.note] if estimate.note else []
    if is_alike and estimate.n > estimate.clusters:
        notes.append("all rows are alike: the rows of a cluster count as one")
    return estimate._replace(low=min(low, spotless), high=max(high, 1 - spotless), note="; ".join(notes))


def by_clusters(estimate: Estimate, effective: float, level: float = 0.95) -> Estimate:
    """Return a share of which all clusters, five or more, gave the same value: with Wilson's interval of as many rows
    as there are effective clusters."""
    n = round(effective)
    low, high = wilson(min(max(estimate.value, 0.0), 1.0) * n, n, level)[1:3]
    note = f"no variation between clusters was seen: Wilson over {n} clusters"
    return estimate._replace(low=low, high=high, method="Wilson over clusters", note=note)


def around(estimate: Estimate, variance: float, freedom: float, level: float, *, is_share: bool = False) -> Estimate:
    """Return `estimate`, which has no interval yet, with Student's t interval of a mean with this variance; if it is a
    share, with Wilson's: that of value (1 - value) / variance independent rows."""
    is_alike = freedom < 1 or variance <= 1e-24
    if is_alike and is_share and estimate.clusters >= FEWEST:
        return by_clusters(estimate, freedom + 1, level)
    if is_alike:
        return cautioned(estimate)
    t = t_quantile(freedom, level)
    if is_share and 0 < estimate.value < 1:
        low, high = _wilson(estimate.value, estimate.value * (1 - estimate.value) / variance, t)
    else:
        half = t * math.sqrt(variance)
        low = estimate.value - half
        high = estimate.value + half
    made = estimate._replace(low=low, high=high)
    return cautioned(made.within(0, 1) if is_share else made)


def _wilson(p: float, n: float, z: float) -> tuple[float, float]:
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / scale
    return 0.0 if p == 0 else max(centre - half, 0.0), 1.0 if p == 1 else min(centre + half, 1.0)


def binomial_p(successes: int, n: int) -> float:
    """Return the exact two-sided p of `successes` in `n` throws of a fair coin; nan without a throw.

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
    """Return every test by name, in the order given, corrected as in Holm (1979).

    With the p-values sorted, p_(1) <= ... <= p_(m), the adjusted one of rank j is the greatest of (m - i + 1) p_(i)
    over i <= j, cut at 1; a test is rejected where that is at most `level`. Raises ValueError for a level or a p that
    is none.
    """
    level = checked_level(level)
    defined = {name: p for name, p in p_values.items() if not math.isnan(p)}
    wrong = [name for name, p in defined.items() if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"a p-value lies between 0 and 1, found {defined[wrong[0]]} for {wrong[0]}")
    adjusted = dict.fromkeys(p_values, math.nan)
    greatest = 0.0
    for rank, name in enumerate(sorted(defined, key=lambda name: defined[name])):
        greatest = max(greatest, min(1.0, (len(defined) - rank) * defined[name]))
        adjusted[name] = greatest
    return {name: Corrected(p, adjusted[name], adjusted[name] <= level) for name, p in p_values.items()}
