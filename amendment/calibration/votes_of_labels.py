"""What people said about the items of a spot check, in content coordinates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from amendment.calibration.samples import SampledItem
from amendment.records import Comparison, Verdict

__all__ = ["HeardItem", "heard_items", "person_votes"]


class HeardItem(NamedTuple):
    """An item of a sample with what people said of it."""

    item: SampledItem
    votes: tuple[float, ...]
    """P(a is better) of each person who could say: 1, 0, or 0.5 for a tie and for both bad; by name of the person."""

    @property
    def p_people(self) -> float:
        return fmean(self.votes)


def person_votes(verdicts: Iterable[Verdict]) -> dict[str, dict[str, float]]:
    """P(a is better) by comparison and person, persons in the order of their names; of hidden repeats the first
    showing counts."""
    found: dict[str, dict[str, tuple[int, float]]] = defaultdict(dict)
    for verdict in verdicts:
        p_first = verdict.p_first()
        if p_first is None or len(verdict.shown) != 2:
            continue
        a, b = sorted(verdict.shown)
        heard = found[Comparison(verdict.prompt_id, a, b).id]
        if verdict.rater not in heard or verdict.sample < heard[verdict.rater][0]:
            heard[verdict.rater] = verdict.sample, p_first if verdict.shown[0] == a else 1 - p_first
    return {name: {rater: heard[rater][1] for rater in sorted(heard)} for name, heard in found.items()}


def heard_items(sample: Sequence[SampledItem], votes: Mapping[str, Mapping[str, float]]) -> list[HeardItem]:
    """Those items of the sample that at least one person could say something about, in its order."""
    found = ((item, tuple(votes.get(item.comparison_id, {}).values())) for item in sample)
    return [HeardItem(item, said) for item, said in found if said]
