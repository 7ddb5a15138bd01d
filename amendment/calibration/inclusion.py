"""Inclusion probabilities, and samples of fixed size that keep them.

A sample is drawn with permanent random numbers: each item has one number from 0 to 1 for good, and what decides is that
number beside the item's probability. Where a few probabilities change, nearly the same items are drawn again.

Covered: probabilities that follow a judge's uncertainty with a uniform share (Zrnic and Candes 2024, arXiv 2403.03208),
whole numbers that keep their expectations, Pareto sampling (Rosen 1997, "On sampling with probability proportional to
size", Journal of Statistical Planning and Inference 62) with the adjustment of Bondesson, Traat and Lundqvist (2006,
"Pareto sampling versus Sampford and conditional Poisson sampling", Scandinavian Journal of Statistics 33). Realised
probabilities are those aimed at but for 1 % of their value in samples of two, and less in larger ones. Not covered:
joint inclusion probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats

__all__ = ["conditional_inclusion", "inclusion_probabilities", "pareto_sample", "whole_counts"]

NEAR = 1e-9


def inclusion_probabilities(p: ArrayLike, items: int, *, uniform: float) -> Floats:
    """The probability with which each comparison is drawn; they add up to `items`, or are all 1 where there are fewer.

    `p` is the judge's P(a is better). With u = sqrt(p (1 - p)) an item's size is uniform + (1 - uniform) u / mean(u),
    and its probability items * size / N, at most 1; what is cut off goes to the others in proportion.
    """
    judged = np.asarray(p, np.float64)
    if items >= judged.size:
        return np.ones(judged.size)
    doubt = np.sqrt(judged * (1 - judged))
    mean = float(doubt.mean())
    size = uniform + (1 - uniform) * doubt / mean if mean > 0 else np.ones(judged.size)
    return _filled(size, np.ones(judged.size), items)


def whole_counts(expected: ArrayLike, start: float) -> NDArray[np.intp]:
    """Whole numbers in the place of `expected` ones, each the next below or above, with the same total (rounded).

    `start` is random, from 0 to below 1; over it the mean of each number is the expected one (systematic rounding: how
    many of start, start + 1, start + 2, ... fall into each stretch).
    """
    ends = np.concatenate([[0.0], np.cumsum(np.asarray(expected, np.float64))]).round(9)
    return np.diff(np.floor(ends + start)).astype(np.intp)


def conditional_inclusion(inclusion: Floats, count: int) -> Floats:
    """Probabilities that add up to `count`, the whole number below or above the total of `inclusion`.

    With the total m + f, where m + 1 is drawn with probability f and m otherwise, the mean over both is `inclusion`:
    inclusion + (1 - f) d above and inclusion - f d below, where d is proportional to `inclusion` as far as no
    probability passes 1, and adds up to 1.
    """
    total = float(inclusion.sum())
    below = int(np.floor(total + NEAR))
    rest = total - below
    if rest <= NEAR:
        return inclusion
    moved = _filled(inclusion, (1 - inclusion) / (1 - rest), 1.0)
    found = inclusion + (1 - rest) * moved if count > below else inclusion - rest * moved
    return np.clip(found, 0.0, 1.0)


def pareto_sample(inclusion: Floats, numbers: Floats, count: int) -> NDArray[np.intp]:
    """The places of `count` items: those with the least odds(number) / odds(inclusion), adjusted.

    `numbers` are uniform between 0 and 1, one per item. The adjustment is exp(v (inclusion - 1/2) / d^2) with
    v = inclusion (1 - inclusion) and d the sum of v. An item with inclusion 1 is always among them.
    """
    chance = np.clip(inclusion, NEAR, 1.0)
    spread = chance * (1 - chance)
    adjusted = np.exp(spread * (chance - 0.5) / max(float(spread.sum()), NEAR) ** 2) if spread.sum() > NEAR else 1.0
    rank = numbers / (1 - numbers) * (1 - chance) / chance * adjusted
    rank[inclusion >= 1 - NEAR] = 0.0
    return np.argsort(rank, kind="stable")[:count]


def _filled(weight: Floats, cap: Floats, total: float) -> Floats:
    """min(c * weight, cap) with the c that makes it add up to `total`; the caps where they do not reach it."""
    full = np.zeros(weight.size, np.bool_)
    while not full.all():
        scale = (total - float(cap[full].sum())) / float(weight[~full].sum())
        over = ~full & (scale * weight >= cap)
        if not over.any():
            return np.where(full, cap, scale * weight)
        full |= over
    return cap.copy()
