"""Many tests at once: Holm's step-down correction over a family of p-values.

Covered: adjusted p-values and what is rejected at a level; the chance that anything at all is rejected where nothing
is there stays at the level or below, however the tests depend on each other. Not covered: which tests make a family.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Corrected", "holm"]


class Corrected(NamedTuple):
    """One test of a family."""

    p: float
    """By itself; nan where it could not be made, and then it does not count in the family."""
    adjusted: float
    """The least level at which the family as a whole rejects it."""
    rejected: bool


def holm(p_values: Mapping[str, float], level: float = 0.05) -> dict[str, Corrected]:
    """Every test by name, in the order given, corrected as in Holm (1979).

    With the p-values sorted, p_(1) <= ... <= p_(m), the adjusted one of rank j is the greatest of (m - i + 1) p_(i)
    over i <= j, cut at 1; a test is rejected where that is at most `level`. Raises ValueError for a level or a p that
    is none.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level lies between 0 and 1, found {level}")
    known = {name: p for name, p in p_values.items() if not math.isnan(p)}
    wrong = [name for name, p in known.items() if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"a p-value lies between 0 and 1, found {known[wrong[0]]} for {wrong[0]}")
    adjusted, greatest = dict.fromkeys(p_values, math.nan), 0.0
    for rank, name in enumerate(sorted(known, key=lambda name: known[name])):
        greatest = max(greatest, min(1.0, (len(known) - rank) * known[name]))
        adjusted[name] = greatest
    return {name: Corrected(p, adjusted[name], adjusted[name] <= level) for name, p in p_values.items()}
