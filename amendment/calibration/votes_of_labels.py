"""What people said about the items of a spot check, in content coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from amendment.calibration.samples import SampledItem

__all__ = ["HeardItem", "heard_items"]


class HeardItem(NamedTuple):
    """An item of a sample with what people said of it."""

    item: SampledItem
    votes: tuple[float, ...]
    """P(a is better) of each person who could say: 1, 0, or 0.5 for a tie and for both bad; by name of the person."""

    @property
    def p_people(self) -> float:
        return fmean(self.votes)


def heard_items(sample: Sequence[SampledItem], votes: Mapping[str, Mapping[str, float]]) -> list[HeardItem]:
    """Those items of the sample that at least one person could say something about, in its order."""
    found = ((item, tuple(votes.get(item.comparison_id, {}).values())) for item in sample)
    return [HeardItem(item, said) for item, said in found if said]
