"""A judge beside people: how often it agrees with one person, and how often two people agree with each other.

Ties are dropped, the judge's and people's, as in the certificate's rule `no_ties`. Items weigh 1 / their inclusion
probability, so that the figures speak of all comparisons that are exported, and intervals are clustered by prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from amendment.calibration.people.votes_of_labels import HeardItem
from amendment.statistics import Estimate, cautioned
from amendment.statistics.ratios import as_share, weighted_ratio, weighted_ratio_difference
from amendment.statistics.sides import side_of

__all__ = ["Beside", "agreement_with_people", "beside_people"]


class Beside(NamedTuple):
    """A judge's agreement with single people beside that of two people, on the same items."""

    items: int
    """Items with a decided judge and two decided people."""
    judge: float
    people: float
    difference: Estimate
    """judge - people: above 0 the judge agrees with a person more than another person does."""


class _Counts(NamedTuple):
    agreed: float
    asked: float


def agreement_with_people(items: Sequence[HeardItem], level: float = 0.95) -> Estimate:
    """The share of people's decided verdicts that say what the judge says; each item counts once."""
    counts = [_shared(_with_judge(one)) for one in items]
    columns = [one.agreed for one in counts], [one.asked for one in counts]
    return cautioned(as_share(weighted_ratio(*columns, _weights(items), _prompts(items), level)))


def beside_people(items: Sequence[HeardItem], level: float = 0.95) -> Beside:
    """The judge's agreement beside people's, on items that both can be computed for."""
    kept = [one for one in items if _with_judge(one).asked and _among_people(one).asked]
    judge = [_shared(_with_judge(one)) for one in kept]
    people = [_shared(_among_people(one)) for one in kept]
    weights, prompts = _weights(kept), _prompts(kept)
    columns = [([one.agreed for one in side], [one.asked for one in side]) for side in (judge, people)]
    values = [weighted_ratio(*column, weights, prompts, level).value for column in columns]
    difference = weighted_ratio_difference(columns[0], columns[1], weights, prompts, level)
    return Beside(len(kept), values[0], values[1], cautioned(difference))


def _with_judge(one: HeardItem) -> _Counts:
    side = side_of(one.item.p_a)
    decided = [said for said in map(side_of, one.votes) if said]
    return _Counts(sum(said == side for said in decided), len(decided)) if side else _Counts(0, 0)


def _among_people(one: HeardItem) -> _Counts:
    pairs = [(x, y) for x, y in combinations(map(side_of, one.votes), 2) if x and y]
    return _Counts(sum(x == y for x, y in pairs), len(pairs))


def _shared(counts: _Counts) -> _Counts:
    """As a share of one item, however many people saw it."""
    return _Counts(counts.agreed / counts.asked, 1.0) if counts.asked else counts


def _weights(items: Sequence[HeardItem]) -> list[float]:
    return [1 / (one.item.inclusion or 1.0) for one in items]


def _prompts(items: Sequence[HeardItem]) -> list[str]:
    return [one.item.prompt_id for one in items]
