"""Counts of items, raters and votes, of overlap between raters, and of what could not be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit.votes import INVALID, NONE, TIE, AuditData, VoteColumns
from amendment.records import RaterKind
from amendment.statistics import Estimate, Resampling, share


@dataclass(frozen=True)
class RaterCounts:
    """Counts of one rater."""

    name: str
    kind: RaterKind
    votes: int
    items: int
    coverage: float
    """Items voted on, of all items."""
    invalid: Estimate
    """Share of votes that could not be read."""
    ties: int
    """Votes that say tie, without both_bad."""
    both_bad: int
    both_orders: int
    """Items asked in both displayed orders."""
    with_people: int
    """Items that this rater and at least one person both voted on readably; of a person: another person."""


@dataclass(frozen=True)
class Counts:
    """The amounts of data that the certificate rests on."""

    items: int
    prompts: int
    """Clusters, by which all intervals are made."""
    without_prompt: int
    """Items whose prompt is not known: each is a cluster by itself, with its copies."""
    copies: int
    """Items with the same texts as an earlier one, with which they share a cluster."""
    votes: int
    people: int
    judges: int
    voted_items: int
    """Items with at least one readable vote."""
    with_people: int
    """Items with a readable vote of at least one person."""
    with_two_people: int
    shown_again: int
    """Votes of people on items that were shown to them once more; these count as repeats only."""
    repeated_votes: int
    """Votes beyond the first with the same rater, item, displayed order, principle and sample."""
    conflicting_votes: int
    """Such groups of repeated votes that do not all say the same."""
    raters: tuple[RaterCounts, ...]
    """People first, then by name."""


def count(data: AuditData, draws: Resampling) -> Counts:
    """Count items, votes and raters."""
    votes, people = data.all_votes, data.people.sum(axis=1)
    repeated, conflicting = _repeated(votes)
    return Counts(
        items=len(data.items),
        prompts=np.unique(data.prompt).size,
        without_prompt=data.without_prompt,
        copies=data.copies,
        votes=votes.value.size,
        people=len(data.persons),
        judges=len(data.judges),
        voted_items=np.unique(votes.item[votes.value != INVALID]).size,
        with_people=int((people > 0).sum()),
        with_two_people=int((people > 1).sum()),
        shown_again=votes.value.size - data.votes.value.size,
        repeated_votes=repeated,
        conflicting_votes=conflicting,
        raters=tuple(_count_rater(data, number, draws) for number in range(len(data.raters))),
    )


def _count_rater(data: AuditData, number: int, draws: Resampling) -> RaterCounts:
    rater, votes, verdicts = data.raters[number], data.all_votes.of(number), data.verdicts.of(number)
    others = data.people[verdicts.item[verdicts.readable]].sum(axis=1) - (1 if rater.is_person else 0)
    both_bad = int(votes.both_bad.sum())
    return RaterCounts(
        name=rater.name,
        kind=rater.kind,
        votes=votes.value.size,
        items=verdicts.item.size,
        coverage=verdicts.item.size / len(data.items),
        invalid=share(votes.value == INVALID, data.prompts(votes.item), draws.level),
        ties=int((votes.value == TIE).sum()) - both_bad,
        both_bad=both_bad,
        both_orders=int(verdicts.order.sum()),
        with_people=int((others > 0).sum()),
    )


def _repeated(votes: VoteColumns) -> tuple[int, int]:
    """Votes beyond the first of their rater, item, order, principle and sample, and such groups whose votes differ."""
    key = (votes.rater, votes.item, votes.order, votes.principle, votes.sample)
    content = (votes.value, votes.both_bad, np.nan_to_num(votes.p, nan=NONE))
    sort = np.lexsort((*content, *key))
    same_key, same = (
        np.logical_and.reduce([column[sort][1:] == column[sort][:-1] for column in columns])
        for columns in (key, content)
    )
    starts = np.cumsum(np.concatenate([[True], ~same_key]))[1:]
    return int(same_key.sum()), np.unique(starts[same_key & ~same]).size
