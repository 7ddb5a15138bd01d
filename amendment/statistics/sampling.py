"""Means of a population from a sample: by labels alone, or by few labels of people and many predictions of a judge.

**Weighted means** of rows drawn with unequal, known probabilities: weights 1 / inclusion (Hajek 1971), their error
linearised (Sarndal, Swensson and Wretman 1992, section 5.7). What is estimated: the mean of the population that all
rows are a sample of; of the rows themselves the intervals are too wide by about half the share that was drawn. The
variance is that of rows drawn independently of each other (Poisson sampling). A sample of fixed size, or one drawn
systematically, varies less, and the intervals are then a little too wide; they are right about clusters either way. A
row without a known, positive probability is refused.

**Prediction-powered means** (PPI++, Angelopoulos, Duchi and Zrnic 2023, arXiv 2311.01453). Of one population, y are
people's labels, f a judge's predictions of the same n rows, F those of N rows without a label:

    theta = mean(y) + lam (mean(F) - mean(f)),

and lam in [0, 1] is what the labels say the judge is worth: 0 is people alone, so that a useless judge costs nothing.

What is estimated: the mean of the population that all rows, labelled or not, are a sample of. Where a random part of
3,000 exported comparisons was labelled without replacement, the two parts are independent samples of that population,
and the interval speaks of comparisons that are made in this way, not only of these 3,000. For the 3,000 themselves it
is too wide by about n / (2 (n + N)) of its width: 3 % for 200 of 3,000.

Which labels may be used: those of a random sample of the rows that are estimated. Equal inclusion probabilities need
no weights, unequal ones do (1 / inclusion), and then labelled and unlabelled rows together must be everything that
was drawn from. Labels of other rows are refused as far as numbers show it: where the judge's mean prediction of the
labelled rows differs from that of the others beyond chance (once in a thousand million samples).

Differences from the formulas of the paper, found by simulation (`benchmarks/calibration.py coverage`):

* Student's t with effective labelled clusters - 1 degrees of freedom at any n, and one degree more lost to lam.
* Where labels and predictions lie in [0, 1] the interval is Wilson's with this error, and lies there too; with lam 0
  it is that of `weighted_mean`. Of other values, such as differences of two systems, it is symmetric, and with lam 0
  that of `clustered_mean`.
* Rows of one cluster add up before they are squared, labelled and unlabelled ones of the same cluster together.
* A judge who was right on all labels is not thought to be perfect: the variance is a weighted mean of its own, with the
  labelled clusters as weight, and of that of people alone, with a weight of 6.
* Fewer than 20 labelled clusters are not enough to tune lam: people alone.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.errors import DataError
from amendment.results import Estimate
from amendment.statistics.intervals import (
    FEW,
    FEWEST,
    ClusterLayout,
    Codes,
    Floats,
    clustered_error,
    layout,
    number_names,
    paired,
    t_quantile,
)
from amendment.statistics.shares import around

UNEVEN = 0.3
"""Effective rows per row below which a warning is given: intervals of so few heavy rows are too narrow."""


def weighted_mean(
    values: ArrayLike, inclusion: ArrayLike, clusters: Iterable[Hashable] | None = None, level: float = 0.95
) -> Estimate:
    """sum(w x) / sum(w) with w = 1 / inclusion, and its linearised interval, clustered as `clustered_mean`.

    For any value of a drawn row: whether judge and person agree, say. Values that all lie in [0, 1] are taken for
    shares: the interval is Wilson's, with the error of the linearised one, and over clusters where these are all alike,
    as in `share`. Raises ValueError for rows without an inclusion probability.
    """
    mean, error, effective = _hajek(values, inclusion, clusters)
    x = np.asarray(values, np.float64)
    is_share = bool(x.size and x.min() >= 0 and x.max() <= 1)
    if is_share and error and mean.clusters >= FEWEST:
        mean = mean._replace(method="Hajek, Wilson over effective rows")
    return around(mean, error**2, effective - 1, level, is_share=is_share)


def weighted_difference(
    first: ArrayLike,
    second: ArrayLike,
    inclusion: ArrayLike,
    clusters: Iterable[Hashable] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Return the weighted mean of first - second over rows measured twice, with Student's t whatever the values."""
    mean, error, effective = _hajek(paired(first, second), inclusion, clusters)
    return around(mean, error**2, effective - 1, level)


def effective_rows(weights: ArrayLike) -> float:
    """sum(w) ** 2 / sum(w ** 2): as many rows of equal weight would tell as much (Kish 1965, section 11.7).

    0 without a row.
    """
    w = np.asarray(weights, np.float64)
    return float(w.sum() ** 2 / (w @ w)) if w.size else 0.0


def _hajek(
    values: ArrayLike, inclusion: ArrayLike, clusters: Iterable[Hashable] | None
) -> tuple[Estimate, float, float]:
    """Return the mean without an interval, its error, and the effective number of clusters."""
    x = np.asarray(values, np.float64)
    chance = np.asarray(inclusion, np.float64)
    if chance.ndim != 1 or not (np.isfinite(chance).all() and (chance > 0).all() and (chance <= 1).all()):
        raise ValueError(
            "inclusion probabilities lie above 0 and at most at 1, and each row needs its own; a sample that was drawn "
            "for finding errors has none and says nothing of rates"
        )
    if x.shape != chance.shape or not np.isfinite(x).all():
        raise ValueError(
            f"a finite value and an inclusion probability per row are needed, found {x.size} and {chance.size}"
        )
    codes = number_names(range(x.size) if clusters is None else clusters)[0]
    if codes.size != x.size:
        raise ValueError(f"one cluster per row is needed, found {codes.size} for {x.size} rows")
    method = "Hajek, clustered t"
    if not x.size:
        return Estimate(math.nan, math.nan, math.nan, 0, 0, method), 0.0, 0.0
    w = 1 / chance
    total = float(w @ np.ones(x.size))  # a product, as the other sum is: the mean of ones is 1 to the last digit
    mean = float(w @ x) / total
    error, effective = clustered_error(w * (x - mean) / total, codes, w)
    return Estimate(mean, math.nan, math.nan, x.size, int(codes.max()) + 1, method), error, effective


DOUBT = 6
"""Labelled clusters by which the judge is taken to be worth nothing, in the variance: keeps the interval honest where
hardly a mistake was seen. Four, as of Agresti and Coull, are too few for a judge who errs to one side."""
STRANGE = 1 - 1e-9
"""Level of the test that the labelled rows and the others look alike to the judge; beyond it they are refused."""


class PowerTuned(NamedTuple):
    """A mean by people and judge together."""

    estimate: Estimate
    """`n` and `clusters` count what is labelled."""
    lam: float
    """How far the judge was used, 0 to 1."""
    people_alone: Estimate
    labels_saved: float
    """Labels that people alone would need for an interval as narrow, divided by the labels there are; 1 means that the
    judge saved nothing. nan where there is no interval."""


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
    """Return the mean of what people would say of all rows. Labels and predictions are on one scale, usually 0 to 1.

    `predictions` are the judge's of the labelled rows, `unlabelled` its of the others; `clusters` and
    `unlabelled_clusters`, such as prompts, share their names. `weights` are 1 / inclusion of the labelled rows, up to
    a factor. Raises ValueError for rows that do not fit together, and DataError for labels of another population.
    """
    rows = _rows(labels, predictions, unlabelled, (clusters, unlabelled_clusters), weights)
    is_share = all(not column.size or (column.min() >= 0 and column.max() <= 1) for column in rows[:3])
    if not rows.y.size:
        nothing = Estimate(math.nan, math.nan, math.nan, 0, 0, "people alone", "no rows")
        return PowerTuned(nothing, 0.0, nothing, math.nan)
    if rows.u.size:
        return _estimated(rows, level, is_share=is_share)
    alone = rows._replace(f=np.zeros(rows.y.size), u=np.zeros(1), codes=np.append(rows.codes, rows.codes.max() + 1))
    tuned = _estimated(alone, level, is_share=is_share)
    return tuned._replace(estimate=_noted(tuned.estimate, "no row without a label: people alone"))


class _SampledRows(NamedTuple):
    """Labelled rows, then those without a label."""

    y: Floats
    f: Floats
    u: Floats
    """Predictions of the rows without a label."""
    w: Floats | None
    """1 / inclusion of each labelled row; None if all were equally likely to be labelled."""
    codes: Codes
    """Clusters, as numbers from 0, of the labelled rows and then of the others."""


class _Contrast(NamedTuple):
    """Both parts of the estimate, with what each cluster adds to their errors."""

    mean: float
    """What people alone say."""
    shift: float
    """mean(F) - mean(f): the judge's mean on the rows without labels minus its mean on the labelled ones."""
    by_people: Floats
    by_judge: Floats
    """By cluster, what it adds to the error of `mean`, and of -`shift`."""
    labelled: int
    """Clusters with a label."""
    layout: ClusterLayout
    """Of these, by the weight of their labels."""

    def variance(self, lam: float) -> float:
        """Return the clustered variance."""
        sums = self.by_people - lam * self.by_judge
        return self.layout.factor * float(sums @ sums)


def _rows(
    labels: ArrayLike,
    predictions: ArrayLike,
    unlabelled: ArrayLike,
    clusters: tuple[Iterable[Hashable] | None, Iterable[Hashable] | None],
    weights: ArrayLike | None,
) -> _SampledRows:
    y = _finite("labels", labels)
    f = _finite("predictions", predictions)
    u = _finite("predictions without a label", unlabelled)
    if y.size != f.size:
        raise ValueError(f"a prediction for each label is needed, found {f.size} for {y.size} labels")
    w = None if weights is None else _finite("weights", weights)
    if w is not None and (w.size != y.size or (w.size and w.min() <= 0)):
        raise ValueError(f"a weight above 0 for each label is needed, found {w.size} for {y.size} labels")
    names = [None if each is None else list(each) for each in clusters]
    if names == [None, None]:
        return _SampledRows(y, f, u, w, np.arange(y.size + u.size))
    if names[0] is None or names[1] is None:
        raise ValueError("clusters are needed of the labelled rows and of the others, or of neither")
    if (len(names[0]), len(names[1])) != (y.size, u.size):
        counts = f"{len(names[0])} and {len(names[1])} for {y.size} and {u.size} rows"
        raise ValueError(f"one cluster per row is needed, found {counts}")
    return _SampledRows(y, f, u, w, number_names([*names[0], *names[1]])[0])


def _finite(name: str, values: ArrayLike) -> Floats:
    column = np.asarray(values, np.float64)
    if column.ndim != 1 or not np.isfinite(column).all():
        raise ValueError(f"{name}: expected one finite number per row; leave other rows out and count them")
    return column


def _estimated(rows: _SampledRows, level: float, *, is_share: bool) -> PowerTuned:
    contrast = _contrast(rows)
    _refuse_strangers(rows, contrast)
    labelled = contrast.labelled
    people_variance = contrast.variance(0.0)
    freedom = contrast.layout.effective - 1
    estimate = Estimate(contrast.mean, math.nan, math.nan, rows.y.size, labelled, "people alone")
    people = around(estimate, people_variance, freedom, level, is_share=is_share)
    lam = _tuned(rows, contrast) if labelled >= FEW else 0.0
    if not lam:
        few = f"fewer than {FEW} labelled clusters: people alone" if labelled < FEW else ""
        return PowerTuned(_noted(people, few), 0.0, people, math.nan if math.isnan(people.low) else 1.0)
    own = contrast.variance(lam)
    freedom = max(freedom if own > 0 else 0.0, 2.0)
    variance = (labelled * own + DOUBT * people_variance) / (labelled + DOUBT) * freedom / (freedom - 1)
    estimate = estimate._replace(value=contrast.mean + lam * contrast.shift, method="PPI++")
    powered = around(estimate, variance, freedom, level, is_share=is_share)
    width = powered.high - powered.low
    saved = ((people.high - people.low) / width) ** 2 if width > 0 else math.nan
    return PowerTuned(powered, lam, people, saved)


def _contrast(rows: _SampledRows) -> _Contrast:
    n, others, clusters = rows.y.size, rows.u.size, int(rows.codes.max()) + 1
    w = np.ones(n) if rows.w is None else rows.w
    total = float(w.sum())
    share, mean, judged = w / total, float(w @ rows.y) / total, float(w @ rows.f) / total
    by_people = _summed(rows.codes[:n], share * (rows.y - mean), clusters)
    seen = share * (rows.f - judged)
    if rows.w is None:
        whole = float(rows.u.mean())
        by_judge = np.concatenate([seen, (whole - rows.u) / others])
    else:  # the rows that were left over are no sample of the population; all rows together are
        whole = float(rows.f.sum() + rows.u.sum()) / (n + others)
        by_judge = np.concatenate([seen + (whole - rows.f) / (n + others), (whole - rows.u) / (n + others)])
    by_cluster = np.bincount(rows.codes[:n], share)
    labelled = int(np.count_nonzero(by_cluster))
    return _Contrast(
        mean, whole - judged, by_people, _summed(rows.codes, by_judge, clusters), labelled, layout(by_cluster)
    )


def _summed(codes: Codes, values: Floats, clusters: int) -> Floats:
    return np.bincount(codes, values, clusters).astype(np.float64, copy=False)


def _refuse_strangers(rows: _SampledRows, contrast: _Contrast) -> None:
    """Raise DataError if the judge sees the labelled rows so differently from the others that they cannot be a
    random sample; says nothing with fewer than 20 rows on either side."""
    if min(rows.u.size, contrast.labelled) < FEW:
        return
    # a judge who nearly always says the same hardly varies in a few labels: all predictions tell better then
    least = _spread(rows) * (1 / contrast.labelled + 1 / rows.u.size)
    freedom = min(contrast.labelled, rows.u.size) - 1
    error = math.sqrt(max(float(contrast.by_judge @ contrast.by_judge), least))
    if abs(contrast.shift) > 1e-9 + t_quantile(freedom, STRANGE) * error:
        raise DataError(
            "labelled and unlabelled rows are not of one population: the mean prediction of the rows without a label "
            f"differs by {contrast.shift:+.3f} from that of the labelled ones; label a random sample of the rows to be "
            "estimated"
        )


def _tuned(rows: _SampledRows, contrast: _Contrast) -> float:
    """Return the lam in [0, 1] with the smallest variance; 0 for a judge who says the same of every row.

    lam = Cov(y, f) / ((1 + n / N) Var(F)), Var over labelled and unlabelled rows (section 6 of the paper), and where
    rows have clusters or weights its general form sum_g(a_g b_g) / sum_g(b_g ** 2).
    """
    if rows.codes.max() + 1 == rows.codes.size and rows.w is None:  # no two rows share a cluster
        n = rows.y.size
        together = float((rows.y - contrast.mean) @ rows.f) / n
        spread = (1 + n / rows.u.size) * _spread(rows)
    else:
        together = float(contrast.by_people @ contrast.by_judge)
        spread = float(contrast.by_judge @ contrast.by_judge)
    return 0.0 if spread <= 1e-18 else min(max(together / spread, 0.0), 1.0)


def _spread(rows: _SampledRows) -> float:
    return float(np.concatenate([rows.f, rows.u]).var())


def _noted(estimate: Estimate, note: str) -> Estimate:
    return estimate._replace(note="; ".join(filter(None, (note, estimate.note))))
