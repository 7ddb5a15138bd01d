"""A mean from few labels of people and many predictions of a judge (PPI++).

Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453; strata: Fisch et al. 2024, arXiv 2406.04291. With n labelled
rows and N others, theta = mean(y) + lam (mean(F) - mean(f)), and lam in [0, 1] is what the labels say the judge is
worth: 0 is people alone, so that a useless judge costs nothing.

What is estimated: the mean of the population that all rows, labelled or not, are a sample of. Where a random part of
3,000 exported comparisons was labelled without replacement, the two parts are independent samples of that population,
and the interval speaks of comparisons that are made in this way, not only of these 3,000. For the 3,000 themselves it
is too wide by about n / (2 (n + N)) of its width: 3 % for 200 of 3,000.

Which labels may be used: those of a random sample of the rows that are estimated. Equal inclusion probabilities need
no weights, unequal ones do (1 / inclusion), and then labelled and unlabelled rows together must be everything that
was drawn from. Labels of other rows are refused as far as numbers show it: where the judge's mean prediction of the
labelled rows differs from that of the others beyond chance (once in a thousand million samples). For such labels see
`rogan_gladen`.

Differences from the formulas of the paper, found by simulation (`benchmarks/calibration.py coverage`):

* Student's t with labelled clusters - 1 degrees of freedom at any n (of strata: Satterthwaite's), as everywhere in this
  house, and one degree more lost to lam.
* Where labels and predictions lie in [0, 1] the interval is Wilson's with this error, and lies there too; with lam 0
  and no strata it is that of `weighted_mean`. Of other values, and of differences, it is symmetric, and with lam 0 that
  of `clustered_mean`.
* Rows of one cluster add up before they are squared, labelled and unlabelled ones of the same cluster together.
* A judge who was right on all labels is not thought to be perfect: the variance is a weighted mean of its own, with the
  labelled clusters as weight, and of that of people alone, with a weight of 6.
* Fewer than 20 labelled clusters are not enough to tune lam: people alone.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.intervals import FEW, Estimate, Floats
from amendment.statistics.power_tuning import (
    DOUBT,
    Contrast,
    PowerRows,
    clipped,
    contrast,
    power_rows,
    refuse_strangers,
    summed,
    tuned,
)
from amendment.statistics.shares import around
from amendment.statistics.strata import Names, pooled_strata, satterthwaite

__all__ = ["PowerTuned", "prediction_powered", "prediction_powered_difference", "stratified_prediction_powered"]

TRUST = 15
"""Labelled clusters at which a stratum's own lam counts as much as that of all strata."""


class PowerTuned(NamedTuple):
    """A mean by people and judge together."""

    estimate: Estimate
    """`n` and `clusters` count what is labelled."""
    lam: float
    """How far the judge was used, 0 to 1; of strata, the mean by their sizes."""
    people_alone: Estimate
    labels_saved: float
    """Labels that people alone would need for an interval as narrow, divided by the labels there are; 1 means that the
    judge saved nothing. nan where there is no interval."""


class _Stratum(NamedTuple):
    size: float
    """Its share of the population."""
    rows: PowerRows
    found: Contrast


def prediction_powered(
    labels: ArrayLike,
    predictions: ArrayLike,
    unlabelled: ArrayLike,
    *,
    clusters: Iterable[Hashable] | None = None,
    unlabelled_clusters: Iterable[Hashable] | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> PowerTuned:
    """The mean of what people would say of all rows. Labels and predictions are on one scale, usually 0 to 1.

    `predictions` are the judge's of the labelled rows, `unlabelled` its of the others; `clusters` and
    `unlabelled_clusters`, such as prompts, share their names. `weights` are 1 / inclusion of the labelled rows, up to
    a factor. Raises ValueError for rows that do not fit together, and DataError for labels of
    another population.
    """
    rows = power_rows(labels, predictions, unlabelled, (clusters, unlabelled_clusters), weights)
    return _of_one(rows, level, is_share=_is_share(rows))


def prediction_powered_difference(
    labels: tuple[ArrayLike, ArrayLike],
    predictions: tuple[ArrayLike, ArrayLike],
    unlabelled: tuple[ArrayLike, ArrayLike],
    *,
    clusters: Iterable[Hashable] | None = None,
    unlabelled_clusters: Iterable[Hashable] | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> PowerTuned:
    """The mean difference first - second of two systems that were measured on the same rows, row by row.

    Each argument is of the first and of the second system. Rows are paired, so that luck with a prompt cancels out.
    The interval is symmetric, and may cross 0, also where the first is nowhere behind.
    """
    apart = [_minus(*both) for both in (labels, predictions, unlabelled)]
    rows = power_rows(apart[0], apart[1], apart[2], (clusters, unlabelled_clusters), weights)
    return _of_one(rows, level, is_share=False)


def stratified_prediction_powered(
    labels: ArrayLike,
    predictions: ArrayLike,
    strata: Names,
    unlabelled: ArrayLike,
    unlabelled_strata: Names,
    *,
    clusters: Iterable[Hashable] | None = None,
    unlabelled_clusters: Iterable[Hashable] | None = None,
    weights: ArrayLike | None = None,
    level: float = 0.95,
) -> PowerTuned:
    """As `prediction_powered`, stratum by stratum, put together by the strata's shares of all rows.

    Within a stratum labels are a random sample; between strata they may be as unequal as they like. Each stratum has a
    lam of its own, drawn towards the common one. Strata with fewer than five labelled clusters are put together, each
    row weighted by its stratum's size per label. Raises ValueError also where a stratum has rows and no label.
    """
    rows = power_rows(labels, predictions, unlabelled, (clusters, unlabelled_clusters), weights)
    is_share = _is_share(rows)
    if not rows.y.size or not rows.u.size:
        return _of_one(rows, level, is_share=is_share)
    own, weight = pooled_strata(strata, unlabelled_strata, rows.codes, rows.w)
    count = int(rows.codes.max()) + 1
    parts = [_stratum(rows, own == one, weight.get(one), count) for one in range(int(own.max()) + 1)]
    lams = _lams(parts) if sum(part.found.labelled for part in parts) >= FEW else [0.0] * len(parts)
    values = [part.found.mean + lam * part.found.shift for part, lam in zip(parts, lams, strict=True)]
    between = (np.array(values) - _mean(parts, values)) / own.size
    return _together(rows, parts, lams, summed(rows.codes, between[own], count), level, is_share=is_share)


def _minus(first: ArrayLike, second: ArrayLike) -> Floats:
    one, other = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if one.shape != other.shape:
        raise ValueError(f"paired values need equal lengths, found {one.size} and {other.size}")
    return one - other


def _of_one(rows: PowerRows, level: float, *, is_share: bool) -> PowerTuned:
    if not rows.y.size:
        nothing = Estimate(math.nan, math.nan, math.nan, 0, 0, "people alone", "no rows")
        return PowerTuned(nothing, 0.0, nothing, math.nan)
    if not rows.u.size:
        alone = rows._replace(f=np.zeros(rows.y.size), u=np.zeros(1), codes=np.append(rows.codes, rows.codes.max() + 1))
        found = _of_one(alone, level, is_share=is_share)
        return found._replace(estimate=_noted(found.estimate, "no row without a label: people alone"))
    count = int(rows.codes.max()) + 1
    part = _Stratum(1.0, rows, contrast(rows, count))
    lam = tuned(rows, part.found) if part.found.labelled >= FEW else 0.0
    return _together(rows, [part], [lam], np.zeros(count), level, is_share=is_share)


def _stratum(rows: PowerRows, inside: np.ndarray, weight: Floats | None, count: int) -> _Stratum:
    n = rows.y.size
    labelled, others = inside[:n], inside[n:]
    w = weight if weight is not None else None if rows.w is None else rows.w[labelled]
    u = rows.u[others]
    if not u.size:  # all of it was labelled: nothing is left for the judge to tell
        w = np.ones(int(labelled.sum())) if w is None else w
    own = PowerRows(rows.y[labelled], rows.f[labelled], u, w, rows.codes[inside], rows.independent)
    return _Stratum(float(inside.mean()), own, contrast(own, count))


def _lams(parts: Sequence[_Stratum]) -> list[float]:
    people = sum(part.size * part.found.by_people for part in parts)
    judge = sum(part.size * part.found.by_judge for part in parts)
    common = clipped(float(np.dot(people, judge)), float(np.dot(judge, judge)))
    own = [(part.found.labelled, tuned(part.rows, part.found)) for part in parts]
    return [(labelled * lam + TRUST * common) / (labelled + TRUST) for labelled, lam in own]


def _mean(parts: Sequence[_Stratum], values: Sequence[float]) -> float:
    return math.fsum(part.size * value for part, value in zip(parts, values, strict=True))


def _together(
    rows: PowerRows,
    parts: Sequence[_Stratum],
    lams: Sequence[float],
    between: Floats,
    level: float,
    *,
    is_share: bool,
) -> PowerTuned:
    refuse_strangers(*zip(*parts, strict=True))
    labelled = rows.labelled
    freedom = _freedom(parts, [0.0] * len(parts))
    lam = _mean(parts, lams)
    alone = _sum_of_squares(parts, [0.0] * len(parts), between)
    own = _sum_of_squares(parts, lams, between)
    value = _mean(parts, [part.found.mean for part in parts])
    name = "stratified " if len(parts) > 1 else ""
    told = Estimate(value, math.nan, math.nan, rows.y.size, labelled, f"{name}people alone")
    people = around(told, alone, freedom, level, is_share=is_share)
    if not lam:
        few = f"fewer than {FEW} labelled clusters: people alone" if labelled < FEW else ""
        return PowerTuned(_noted(people, few), 0.0, people, math.nan if math.isnan(people.low) else 1.0)
    value += _mean(parts, [part.found.shift * one for part, one in zip(parts, lams, strict=True)])
    freedom = max(_freedom(parts, lams), 2.0)
    variance = (labelled * own + DOUBT * alone) / (labelled + DOUBT) * freedom / (freedom - 1)
    told = told._replace(value=value, method=f"{name}PPI++")
    powered = around(told, variance, freedom, level, is_share=is_share)
    return PowerTuned(powered, lam, people, _saved(people, powered))


def _sum_of_squares(parts: Sequence[_Stratum], lams: Sequence[float], between: Floats) -> float:
    """The variance: what clusters add to the error, squared, with CR1's factor by stratum."""
    sums = between.copy()
    for part, lam in zip(parts, lams, strict=True):
        found = part.found
        factor = math.sqrt(found.labelled / (found.labelled - 1)) if found.labelled > 1 else 1.0
        sums += part.size * factor * (found.by_people - lam * found.by_judge)
    return float(sums @ sums)


def _freedom(parts: Sequence[_Stratum], lams: Sequence[float]) -> float:
    nothing = np.zeros(parts[0].found.by_people.size)
    squares = [_sum_of_squares([part], [lam], nothing) for part, lam in zip(parts, lams, strict=True)]
    return satterthwaite(squares, [part.found.labelled - 1 for part in parts])


def _is_share(rows: PowerRows) -> bool:
    """Whether labels and predictions lie in [0, 1], and so does their mean."""
    return all(not one.size or (one.min() >= 0 and one.max() <= 1) for one in (rows.y, rows.f, rows.u))


def _noted(estimate: Estimate, note: str) -> Estimate:
    return estimate._replace(note="; ".join(filter(None, (note, estimate.note))))


def _saved(people: Estimate, powered: Estimate) -> float:
    width = powered.high - powered.low
    return ((people.high - people.low) / width) ** 2 if width > 0 else math.nan
