"""Calibration errors of a judge's probabilities against people's labels: Brier, log loss, ECE and its bins.

Which of two answers is called a is chance, so nothing here depends on it: Brier and log loss are the same in both
orientations, and all else is about the judge's confidence c = max(p, 1 - p) and its hit z, how much of the label is on
its side: y where p > 1/2, 1 - y where p < 1/2, one half where the judge has no side. A tie between two answers is half
a hit, as in what calibrators are fitted to; leave such rows out before calling where they are not to count.

Promised: with ECE comes what a perfectly calibrated judge would show with these confidences and as many labels, which
is far from 0; equal confidences share a bin, so that the order of rows changes nothing. Rows weigh by `weights`
(inverse inclusion probability), intervals are by clusters. Intervals of ECE are nominal: of 95 % ones, 90 to 99 %
held the truth (`benchmarks/calibration.py ece`).
Not covered: whether the judge orders two answers right, which is agreement; Wilson's intervals of single bins and the
simulated ECE take labels as independent single verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import DataError
from amendment.results import Estimate
from amendment.statistics.calibrators import labelled
from amendment.statistics.intervals import NO_VARIATION, Floats, json_values, layout, number_names
from amendment.statistics.resampling import Resampling, bootstrap, quotient, sums_by_cluster
from amendment.statistics.sampling import UNEVEN, effective_rows
from amendment.statistics.shares import by_clusters, wilson
from amendment.statistics.sides import HALF, SAME

LOG_CLIP = 1e-6
"""Probabilities are held this far from 0 and 1 before the log loss is taken."""
MANY = 0.01
"""The share of probabilities that are held off, from which on a report says so."""
BLOCK = 1 << 22
"""Simulated labels at a time: bounds memory."""


class IfPerfect(NamedTuple):
    """ECE of a perfectly calibrated judge with the same confidences, weights and number of labels, by simulation."""

    mean: float
    low: float
    """The 5 % quantile."""
    high: float
    """The 95 % quantile. An ECE below it is no sign of miscalibration."""
    draws: int


class ReliabilityRow(NamedTuple):
    """One bin of the reliability diagram."""

    confidence: float
    """Mean of max(p, 1 - p)."""
    accuracy: Estimate
    """Share of the labels on the judge's side, with Wilson's interval at the effective number of labels."""
    n: int


class Gain(NamedTuple):
    """After minus before, over the same labels: below 0 is better."""

    brier: Estimate
    log_loss: Estimate
    ece: Estimate


@dataclass(frozen=True)
class CalibrationReport:
    """Calibration of one judge on labels of people."""

    n: int
    ties: int
    """Labels of one half."""
    accuracy: Estimate
    """Share of the labels on the judge's side; ties, and pairs where the judge has no side, count half."""
    confidence: Estimate
    """Mean of max(p, 1 - p). Above `accuracy`: overconfident."""
    brier: Estimate
    log_loss: Estimate
    """Natural logarithm."""
    ece: Estimate
    ece_if_perfect: IfPerfect
    bins: tuple[ReliabilityRow, ...]
    is_hard: bool = False
    """The judge gave verdicts alone, each of them 0, 1/2 or 1: it has an accuracy, and no reliability diagram."""
    warnings: tuple[str, ...] = ()

    @property
    def shows_miscalibration(self) -> bool:
        """Return whether ECE is above what nineteen of twenty perfectly calibrated judges would show."""
        return self.ece.value > self.ece_if_perfect.high

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; `bins` is a list of objects."""
        return {**json_values(vars(self)), "shows_miscalibration": self.shows_miscalibration}


def calibration_report(
    p: ArrayLike,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: Iterable[Hashable],
    bins: int = 10,
    seed: int = 0,
    draws: int = 2000,
    level: float = 0.95,
    simulated: int = 1000,
) -> CalibrationReport:
    """Compare `p`, P(a is better), with labels `y` in [0, 1], 0.5 for a tie; one row per comparison, `clusters` its
    prompt.

    `bins` of equal mass; `draws` of the bootstrap; `simulated` sets of labels of a perfect judge. Raises DataError
    without a row, and ValueError for columns that do not fit together.
    """
    rows = _any(binned_pairs(p, y, weights, clusters, bins))
    draw = Resampling(seed, draws, level)
    brier, log_loss = _losses(rows)
    null = null_errors(rows, seed=seed, draws=simulated)
    ece = _estimate(rows, moments(rows), expected_errors, draw)
    is_chance = ece.value <= float(np.quantile(null, 0.5 + level / 2))
    return CalibrationReport(
        n=rows.p.size,
        ties=int((rows.y == 0.5).sum()),
        accuracy=_estimate_hits(rows, draw),
        confidence=_mean(rows, rows.confidence, draw),
        brier=_mean(rows, brier, draw),
        log_loss=_mean(rows, log_loss, draw),
        ece=_folded_back(ece, is_chance=is_chance),
        ece_if_perfect=_if_perfect(null),
        bins=tuple(_bin(rows, rows.bin == number, level) for number in range(rows.bins)),
        is_hard=bool(np.isin(rows.p, (0.0, 0.5, 1.0)).all()),
        warnings=_warnings(rows),
    )


def calibration_gain(
    before: ArrayLike,
    after: ArrayLike,
    y: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: Iterable[Hashable],
    seed: int = 0,
    draws: int = 2000,
) -> Gain:
    """Compare two probabilities of the same comparisons by the same draws of clusters. Arguments as above."""
    names = list(clusters)
    first, second = (_any(binned_pairs(p, y, weights, names, 10)) for p in (before, after))
    draw = Resampling(seed, draws, 0.95)
    apart = [new - old for old, new in zip(_losses(first), _losses(second), strict=True)]
    old, new = moments(first), moments(second)

    def errors(sums: Floats) -> Floats:
        return expected_errors(sums[:, old.shape[1] :]) - expected_errors(sums[:, : old.shape[1]])

    ece = _estimate(first, np.concatenate([old, new], axis=1), errors, draw)
    return Gain(_mean(first, apart[0], draw), _mean(first, apart[1], draw), _folded_back(ece, least=-1.0))


def log_losses(p: ArrayLike, y: ArrayLike) -> Floats:
    """Return -(y log p + (1 - y) log(1 - p)) of each row, p held 1e-6 off 0 and 1."""
    held = np.clip(np.asarray(p, np.float64), LOG_CLIP, 1 - LOG_CLIP)
    labels = np.asarray(y, np.float64)
    losses: Floats = -(labels * np.log(held) + (1 - labels) * np.log1p(-held))
    return losses


def _any(rows: BinnedPairs) -> BinnedPairs:
    if not rows.p.size:
        raise DataError("no labelled comparisons, so calibration cannot be measured; label some, or leave it out")
    return rows


def _losses(rows: BinnedPairs) -> tuple[Floats, Floats]:
    return (rows.p - rows.y) ** 2, log_losses(rows.p, rows.y)


def _mean(rows: BinnedPairs, values: Floats, draw: Resampling) -> Estimate:
    sums = sums_by_cluster(rows.clusters, rows.weights * values, rows.weights)
    return _estimate(rows, sums, lambda sums: quotient(sums[:, 0], sums[:, 1]), draw)


def _estimate_hits(rows: BinnedPairs, draw: Resampling) -> Estimate:
    """Return the weighted share of hits; Wilson's interval over clusters where all are hits, or none."""
    mean = _mean(rows, rows.hits, draw)
    if mean.note != NO_VARIATION:
        return mean
    by_cluster = sums_by_cluster(rows.clusters, rows.weights)[:, 0]
    return by_clusters(mean, layout(by_cluster).effective, draw.level)


def _estimate(rows: BinnedPairs, sums: Floats, statistic: Callable[[Floats], Floats], draw: Resampling) -> Estimate:
    return bootstrap(sums, statistic, n=rows.p.size, resampling=draw)


def _folded_back(estimate: Estimate, *, least: float = 0.0, is_chance: bool = False) -> Estimate:
    """Return the basic bootstrap interval (Davison and Hinkley 1997, section 5.2) of a figure that chance makes larger.

    Draws of clusters add as much to ECE as the sample itself did; 2 value - quantile takes it away again. Where chance
    alone explains the value (`is_chance`), the interval begins at 0; it always holds the value.
    """
    basic = estimate._replace(method=f"basic {estimate.method}")
    if np.isnan(estimate.low):
        return basic
    value = estimate.value
    low = 0.0 if is_chance else min(value, max(least, 2 * value - estimate.high))
    return basic._replace(low=low, high=max(value, 2 * value - estimate.low))


def _if_perfect(null: Floats) -> IfPerfect:
    low, high = np.quantile(null, [0.05, 0.95])
    return IfPerfect(float(null.mean()), float(low), float(high), null.size)


def _bin(rows: BinnedPairs, inside: NDArray[np.bool_], level: float) -> ReliabilityRow:
    w = rows.weights[inside]
    accuracy = float(w @ rows.hits[inside] / w.sum())
    effective = max(1, round(effective_rows(w)))
    around = wilson(min(1.0, accuracy) * effective, effective, level)._replace(value=accuracy, n=int(inside.sum()))
    return ReliabilityRow(float(w @ rows.confidence[inside] / w.sum()), around, int(inside.sum()))


def _warnings(rows: BinnedPairs) -> tuple[str, ...]:
    n, warnings = rows.p.size, []
    effective = effective_rows(rows.weights)
    if effective < UNEVEN * n:
        warnings.append(f"weights are uneven: {n} labels tell as much as {effective:.0f}")
    clipped = float((np.minimum(rows.p, 1 - rows.p) < LOG_CLIP).mean())
    if clipped > MANY:
        warnings.append(
            f"{clipped:.1%} of the probabilities are nearer to 0 or 1 than {LOG_CLIP:g}, where the log loss is cut off"
        )
    if not rows.has_side.all():
        warnings.append(f"the judge has no side in {int((~rows.has_side).sum())} of {n} comparisons, which count half")
    return tuple(warnings)


class BinnedPairs(NamedTuple):
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


def binned_pairs(
    p: ArrayLike, y: ArrayLike, weights: ArrayLike | None, clusters: Iterable[Hashable], bins: int
) -> BinnedPairs:
    """Return the rows; ValueError for columns that do not fit together, values outside of [0, 1], weights not above
    0."""
    (raw, labels, w), codes = labelled(p, y, weights), number_names(clusters)[0]
    if codes.shape != raw.shape:
        raise ValueError(f"one cluster per p is needed, found {codes.size} for {raw.size}")
    if bins < 1:
        raise ValueError(f"expected one bin or more, found {bins}")
    w = w / w.mean() if w.size else w
    side = np.where(np.abs(raw - 0.5) <= HALF, 0.0, np.sign(raw - 0.5))
    confidence = np.round(np.abs(raw - 0.5) + 0.5, SAME)
    hits = 0.5 + side * (labels - 0.5)
    return BinnedPairs(raw, labels, w, codes, confidence, hits, side != 0, _equal_mass(confidence, w, bins))


def _equal_mass(confidence: Floats, weights: Floats, bins: int) -> NDArray[np.intp]:
    """Return the bin of each row: that in which the middle of its confidence's weight lies; empty bins are left out."""
    levels, code = np.unique(confidence, return_inverse=True)
    mass = np.bincount(code, weights, levels.size)
    middle = (np.cumsum(mass) - mass / 2) / max(mass.sum(), 1e-300)
    place = np.minimum((middle * bins).astype(np.intp), bins - 1)
    return np.unique(place[code], return_inverse=True)[1].astype(np.intp)


def moments(rows: BinnedPairs) -> Floats:
    """Return sums by cluster of the weight, and of the weight times c and z: a column per bin of each."""
    inside = (rows.bin[:, None] == np.arange(rows.bins)).astype(np.float64)
    columns = (rows.weights, rows.weights * rows.confidence, rows.weights * rows.hits)
    return sums_by_cluster(rows.clusters, *np.concatenate([inside * column[:, None] for column in columns], axis=1).T)


def expected_errors(sums: Floats) -> Floats:
    """Return ECE of each row of sums: sum over bins of |sum w (z - c)| / sum w (Naeini et al. 2015)."""
    mass, c, z = np.split(sums, 3, axis=1)
    return quotient(np.abs(z - c).sum(1), mass.sum(1))


def null_errors(rows: BinnedPairs, *, seed: int, draws: int) -> Floats:
    """Return ECE in `draws` simulated sets of labels, each a hit with probability c: what a perfectly calibrated judge
    shows.

    Each label is one independent draw; rows are taken in the order of their contents.
    """
    random = np.random.default_rng([seed, rows.p.size])
    by_content = np.lexsort((rows.has_side, rows.weights, rows.bin, rows.confidence))
    has_side = rows.has_side[by_content]
    confidence = rows.confidence[by_content]
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
