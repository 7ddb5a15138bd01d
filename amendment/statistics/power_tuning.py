"""The algebra of prediction-powered means: what people said of some rows, and what a judge said of all.

Of one population, y are people's labels, f a judge's predictions of the same rows, F those that f is compared with:

    theta(lam) = mean(y) + lam (mean(F) - mean(f))

Every row adds to the error of mean(y) and to the error of the judge's contrast. `Contrast` keeps both by cluster, so
that any lam, clusters and strata come down to sums of squares. Used by `prediction_powered`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.errors import DataError
from amendment.statistics.intervals import FEW, Floats, codes_of, t_quantile

__all__ = ["DOUBT", "Contrast", "PowerRows", "clipped", "contrast", "power_rows", "refuse_strangers", "summed", "tuned"]

Codes = NDArray[np.intp]

DOUBT = 6
"""Labelled clusters by which the judge is taken to be worth nothing, in the variance: keeps the interval honest where
hardly a mistake was seen. Four, as of Agresti and Coull, are too few for a judge who errs to one side."""
STRANGE = 1 - 1e-9
"""Level of the test that the labelled rows and the others look alike to the judge; beyond it they are refused."""


class PowerRows(NamedTuple):
    """Labelled rows, then those without a label."""

    y: Floats
    f: Floats
    u: Floats
    """Predictions of the rows without a label."""
    w: Floats | None
    """1 / inclusion of each labelled row; None where all were equally likely to be labelled."""
    codes: Codes
    """Clusters, as numbers from 0, of the labelled rows and then of the others."""
    independent: bool
    """No two rows share a cluster."""

    @property
    def labelled(self) -> int:
        """Clusters with a label."""
        n = self.y.size
        return n if self.independent else int(np.count_nonzero(np.bincount(self.codes[:n])))


class Contrast(NamedTuple):
    mean: float
    """What people alone say."""
    shift: float
    """mean(F) - mean(f): how the judge sees the rows that people did not see beside those that they saw."""
    by_people: Floats
    by_judge: Floats
    """By cluster, what it adds to the error of `mean`, and of -`shift`."""
    labelled: int
    """Clusters with a label."""


def power_rows(
    labels: ArrayLike,
    predictions: ArrayLike,
    unlabelled: ArrayLike,
    clusters: tuple[Iterable[Hashable] | None, Iterable[Hashable] | None],
    weights: ArrayLike | None,
) -> PowerRows:
    """The arguments of `prediction_powered`, checked. Raises ValueError."""
    y, f = _finite("labels", labels), _finite("predictions", predictions)
    u = _finite("predictions without a label", unlabelled)
    if y.size != f.size:
        raise ValueError(f"a prediction for each label is needed, found {f.size} for {y.size} labels")
    w = None if weights is None else _finite("weights", weights)
    if w is not None and (w.size != y.size or (w.size and w.min() <= 0)):
        raise ValueError(f"a weight above 0 for each label is needed, found {w.size} for {y.size} labels")
    codes, count = _clusters(y.size, u.size, *clusters)
    return PowerRows(y, f, u, w, codes, count == codes.size)


def _finite(name: str, values: ArrayLike) -> Floats:
    found = np.asarray(values, np.float64)
    if found.ndim != 1 or not np.isfinite(found).all():
        raise ValueError(f"{name}: expected one finite number per row; leave other rows out and count them")
    return found


def _clusters(
    n: int, others: int, clusters: Iterable[Hashable] | None, other_clusters: Iterable[Hashable] | None
) -> tuple[Codes, int]:
    if (clusters is None) != (other_clusters is None):
        raise ValueError("clusters are needed of the labelled rows and of the others, or of neither")
    if clusters is None or other_clusters is None:
        return np.arange(n + others), n + others
    return codes_together(clusters, other_clusters, (n, others))


def codes_together(first: Iterable[Hashable], second: Iterable[Hashable], sizes: tuple[int, int]) -> tuple[Codes, int]:
    """`codes_of` names of labelled rows and then of the others, as many as `sizes` says."""
    one, other = (
        names if isinstance(names, np.ndarray) and names.dtype.kind in "iu" else list(names)
        for names in (first, second)
    )
    if (len(one), len(other)) != sizes:
        found = f"{len(one)} and {len(other)} for {sizes[0]} and {sizes[1]} rows"
        raise ValueError(f"one cluster or stratum per row is needed, found {found}")
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return codes_of(np.concatenate([one, other]))
    return codes_of([*one, *other])


def summed(codes: Codes, values: Floats, clusters: int) -> Floats:
    """Sums of `values` by cluster."""
    return np.bincount(codes, values, clusters).astype(np.float64, copy=False)


def contrast(rows: PowerRows, clusters: int) -> Contrast:
    """Both parts of the estimate, with what each of `clusters` adds to their errors."""
    n, others = rows.y.size, rows.u.size
    w = np.ones(n) if rows.w is None else rows.w
    total = float(w.sum())
    share, mean, judged = w / total, float(w @ rows.y) / total, float(w @ rows.f) / total
    by_people = summed(rows.codes[:n], share * (rows.y - mean), clusters)
    seen = share * (rows.f - judged)
    if rows.w is None:
        whole = float(rows.u.mean())
        by_judge = np.concatenate([seen, (whole - rows.u) / others])
    else:  # the rows that were left over are no sample of the population; all rows together are
        whole = float(rows.f.sum() + rows.u.sum()) / (n + others)
        by_judge = np.concatenate([seen + (whole - rows.f) / (n + others), (whole - rows.u) / (n + others)])
    return Contrast(mean, whole - judged, by_people, summed(rows.codes, by_judge, clusters), rows.labelled)


def refuse_strangers(size: Sequence[float], rows: Sequence[PowerRows], found: Sequence[Contrast]) -> None:
    """Raises DataError where the judge sees the labelled rows of all strata so differently from the others that they
    cannot be a random sample. Strata with fewer than 20 rows on either side are left out."""
    kept = [i for i, one in enumerate(rows) if one.u.size >= FEW and found[i].labelled >= FEW]
    if not kept:
        return
    sums = sum((size[i] * found[i].by_judge for i in kept), np.zeros(1))
    shift = sum(size[i] * found[i].shift for i in kept)
    # a judge who nearly always says the same hardly varies in a few labels: all predictions tell better then
    least = sum(size[i] ** 2 * _spread(rows[i]) * (1 / found[i].labelled + 1 / rows[i].u.size) for i in kept)
    freedom = min(min(found[i].labelled, rows[i].u.size) for i in kept) - 1
    if abs(shift) > 1e-9 + t_quantile(freedom, STRANGE) * math.sqrt(max(float(sums @ sums), least)):
        raise DataError(
            "labelled and unlabelled rows are not of one population: the mean prediction of the rows without a label "
            f"differs by {shift:+.3f} from that of the labelled ones; label a random sample of the rows to be estimated"
        )


def tuned(rows: PowerRows, found: Contrast) -> float:
    """The lam in [0, 1] with the smallest variance; 0 for a judge who says the same of every row.

    lam = Cov(y, f) / ((1 + n / N) Var(F)), Var over labelled and unlabelled rows (PPI++, arXiv 2311.01453, section 6),
    and where rows have clusters or weights its general form sum_g(a_g b_g) / sum_g(b_g ** 2).
    """
    if rows.independent and rows.w is None:
        n = rows.y.size
        together = float((rows.y - found.mean) @ rows.f) / n
        return clipped(together, (1 + n / rows.u.size) * _spread(rows))
    return clipped(float(found.by_people @ found.by_judge), float(found.by_judge @ found.by_judge))


def _spread(rows: PowerRows) -> float:
    return float(np.concatenate([rows.f, rows.u]).var())


def clipped(together: float, spread: float) -> float:
    """together / spread in [0, 1]; 0 where nothing spreads."""
    return 0.0 if spread <= 1e-18 else min(max(together / spread, 0.0), 1.0)
