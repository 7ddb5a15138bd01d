"""Raters among themselves: every pair, all together, and how well two of them agree on the same item.

The last is the human ceiling where the raters are people. It is taken item by item: on each item with at least two
people, the share of the pairs of people who agree; then the mean over items. Where everybody rated everything this
is the mean over all pairs of people; where not, each item counts once whether two or twenty rated it, so that a
judge can be compared on exactly the same footing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from amendment.audit._panel import Panel
from amendment.audit._rules import RULES, ac1, agreement, kappa, paired_shares
from amendment.audit._table import Codes, Rater
from amendment.statistics import Estimate, Resampling, gwet_ac1, krippendorff_alpha, share

__all__ = ["MOST_LISTED", "Between", "Group", "group"]

MOST_LISTED = 8
"""With more raters their pairs are not listed one by one."""


@dataclass(frozen=True)
class Between:
    """Two raters on the items that both could be read on."""

    a: str
    b: str
    items: int
    agreement: dict[str, Estimate]
    """By rule of ties."""
    kappa: Estimate
    ac1: Estimate


@dataclass(frozen=True)
class Group:
    """Raters of one sort among themselves."""

    raters: int
    alpha: Estimate
    """Krippendorff's, nominal over A, tie and B."""
    ac1: Estimate
    """Gwet's, over the same classes."""
    agreement: dict[str, Estimate]
    """Of two of them on one item, by rule of ties; of people this is the human ceiling."""
    pairs: tuple[Between, ...]
    """Empty with more than `MOST_LISTED` raters."""


def group(panel: Panel, members: Sequence[tuple[int, Rater]], draws: Resampling) -> Group | None:
    """What `members` say of each other; None with fewer than two of them."""
    if len(members) < 2:
        return None
    counts = panel.people if members[0][1].is_person else _counted(panel, members)
    listed = combinations(members, 2) if len(members) <= MOST_LISTED else ()
    return Group(
        raters=len(members),
        alpha=krippendorff_alpha(counts, panel.table.prompt, resampling=draws),
        ac1=gwet_ac1(counts, panel.table.prompt, resampling=draws),
        agreement={name: _within(panel, counts, name, draws) for name in RULES},
        pairs=tuple(_between(panel, one, other, draws) for one, other in listed),
    )


def _counted(panel: Panel, members: Sequence[tuple[int, Rater]]) -> Codes:
    numbers = np.array([number for number, _ in members])
    heard = panel.verdicts.where(np.isin(panel.verdicts.rater, numbers) & panel.verdicts.readable)
    return np.bincount(heard.item * 3 + heard.value, minlength=3 * len(panel.table.items)).reshape(-1, 3)


def _within(panel: Panel, counts: Codes, rule: str, draws: Resampling) -> Estimate:
    scores, pairs = paired_shares(counts, counts, RULES[rule], same=True)
    known = pairs > 0
    return share(np.clip(scores[known] / pairs[known], 0, 1), panel.table.prompt[known], draws.level)


def _between(panel: Panel, one: tuple[int, Rater], other: tuple[int, Rater], draws: Resampling) -> Between:
    left, right = (panel.by_item(panel.verdicts.of(number)) for number, _ in (one, other))
    items = np.arange(len(panel.table.items))
    said = panel, items, left, right, draws
    found = kappa(*said)
    return Between(one[1].name, other[1].name, found.n, agreement(*said), found, ac1(*said))
