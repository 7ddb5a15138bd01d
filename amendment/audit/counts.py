"""How much there is: items, raters, votes, who saw what, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Panel
from amendment.audit._table import INVALID, NONE, TIE, Table
from amendment.records import RaterKind
from amendment.statistics import Estimate, Resampling, share

__all__ = ["Counts", "RaterCounts", "count"]


@dataclass(frozen=True)
class RaterCounts:
    """One rater's part."""

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
    """What the certificate rests on."""

    items: int
    prompts: int
    """Clusters, by which all intervals are made."""
    without_prompt: int
    """Items whose prompt is not known: each is a cluster by itself."""
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


def count(panel: Panel, draws: Resampling) -> Counts:
    """Count what the table holds."""
    table, heard = panel.table, panel.people.sum(axis=1)
    repeated, conflicting = _repeated(table)
    raters = tuple(_of_rater(panel, number, draws) for number in range(len(table.raters)))
    return Counts(
        items=len(table.items),
        prompts=np.unique(table.prompt).size,
        without_prompt=table.without_prompt,
        votes=table.cast.value.size,
        people=len(panel.persons),
        judges=len(panel.judges),
        voted_items=np.unique(table.cast.item[table.cast.value != INVALID]).size,
        with_people=int((heard > 0).sum()),
        with_two_people=int((heard > 1).sum()),
        shown_again=table.cast.value.size - table.votes.value.size,
        repeated_votes=repeated,
        conflicting_votes=conflicting,
        raters=raters,
    )


def _of_rater(panel: Panel, number: int, draws: Resampling) -> RaterCounts:
    table, votes, rater = panel.table, panel.table.cast, panel.table.raters[number]
    own, verdicts = slice(*np.searchsorted(votes.rater, [number, number + 1])), panel.verdicts.of(number)
    value, readable = votes.value[own], verdicts.item[verdicts.readable]
    others = panel.people[readable].sum(axis=1) - (1 if rater.is_person else 0)
    both_bad = int(votes.both_bad[own].sum())
    return RaterCounts(
        name=rater.name,
        kind=rater.kind,
        votes=value.size,
        items=verdicts.item.size,
        coverage=verdicts.item.size / len(table.items),
        invalid=share(value == INVALID, panel.prompts(votes.item[own]), draws.level),
        ties=int((value == TIE).sum()) - both_bad,
        both_bad=both_bad,
        both_orders=int(verdicts.order.sum()),
        with_people=int((others > 0).sum()),
    )


def _repeated(table: Table) -> tuple[int, int]:
    """Votes beyond the first of their key, and keys whose votes differ."""
    votes = table.cast
    columns = (votes.rater, votes.item, votes.order, votes.principle, votes.sample)
    sort = np.lexsort((votes.p, votes.value, *columns))
    same_key = np.logical_and.reduce([np.diff(column[sort]) == 0 for column in columns])
    said = np.diff(votes.value[sort]) == 0
    said &= votes.both_bad[sort][1:] == votes.both_bad[sort][:-1]
    p = np.nan_to_num(votes.p[sort], nan=NONE)
    said &= np.diff(p) == 0
    differs = same_key & ~said
    starts = np.cumsum(np.concatenate([[True], ~same_key]))[1:]
    return int(same_key.sum()), np.unique(starts[differs]).size
