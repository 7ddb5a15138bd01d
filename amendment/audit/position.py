"""Does the displayed order decide, and does a judge say the same when it is asked the same again?

Only votes whose order is on record take part. Best told by items that were asked in both orders. Where each item has
one order, the share of the first shown is compared with one half, over pairs of systems of which each was shown first
often enough; where one system is always shown first, its merit and its place cannot be told apart.

Without repetition noise passes for a bias of order. Two draws of one displayed order differ by noise alone; two draws
of different orders differ by noise and by the order. What the second has beyond the first is the order's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amendment.audit.agreement import kappa
from amendment.audit.votes import INVALID, TIE, A, AuditData, B, Codes, Numbers, Verdicts
from amendment.statistics import (
    Estimate,
    Resampling,
    binomial_p,
    bootstrap,
    cautioned,
    clustered_mean,
    quotient,
    share,
    sums_by_cluster,
)
from amendment.statistics.intervals import FEWEST_ITEMS, NO_VARIATION
from amendment.statistics.sampling import weighted_mean

MOSTLY_TURNED = 0.65
"""Share of the items of both orders that change sides, from which the orders may have been read the wrong way."""
LEAST_BALANCED = 0.25
"""Share of a pair's items in which either of the two systems has to be shown first."""
CONFOUNDED = "order and system cannot be told apart"


@dataclass(frozen=True)
class Position:
    """A judge against itself with the answers swapped; asked in one order, against one half."""

    pairs: int
    """Items read in both orders."""
    consistency: Estimate
    """Share of them with the same verdict on content; two ties are the same."""
    kappa: Estimate
    """Cohen's, between the two orders."""
    primacy: int
    """Items in which the first shown won both times."""
    recency: int
    """Items in which the second shown won both times."""
    soft: int
    """Items with a tie in one order and a decision in the other."""
    index: Estimate
    """(recency - primacy) / (recency + primacy), from -1 to 1; nan where neither occurred."""
    rate: Estimate
    """(recency - primacy) / pairs."""
    p: float
    """Exact binomial, recency against primacy at one half; nan where neither occurred."""
    prefers_first: Estimate
    """Share of decided calls, of either order, for the answer shown first."""
    one_order: Estimate | None
    """The same of items with one order alone, the two orders of each pair of systems weighing the same: without a bias
    one half. Absent where it cannot be measured."""
    one_order_note: str
    """Why it is absent."""

    @property
    def turned(self) -> float:
        """Share of pairs in which one position won both times."""
        return (self.primacy + self.recency) / self.pairs if self.pairs else math.nan

    @property
    def leans(self) -> bool:
        """Return whether one position wins both times far more often than the other; False where neither ever did."""
        return self.p < 0.01 and abs(self.index.value) > 0.5

    @property
    def contradicts(self) -> bool:
        """Return whether the two orders disagree beyond chance, which a position bias cannot cause.

        A judge that looks at position alone has a kappa of 0 between its orders. Below 0 it prefers one answer in the
        one order and the other answer in the other: displayed coordinates read as content, or the reverse, do that.
        """
        is_certain = self.kappa.high < 0 or (self.kappa.note == NO_VARIATION and self.kappa.value < 0)
        return self.pairs >= FEWEST_ITEMS and is_certain

    @property
    def mostly_turns(self) -> bool:
        """Return whether it changes sides nearly as often as a consistent judge keeps them: a rare bias, or orders
        misread."""
        return self.pairs >= FEWEST_ITEMS and self.consistency.high < 0.5 and self.turned >= MOSTLY_TURNED


@dataclass(frozen=True)
class Repetition:
    """A judge that was asked several times in the same order, by the same principle."""

    groups: int
    """Items, orders and principles with two readable draws or more."""
    stability: Estimate
    """Share of a group's draws that say what most of them say."""
    same_order: Estimate
    """How often two draws of one order agree."""
    other_order: Estimate
    """How often two draws of different orders agree, where both orders were drawn twice or more."""
    bias_share: Estimate
    """same_order - other_order on the latter: disagreement between orders that is not noise."""


def position(data: AuditData, calls: Verdicts, draws: Resampling) -> Position:
    items, first, second = data.read_in_both(calls)
    primacy = (first == A) & (second == B)
    recency = (first == B) & (second == A)
    prompts, flips = data.prompts(items), primacy | recency
    won_first = int(primacy.sum())
    won_second = int(recency.sum())
    same, between = consistency(data, calls, draws)
    rate = clustered_mean(recency.astype(np.float64) - primacy, prompts, draws.level).within(-1, 1)
    decided = calls.where((calls.order < 2) & calls.decided)
    one_order, note = _one_order(data, calls, draws.level)

    def index(sums: Numbers) -> Numbers:
        return quotient(sums[..., 1] - sums[..., 0], sums[..., 1] + sums[..., 0])

    return Position(
        pairs=items.size,
        consistency=same,
        kappa=between,
        primacy=won_first,
        recency=won_second,
        soft=int(((first == TIE) != (second == TIE)).sum()),
        index=bootstrap(
            sums_by_cluster(prompts[flips], primacy[flips], recency[flips]),
            index,
            n=int(flips.sum()),
            resampling=draws,
            name="index over flips,",
        ),
        rate=cautioned(rate._replace(method="clustered t")),
        p=binomial_p(won_second, won_first + won_second),
        prefers_first=share((decided.value == A) == (decided.order == 0), data.prompts(decided.item), draws.level),
        one_order=one_order,
        one_order_note=note,
    )


def consistency(data: AuditData, calls: Verdicts, draws: Resampling) -> tuple[Estimate, Estimate]:
    """Return the share of items read in both orders with the same verdict, and kappa between the orders."""
    items, first, second = data.read_in_both(calls)
    return share(first == second, data.prompts(items), draws.level), kappa(data, items, first, second, draws)


def _one_order(data: AuditData, calls: Verdicts, level: float) -> tuple[Estimate | None, str]:
    """Return the share of the first shown over items of one order; a call weighs 1 / the share of its order in its
    pair."""
    known = calls.where(calls.order < 2)
    orders = np.bincount(known.item, minlength=len(data.items))
    decided = known.where((orders[known.item] == 1) & known.decided)
    if decided.item.size < FEWEST_ITEMS:
        return None, f"{decided.item.size} items decided in one order alone"
    a = data.model_a[decided.item]
    b = data.model_b[decided.item]
    pair = np.unique(np.minimum(a, b) * (len(data.models) + 1) + np.maximum(a, b), return_inverse=True)[1]
    # which system of the pair is shown first; of two without a name, or of one name, the side stands for it
    is_lower_first = (a <= b) == (decided.order == 0)
    of_order = np.bincount(2 * pair + is_lower_first, minlength=2 * (int(pair.max()) + 1)).reshape(-1, 2)
    chance = of_order[pair, is_lower_first.astype(np.int64)] / of_order.sum(axis=1)[pair]
    is_same = (a == b) & (a >= 0)  # nothing to be confounded with: any order will do
    kept = is_same | (np.minimum(chance, 1 - chance) >= LEAST_BALANCED)
    if kept.sum() < FEWEST_ITEMS:
        return None, CONFOUNDED
    first = (decided.value == A) == (decided.order == 0)
    chance, prompts = np.where(is_same, 0.5, chance)[kept], data.prompts(decided.item[kept])
    return weighted_mean(first[kept], chance, prompts, level), ""


def repetition(data: AuditData, number: int, draws: Resampling) -> Repetition | None:
    """Return the self-consistency of one judge on repeated questions; None where nothing was asked twice in one
    order."""
    groups, item, counts = _groups(data, number)
    n = counts.sum(1)
    asked = n > 1
    if not asked.any():
        return None
    prompts = data.prompts(item[asked])
    again = (counts * (counts - 1)).sum(1) / np.maximum(n * (n - 1), 1)
    # of groups, which are sorted, the first order's where the second order was drawn twice as well
    first = np.flatnonzero((groups[:-1] // 2 == groups[1:] // 2) & asked[:-1] & asked[1:])
    both, second = data.prompts(item[first]), first + 1
    same = (again[first] + again[second]) / 2
    other = (counts[first] * counts[second]).sum(1) / (n[first] * n[second])
    return Repetition(
        groups=int(asked.sum()),
        stability=share(counts.max(1)[asked] / n[asked], prompts, draws.level),
        same_order=share(again[asked], prompts, draws.level),
        other_order=share(other, both, draws.level),
        bias_share=cautioned(
            clustered_mean(same - other, both, draws.level).within(-1, 1)._replace(method="clustered t")
        ),
    )


def _groups(data: AuditData, number: int) -> tuple[Codes, Codes, Numbers]:
    """Item, order and principle of each group as one number, its item, and how many draws say A, tie and B."""
    votes, items = data.votes.of(number), len(data.items)
    votes = votes.where((votes.order < 2) & (votes.value < INVALID))
    groups, code = np.unique(((votes.principle + 1) * items + votes.item) * 2 + votes.order, return_inverse=True)
    counts = np.bincount(code * 3 + votes.value, minlength=3 * groups.size).reshape(-1, 3).astype(np.float64)
    return groups, groups // 2 % items, counts
