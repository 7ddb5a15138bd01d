"""Does a judge's reasoning argue for the answer that it then prefers?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Panel
from amendment.audit._table import INVALID, NONE, TIE
from amendment.statistics import Estimate, Resampling, share

__all__ = ["MOST_NAMED", "Rationales", "rationales"]

MOST_NAMED = 100
"""Items that are named one by one; the count has all of them."""


@dataclass(frozen=True)
class Rationales:
    """Votes that decide and whose reasoning says plainly which answer is better."""

    contradicting: int
    """Votes for the other answer than their reasoning."""
    share: Estimate
    """Of the votes that could be compared."""
    items: tuple[str, ...]
    """The items of the former, in the order of the file."""


def rationales(panel: Panel, number: int, draws: Resampling) -> Rationales | None:
    """Of one judge; None where no reasoning could be compared with its verdict."""
    votes = panel.table.votes
    own = slice(*np.searchsorted(votes.rater, [number, number + 1]))
    item, value, argues = votes.item[own], votes.value[own], votes.argues[own]
    compared = (argues != NONE) & (value != TIE) & (value < INVALID)
    if not compared.any():
        return None
    other = (argues != value)[compared]
    item = item[compared]
    names = tuple(panel.table.items[code] for code in np.unique(item[other])[:MOST_NAMED])
    return Rationales(int(other.sum()), share(other, panel.prompts(item), draws.level), names)
