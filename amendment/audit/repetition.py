"""Is a judge the same judge when it is asked the same again? Without that, noise passes for a bias of order.

Compared are draws of one rater on one item by one principle. Two draws of one displayed order differ by noise alone;
two draws of different orders differ by noise and by the order. What the second has beyond the first is the order's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Panel
from amendment.audit._table import INVALID, Codes, Numbers
from amendment.statistics import Estimate, Resampling, cautioned, clustered_mean, share

__all__ = ["Repetition", "repetition"]


@dataclass(frozen=True)
class Repetition:
    """A judge that was asked several times in the same order."""

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


def repetition(panel: Panel, number: int, draws: Resampling) -> Repetition | None:
    """Of one judge; None where nothing was asked twice in one order."""
    item, order, counts = _counted(panel, number)
    n = counts.sum(1)
    asked = n > 1
    if not asked.any():
        return None
    again = (counts * (counts - 1)).sum(1)[asked] / (n * (n - 1))[asked]
    where, prompts = item[asked], panel.prompts(item[asked])
    same, other, both = _over_orders(item, order, counts)
    difference = clustered_mean(same - other, panel.prompts(both), draws.level)
    return Repetition(
        groups=int(asked.sum()),
        stability=share(counts.max(1)[asked] / n[asked], prompts, draws.level),
        same_order=share(again, panel.prompts(where), draws.level),
        other_order=share(other, panel.prompts(both), draws.level),
        bias_share=cautioned(difference._replace(method="clustered t")),
    )


def _counted(panel: Panel, number: int) -> tuple[Codes, Codes, Numbers]:
    """Item, order (and principle) of each group, and how many of its draws say A, tie and B."""
    votes, items = panel.table.votes, len(panel.table.items)
    own = slice(*np.searchsorted(votes.rater, [number, number + 1]))
    known = (votes.order[own] < 2) & (votes.value[own] < INVALID)
    item, value = votes.item[own][known], votes.value[own][known]
    key = ((votes.principle[own][known] + 1) * items + item) * 2 + votes.order[own][known]
    groups, code = np.unique(key, return_inverse=True)
    counts = np.bincount(code * 3 + value, minlength=3 * groups.size).reshape(-1, 3).astype(np.float64)
    return groups // 2 % items, groups, counts


def _over_orders(item: Codes, groups: Codes, counts: Numbers) -> tuple[Numbers, Numbers, Codes]:
    """Of items (and principles) drawn twice in both orders: agreement within orders, between them, and the item."""
    n = counts.sum(1)
    first = np.flatnonzero((groups[:-1] // 2 == groups[1:] // 2) & (n[:-1] > 1) & (n[1:] > 1)) if n.size else n[:0]
    first = first.astype(np.int64)
    second = first + 1
    within = [(counts[side] * (counts[side] - 1)).sum(1) / (n[side] * (n[side] - 1)) for side in (first, second)]
    between = (counts[first] * counts[second]).sum(1) / (n[first] * n[second])
    return (within[0] + within[1]) / 2, between, item[first]
