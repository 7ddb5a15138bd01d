"""What a principle counts for where several of them judge one pair."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from amendment.constitutions import Constitution

__all__ = ["Standing", "standings_of"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one principle. Raises ValueError for a weight that is not above 0 and a tier that is not from 1 to 9."""

    weight: float = 1.0
    """How much it counts in a mean, against the others."""
    tier: int = 1
    """A lower tier decides first, where tiers are asked for."""
    hard: bool = False
    """Whether it is a veto."""

    def __post_init__(self) -> None:
        if not 0 < self.weight < math.inf:
            raise ValueError(f"a weight is a number above 0, found {self.weight}")
        if not 1 <= self.tier <= 9:
            raise ValueError(f"a tier lies from 1 to 9, found {self.tier}")


def standings_of(constitutions: Iterable[Constitution], *, by_weight: bool = True) -> dict[str, Standing]:
    """The standing of every principle, by its reference.

    `by_weight=False` lets all weigh alike, as is right where a few were drawn by weight: it would count twice.
    """
    return {
        one.principle_reference(each): Standing(each.weight if by_weight else 1.0, each.tier, each.hard)
        for one in constitutions
        for each in one.principles
    }
