"""Does the displayed order decide? Only votes whose order is on record take part.

Best told by items that were asked in both orders. Where each item has one order, the share of the first shown is
compared with one half, over pairs of systems of which each was shown first often enough; where one system is always
shown first, its merit and its place cannot be told apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._rules import kappa
from amendment.audit._table import INVALID, TIE, A, B, Codes, Flags, Numbers
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
from amendment.statistics.intervals import NO_VARIATION
from amendment.statistics.sampling import weighted_mean

__all__ = ["CONFOUNDED", "FEWEST_PAIRS", "LEAST_BALANCED", "MOSTLY_TURNED", "Order", "consistency", "order"]

FEWEST_PAIRS, MOSTLY_TURNED = 30, 0.65
"""Items read in both orders from which consistency is judged, or in one order from which the share of the first shown
is; share of those of both orders that change sides, from which it is asked whether the orders were read the right
way."""
LEAST_BALANCED = 0.25
"""Share of a pair's items in which either of the two systems has to be shown first."""
CONFOUNDED = "order and system cannot be told apart"


@dataclass(frozen=True)
class Order:
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
    def contradicts(self) -> bool:
        """Whether the two orders disagree beyond chance, which no leaning to a position brings about.

        A judge that looks at position alone has a kappa of 0 between its orders. Below 0 it prefers one answer in the
        one order and the other answer in the other: displayed coordinates read as content, or the reverse, do that.
        """
        is_certain = self.kappa.high < 0 or (self.kappa.note == NO_VARIATION and self.kappa.value < 0)
        return self.pairs >= FEWEST_PAIRS and is_certain

    @property
    def mostly_turns(self) -> bool:
        """Whether it changes sides nearly as often as a steady judge keeps them: a rare bias, or orders misread."""
        return self.pairs >= FEWEST_PAIRS and self.consistency.high < 0.5 and self.turned >= MOSTLY_TURNED


def order(panel: Panel, calls: Calls, draws: Resampling) -> Order:
    """One judge's figures."""
    items, first, second = _read_in_both(panel, calls)
    primacy, recency = (first == A) & (second == B), (first == B) & (second == A)
    prompts, soft = panel.prompts(items), (first == TIE) != (second == TIE)
    same, between = consistency(panel, calls, draws)
    won_first, won_second = int(primacy.sum()), int(recency.sum())
    return Order(
        pairs=items.size,
        consistency=same,
        kappa=between,
        primacy=won_first,
        recency=won_second,
        soft=int(soft.sum()),
        index=_index(primacy, recency, prompts, draws),
        rate=_rate(primacy, recency, prompts, draws),
        p=binomial_p(won_second, won_first + won_second),
        prefers_first=_prefers_first(panel, calls, draws),
        **_one_order(panel, calls, draws.level),
    )


def consistency(panel: Panel, calls: Calls, draws: Resampling) -> tuple[Estimate, Estimate]:
    """The share of items read in both orders with the same verdict, and kappa between the orders."""
    items, first, second = _read_in_both(panel, calls)
    return share(first == second, panel.prompts(items), draws.level), kappa(panel, items, first, second, draws)


def _read_in_both(panel: Panel, calls: Calls) -> tuple[Codes, Codes, Codes]:
    """Items, the verdict with A shown first, the verdict with B shown first."""
    first, second = panel.by_item(calls, 0), panel.by_item(calls, 1)
    items = np.flatnonzero((first < INVALID) & (second < INVALID))
    return items, first[items], second[items]


def _rate(primacy: Flags, recency: Flags, prompts: Codes, draws: Resampling) -> Estimate:
    mean = clustered_mean(recency.astype(np.float64) - primacy, prompts, draws.level)
    return cautioned(mean._replace(method="clustered t"))


def _index(primacy: Flags, recency: Flags, prompts: Codes, draws: Resampling) -> Estimate:
    flips = primacy | recency
    sums = sums_by_cluster(prompts[flips], primacy[flips], recency[flips])
    return bootstrap(sums, _of_flips, n=int(flips.sum()), resampling=draws, name="index over flips,")


def _of_flips(sums: Numbers) -> Numbers:
    primacy, recency = sums.T
    return quotient(recency - primacy, recency + primacy)


def _prefers_first(panel: Panel, calls: Calls, draws: Resampling) -> Estimate:
    decided = calls.where((calls.order < 2) & ((calls.value == A) | (calls.value == B)))
    return share((decided.value == A) == (decided.order == 0), panel.prompts(decided.item), draws.level)


class _OneOrder(TypedDict):
    one_order: Estimate | None
    one_order_note: str


def _one_order(panel: Panel, calls: Calls, level: float) -> _OneOrder:
    """The share of the first shown over items of one order; a call weighs 1 / the share of its order in its pair."""
    table, known = panel.table, calls.where(calls.order < 2)
    orders = np.bincount(known.item, minlength=len(table.items))
    decided = known.where((orders[known.item] == 1) & ((known.value == A) | (known.value == B)))
    if decided.item.size < FEWEST_PAIRS:
        return {"one_order": None, "one_order_note": f"{decided.item.size} items decided in one order alone"}
    a, b = table.model_a[decided.item], table.model_b[decided.item]
    pair = np.unique(np.minimum(a, b) * (len(table.models) + 1) + np.maximum(a, b), return_inverse=True)[1]
    # which system of the pair is shown first; of two without a name, or of one name, the side stands for it
    is_lower_first = (a <= b) == (decided.order == 0)
    of_order = np.bincount(2 * pair + is_lower_first, minlength=2 * (int(pair.max()) + 1)).reshape(-1, 2)
    chance = of_order[pair, is_lower_first.astype(np.int64)] / of_order.sum(axis=1)[pair]
    is_same = (a == b) & (a >= 0)  # nothing to be confounded with: any order will do
    kept = is_same | (np.minimum(chance, 1 - chance) >= LEAST_BALANCED)
    if kept.sum() < FEWEST_PAIRS:
        return {"one_order": None, "one_order_note": CONFOUNDED}
    first = (decided.value == A) == (decided.order == 0)
    chance, prompts = np.where(is_same, 0.5, chance)[kept], panel.prompts(decided.item[kept])
    return {"one_order": weighted_mean(first[kept], chance, prompts, level), "one_order_note": ""}
