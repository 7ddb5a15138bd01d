"""Means with intervals that know which rows belong together.

Rows of one prompt are not independent, so the interval's sample size is the number of prompts. The
variance is the sandwich with one sum of residuals per cluster (Liang and Zeger 1986). For G clusters of
equal size it has the small-sample factor G / (G - 1) known as CR1, and Student's t G - 1 degrees of freedom
(Cameron and Miller 2015, sections II.B and VI.D); for others `Layout` says what takes the place of G.

Promised: an interval is never invented. With fewer than two clusters, or where no variation between
clusters was seen (all answers right, say), the sandwich knows nothing, and both bounds are nan.
Few clusters: `cautioned` withholds the interval where there are fewer than five; the other functions give what the
formula gives. Bounds are symmetric: `within` cuts them at the ends of the range that a figure has.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.results import Estimate

FEWEST, FEW = 5, 20
"""Clusters: without an interval below the first, with a note below the second, which asks for caution."""
FEWEST_ITEMS = 30
"""Items, verdicts or comparisons below which nothing is tested, compared or decided by a gate."""
NO_VARIATION = "no interval: no variation between clusters was seen"
"""The note where every cluster, or every draw of them, gave the same value: perfect agreement, say."""

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def estimate(value: Any) -> Estimate | None:
    """Return a figure as the files hold it; None if it was not measured."""
    if not isinstance(value, Mapping) or not isinstance(value.get("value"), int | float):
        return None
    low, high = (math.nan if value.get(name) is None else float(value[name]) for name in ("low", "high"))
    count = int(value.get("n") or 0)
    clusters = int(value.get("clusters") or 0)
    return Estimate(float(value["value"]), low, high, count, clusters, note=str(value.get("note", "")))


def json_values(value: Any) -> Any:
    """Return figures as JSON values: dataclasses and named tuples as objects, a type with `to_json` by that, nan and
    infinity as null."""
    if hasattr(value, "to_json"):
        return value.to_json()
    if is_dataclass(value) and not isinstance(value, type):
        value = vars(value)
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {name: json_values(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [json_values(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def cautioned(estimate: Estimate) -> Estimate:
    """Remove the interval below five clusters; add a note below twenty, and if there is no interval."""
    if not estimate.n:
        return estimate._replace(note=estimate.note or "no rows")
    if estimate.clusters < FEWEST:
        note = f"no interval from fewer than {FEWEST} clusters"
        return estimate._replace(low=math.nan, high=math.nan, note=note)
    if math.isnan(estimate.low):
        return estimate._replace(note=estimate.note or NO_VARIATION)
    if estimate.clusters >= FEW:
        return estimate
    return estimate._replace(note="; ".join(filter(None, (f"few clusters ({estimate.clusters})", estimate.note))))


def bounds(estimate: Estimate) -> tuple[float, float] | None:
    """Return the bounds to decide by: the interval, or the value itself where twenty clusters or more all gave it, or
    None."""
    if estimate.note == NO_VARIATION and estimate.clusters >= FEW:
        return estimate.value, estimate.value
    return None if math.isnan(estimate.low) else (estimate.low, estimate.high)


def is_beyond_chance(difference: Estimate, tests: int) -> bool:
    """Return whether a difference, given with its 95 % interval, is beyond chance as one of so many one-sided `tests`:
    if nothing differs, at most 5 % of the families of tests have a difference that passes (Bonferroni).

    The interval is widened to the level 1 - 0.1 / tests and must then exclude 0. If all clusters have the same
    value, the sign test decides, with p = 0.5 ** clusters.
    """
    alpha, clusters = 0.05 / tests, difference.clusters
    if difference.note == NO_VARIATION:
        return difference.value != 0 and 0.5**clusters <= alpha
    if math.isnan(difference.low):
        return False
    half = max(difference.high - difference.value, difference.value - difference.low)  # `within` may have cut one
    return abs(difference.value) > half * t_quantile(clusters - 1, 1 - 2 * alpha) / t_quantile(clusters - 1, 0.95)


def clustered_mean(values: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95) -> Estimate:
    """Return the mean of `values`, one per row, with an interval clustered by `clusters`, one name per row.

    m = sum(x) / n,  u_g = sum of (x - m) over the rows of cluster g,
    Var(m) = factor * sum(u_g ** 2) / n ** 2,  m +- t(effective - 1) * sqrt(Var(m)),
    with factor and effective as in `Layout`: G / (G - 1) and G where clusters are of equal size.
    """
    x, codes = checked(values, clusters)
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan, 0, 0)
    mean = float(x.mean())
    return linear(mean, (x - mean) / x.size, codes, level)


def paired_difference(a: ArrayLike, b: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95) -> Estimate:
    """Return the mean of a - b over rows measured twice, clustered as in `clustered_mean`."""
    return clustered_mean(paired(a, b), clusters, level)


def paired(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return a - b of rows measured twice."""
    left = np.asarray(a, np.float64)
    right = np.asarray(b, np.float64)
    if left.shape != right.shape:
        raise ValueError(f"paired values need equal lengths, found {left.size} and {right.size}")
    return left - right


def macro(x: Floats, groups: Sequence[Hashable] | NDArray[np.intp]) -> tuple[float, Floats, Floats]:
    """Return the mean over groups of each group's mean; each row's distance from its group's mean, and its weight."""
    group, k = number_names(groups)
    if group.size != x.size:
        raise ValueError(f"one group per value is needed, found {group.size} for {x.size} values")
    counts = np.bincount(group, minlength=k)
    means: Floats = np.bincount(group, weights=x, minlength=k) / counts
    return float(means.mean()), x - means[group], 1 / (counts[group] * k)


class ClusterLayout(NamedTuple):
    """How evenly clusters weigh, where w_g is the share of cluster g in the weight of all rows."""

    effective: float
    """As many clusters of equal weight would tell as much: 1 / sum(w_g ** 2) (Kish 1965, section 11.7), at least 2; 1
    where there is one cluster."""
    factor: float
    """By which the sum of squared residuals is multiplied. The variance then has no bias where the rows of a cluster
    are all alike: 1 / (1 + sum(w_g ** 2) - 2 sum(w_g ** 3) / sum(w_g ** 2)), which is CR1's for equal clusters."""


def layout(weights: ArrayLike) -> ClusterLayout:
    """Lay out clusters with these weights; some may have none."""
    w = np.asarray(weights, np.float64)
    w = w / w.sum()
    squares, cubes = float(w @ w), float((w * w) @ w)
    if squares > 1 - 1e-12:
        return ClusterLayout(1.0, 1.0)
    return ClusterLayout(max(1 / squares, 2.0), 1 / (1 + squares - 2 * cubes / squares))


def linear(value: float, influence: Floats, codes: Codes, level: float) -> Estimate:
    """Return the interval of a linear statistic, from what each row adds to its error; `codes` number the clusters from
    0."""
    clusters, (error, effective) = int(codes.max()) + 1, clustered_error(influence, codes)
    if not error:
        return Estimate(value, math.nan, math.nan, influence.size, clusters)
    half = t_quantile(effective - 1, level) * error
    return Estimate(value, value - half, value + half, influence.size, clusters)


def clustered_error(influence: Floats, codes: Codes, weights: Floats | None = None) -> tuple[float, float]:
    """Return the standard error of a linear statistic, and the effective number of clusters.

    Without `weights` all rows weigh the same. The error is 0 where no variation was seen, rounding aside.
    """
    effective, factor = layout(np.bincount(codes, weights))
    sums = np.bincount(codes, influence)
    error = math.sqrt(factor * float(sums @ sums)) if effective > 1 else 0.0
    return (error if error > 1e-12 else 0.0), effective


def t_quantile(freedom: float, level: float) -> float:
    """Return the two-sided quantile of Student's t; 12.706 for one degree of freedom and level 0.95."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + checked_level(level) / 2))


def checked_level(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, found {level}")
    return level


def checked(values: ArrayLike, clusters: Iterable[Hashable]) -> tuple[Floats, NDArray[np.intp]]:
    x = np.asarray(values, dtype=np.float64)
    codes, _ = number_names(clusters)
    if x.ndim != 1 or x.size != codes.size:
        raise ValueError(f"one cluster per value is needed, found {codes.size} for values of shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError("values hold nan or infinity; leave such rows out and count them")
    return x, codes


def number_names(names: Iterable[Hashable]) -> tuple[NDArray[np.intp], int]:
    """Return names as numbers from 0 in order of appearance (integers: in their own order), and how many there are."""
    if isinstance(names, np.ndarray) and names.dtype.kind in "iu" and names.ndim == 1:
        distinct, numbers = np.unique(names, return_inverse=True)
        return numbers.astype(np.intp, copy=False), distinct.size
    seen: dict[Hashable, int] = {}
    codes = np.fromiter((seen.setdefault(name, len(seen)) for name in names), dtype=np.intp)
    return codes, len(seen)
