"""Whether raters err on the same items, and how many independent ones they are worth.

Covered: the correlation (phi) of every two raters' errors, against known labels or, without any, against the majority
of the others. Not covered: which raters to leave out.

Without labels this is a rough figure. Where the others are wrong together, a rater who is right counts as in error, so
that correlations come out too high: five independent raters, right in 60 to 80 of 100 items, show a phi of 0.2. And it
takes four raters, since of three no two can be told apart from the third.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats

__all__ = ["Against", "ErrorsTogether", "effective_number", "errors_together"]

Against = Literal["labels", "majority of the others"]
FEWEST = 4
"""Raters without labels."""


class ErrorsTogether(NamedTuple):
    """How far errors go together."""

    against: Against
    error_rates: Floats
    """Share of errors by rater, among the items where it voted and a label is known; nan without any."""
    phi: Floats
    """By two raters, 1 on the diagonal; nan where either never errs, always errs, or no item can be compared."""
    counts: NDArray[np.intp]
    """Items that each phi rests on."""
    mean_phi: float
    """Of all two different raters whose phi is known; nan without any."""
    effective: float
    """Of how many independent raters they have the worth; nan where mean_phi is."""


def errors_together(votes: ArrayLike, labels: ArrayLike | None = None) -> ErrorsTogether:
    """Correlation of errors from `votes`, a row per item and a column per rater: a class from 0, or -1 for none.

    `labels` has the true class of each item, or -1 where it is not known; items without one then do not count. Without
    `labels` a rater's error is a vote other than that of the majority of the others, where these have one.
    """
    given = np.asarray(votes)
    if given.ndim != 2 or (given.size and given.dtype.kind not in "iu"):
        raise ValueError("expected a row per item and a column per rater, whole numbers from -1")
    against: Against = "majority of the others" if labels is None else "labels"
    if labels is None:
        truth = _majorities_of_others(given)
    else:
        truth = np.broadcast_to(np.asarray(labels)[:, None], given.shape)
    known = (given >= 0) & (truth >= 0)
    wrong = (given != truth) & known
    seen = known.sum(0)
    rates = np.where(seen > 0, wrong.sum(0) / np.maximum(seen, 1), np.nan)
    phi, counts = _phis(wrong, known)
    if labels is None and given.shape[1] < FEWEST - 1:
        rates = np.full_like(rates, np.nan)  # of two, each is the majority that the other is measured by
    if labels is None and given.shape[1] < FEWEST:
        phi = np.where(np.eye(len(phi), dtype=bool), phi, np.nan)
    apart = phi[np.triu_indices(len(phi), 1)]
    mean = float(np.nanmean(apart)) if np.isfinite(apart).any() else math.nan
    return ErrorsTogether(against, rates, phi, counts, mean, effective_number(given.shape[1], mean))


def effective_number(raters: int, mean_phi: float) -> float:
    """J / (1 + (J - 1) mean phi), the size of an independent jury whose mean vote varies as much (Kish 1965, design
    effect); never more than J, so that a negative phi, which is mostly chance, promises nothing."""
    return raters / (1 + (raters - 1) * max(mean_phi, 0.0)) if not math.isnan(mean_phi) else math.nan


def _majorities_of_others(votes: NDArray[np.integer]) -> NDArray[np.intp]:
    """For each item and rater the vote that most others gave; -1 where there is no single one."""
    classes = int(votes.max(initial=0)) + 1
    said = votes[:, :, None] == np.arange(classes)
    others = said.sum(1, keepdims=True) - said
    top = others.max(2)
    is_single = ((others == top[:, :, None]).sum(2) == 1) & (top > 0)
    return np.where(is_single, others.argmax(2), -1)


def _phis(wrong: NDArray[np.bool_], known: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.intp]]:
    raters = wrong.shape[1]
    phi, counts = np.eye(raters), np.diag(known.sum(0))
    for one, other in combinations(range(raters), 2):
        both = known[:, one] & known[:, other]
        counts[one, other] = counts[other, one] = both.sum()
        phi[one, other] = phi[other, one] = _phi(wrong[both, one], wrong[both, other])
    return phi, counts


def _phi(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """(n n11 - n1. n.1) / sqrt(n1. n0. n.1 n.0), the correlation of two yes-or-no variables."""
    n, a, b, both = len(first), int(first.sum()), int(second.sum()), int((first & second).sum())
    spread = a * (n - a) * b * (n - b)
    return (n * both - a * b) / math.sqrt(spread) if spread else math.nan
