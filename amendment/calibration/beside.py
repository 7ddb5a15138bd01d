"""A judge beside people: how often it agrees with one person, and how often two people agree with each other.

Ties are dropped, the judge's and people's, as in the certificate's rule `no_ties`. Items weigh 1 / their inclusion
probability, so that the figures speak of all comparisons that are exported, and intervals are clustered by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from amendment.calibration.votes_of_labels import HeardItem
from amendment.statistics import Estimate
from amendment.statistics.sampling import weighted_difference, weighted_mean
from amendment.statistics.sides import side_of

__all__ = ["Beside", "agreement_with_people", "beside_people"]


class Beside(NamedTuple):
    """A judge's agreement with single people beside that of two people, on the same items."""

    items: int
    """Items with a decided judge and two decided people."""
    judge: float
    people: Estimate
    """How often two people agree with each other."""
    difference: Estimate
    """judge - people: above 0 the judge agrees with a person more than another person does."""


def agreement_with_people(items: Sequence[HeardItem], level: float = 0.95) -> Estimate:
    """The share of people's decided verdicts that say what the judge says; each item counts once."""
    shares = [(one, share) for one in items if (share := _with_judge(one)) is not None]
    kept = [one for one, _ in shares]
    return weighted_mean([share for _, share in shares], _chances(kept), _prompts(kept), level)


def beside_people(items: Sequence[HeardItem], level: float = 0.95) -> Beside:
    """The judge's agreement beside people's, on items that both can be computed for."""
    found = [(one, _with_judge(one), _among_people(one)) for one in items]
    shared = [(one, judge, people) for one, judge, people in found if judge is not None and people is not None]
    kept, judge, people = [one for one, *_ in shared], [one[1] for one in shared], [one[2] for one in shared]
    chances, prompts = _chances(kept), _prompts(kept)
    return Beside(
        items=len(kept),
        judge=weighted_mean(judge, chances, prompts, level).value,
        people=weighted_mean(people, chances, prompts, level),
        difference=weighted_difference(judge, people, chances, prompts, level),
    )


def _with_judge(one: HeardItem) -> float | None:
    """The share of decided people who say what the judge says; None where nobody is decided, or not the judge."""
    side = side_of(one.item.p_a)
    decided = [said for said in map(side_of, one.votes) if said]
    return sum(said == side for said in decided) / len(decided) if side and decided else None


def _among_people(one: HeardItem) -> float | None:
    """The share of pairs of decided people who say the same; None where there is no pair."""
    pairs = list(combinations([said for said in map(side_of, one.votes) if said], 2))
    return sum(x == y for x, y in pairs) / len(pairs) if pairs else None


def _chances(items: Sequence[HeardItem]) -> list[float]:
    return [one.item.chance for one in items]


def _prompts(items: Sequence[HeardItem]) -> list[str]:
    return [one.item.prompt_id for one in items]
