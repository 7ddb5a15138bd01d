"""Does the displayed order decide? Only votes whose order is on record take part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amendment.calibration._panel import Calls, Panel
from amendment.calibration._rules import kappa
from amendment.calibration._table import INVALID, TIE, A, B, Codes, Flags, Numbers
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

__all__ = ["FEWEST_PAIRS", "MOSTLY_TURNED", "Order", "consistency", "order"]

FEWEST_PAIRS, MOSTLY_TURNED = 30, 0.65
"""Items read in both orders from which consistency is judged; share of them that change sides, from which it is asked
whether the orders were read the right way."""


@dataclass(frozen=True)
class Order:
    """A judge against itself with the answers swapped."""

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
