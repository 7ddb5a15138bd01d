"""Agreement: of a judge with people, of people with each other, of judges with each other.

By label: what a judge says of an item by all its verdicts, where disagreement of two orders is a tie. One call: every
displayed order counts by itself, as a judge that is asked once would be used.

How well two raters agree on the same item is, where they are people, the human ceiling. It is taken item by item: on
each item with at least two people, the share of the pairs of people who agree; then the mean over items. Where
everybody rated everything this is the mean over all pairs of people; where not, each item counts once whether two or
twenty rated it, so that a judge can be compared on exactly the same footing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np

from amendment.audit.votes import INVALID, NONE, TIE, A, AuditData, B, Codes, Numbers, Rater, Verdicts
from amendment.statistics import (
    Estimate,
    Resampling,
    cautioned,
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    paired_difference,
    share,
)
from amendment.statistics.agreement import with_others

MOST_LISTED = 8
"""With more raters their pairs are not listed one by one."""


class TieRule(NamedTuple):
    """A rule of counting agreement between two verdicts, as 3 x 3 tables of A, tie and B."""

    score: Numbers
    """How much two classes agree, from 0 to 1."""
    weight: Numbers
    """1 where two classes take part, 0 where the pair is dropped."""


_DECIDED, _PLACES = np.array([1.0, 0.0, 1.0]), np.arange(3)
RULES = {
    "strict": TieRule(np.eye(3), np.ones((3, 3))),
    "no_ties": TieRule(np.eye(3), np.outer(_DECIDED, _DECIDED)),
    "half": TieRule(1 - np.abs(_PLACES[:, None] - _PLACES) / 2, np.ones((3, 3))),
}
"""strict: a tie is a class. no_ties: what either calls a tie is dropped. half: a tie against a decision scores 0.5."""


class LeftOut(NamedTuple):
    """Verdicts by why they are left out."""

    ties: int
    """The judge, the majority of people, or both choose no side."""
    unreadable: int

    @property
    def why(self) -> str:
        """Return all of them, by why: 150: 125 tied, 25 unreadable."""
        reasons = [f"{many} {word}" for many, word in zip(self, ("tied", "unreadable"), strict=True) if many]
        return (reasons or ["0"])[0] if len(reasons) < 2 else f"{sum(self)}: {', '.join(reasons)}"


@dataclass(frozen=True)
class Agreement:
    """A judge's verdicts against the majority of people."""

    items: int
    left_out: LeftOut
    """Of the verdicts with a majority, those that take no part where ties are dropped."""
    by_rule: dict[str, Estimate]
    """Unreadable verdicts left out."""
    invalid_wrong: dict[str, Estimate]
    """Unreadable verdicts counted as wrong."""
    kappa: Estimate
    ac1: Estimate
    ties: Estimate
    """Share of ties among the verdicts that could be read."""
    people_ties: Estimate
    """The same of single people, on the same items and weighted by the judge's verdicts on them."""


@dataclass(frozen=True)
class AgainstPeople:
    """A judge's agreement with people, and that of people with each other, on the same items."""

    items: int
    judge: Estimate
    people: Estimate
    difference: Estimate
    """judge - people: above 0 the judge agrees with people more than they do with each other."""


@dataclass(frozen=True)
class TwoRaters:
    """Two raters on the items that both could be read on."""

    a: str
    b: str
    items: int
    agreement: dict[str, Estimate]
    """By rule of ties."""
    kappa: Estimate
    ac1: Estimate


@dataclass(frozen=True)
class RaterGroup:
    """Raters of one sort among themselves."""

    raters: int
    alpha: Estimate
    """Krippendorff's, nominal over A, tie and B."""
    ac1: Estimate
    """Gwet's, over the classes that can occur."""
    agreement: dict[str, Estimate]
    """Of two of them on one item, by rule of ties; of people this is the human ceiling."""
    pairs: tuple[TwoRaters, ...]
    """Empty with more than `MOST_LISTED` raters."""


def against_majority(data: AuditData, verdicts: Verdicts, draws: Resampling) -> Agreement | None:
    """Return None where no item with a verdict has a majority of people."""
    majority = data.majority[verdicts.item]
    has_majority = majority != NONE
    if not has_majority.any():
        return None
    both = verdicts.where(verdicts.readable & has_majority)
    pair = data, verdicts.item, verdicts.value, majority, draws
    by_rule, prompts, people = agreement(*pair), data.prompts(both.item), data.people[both.item]
    return Agreement(
        items=np.unique(both.item).size,
        left_out=LeftOut(by_rule["strict"].n - by_rule["no_ties"].n, int((~verdicts.readable & has_majority).sum())),
        by_rule=by_rule,
        invalid_wrong=agreement(*pair, invalid_is_wrong=True),
        kappa=kappa(*pair),
        ac1=_estimate_ac1(*pair),
        ties=share(both.value == TIE, prompts, draws.level),
        people_ties=share(people[:, TIE] / people.sum(axis=1), prompts, draws.level),
    )


def people_leave_one_out(data: AuditData, draws: Resampling) -> Estimate | None:
    """Return the share of people's verdicts that agree with the majority of the others, ties being a class; None where
    no item has two people."""
    has_two = data.people.sum(1) > 1
    return share(with_others(data.people[has_two]), data.prompt[has_two], draws.level) if has_two.any() else None


def judge_leave_one_out(data: AuditData, verdicts: Verdicts, draws: Resampling) -> AgainstPeople | None:
    """Return a judge in the place of the person left out; None where no item that it was read on has two people."""
    counts = data.counted(verdicts)
    shared = (data.people.sum(1) > 1) & (counts.sum(1) > 0)
    if not shared.any():
        return None
    people = data.people[shared]
    prompts = data.prompt[shared]
    of_judge = with_others(people, counts[shared])
    of_people = with_others(people)
    difference = paired_difference(of_judge, of_people, prompts, draws.level).within(-1, 1)
    return AgainstPeople(
        items=of_judge.size,
        judge=share(of_judge, prompts, draws.level),
        people=share(of_people, prompts, draws.level),
        difference=cautioned(difference._replace(method="clustered t")),
    )


def group(data: AuditData, members: Sequence[tuple[int, Rater]], draws: Resampling) -> RaterGroup | None:
    """Agreement among `members`, who are all people or all judges; None with fewer than two of them."""
    if len(members) < 2:
        return None
    verdicts = data.verdicts
    counts = data.counted(verdicts.where(np.isin(verdicts.rater, [number for number, _ in members])))
    listed = combinations(members, 2) if len(members) <= MOST_LISTED else ()
    return RaterGroup(
        raters=len(members),
        alpha=krippendorff_alpha(counts, data.prompt, resampling=draws),
        ac1=_ac1(data, counts, data.prompt, draws),
        agreement={name: _within(data, counts, rule, draws) for name, rule in RULES.items()},
        pairs=tuple(_two_raters(data, first, second, draws) for first, second in listed),
    )


def _within(data: AuditData, counts: Codes, rule: TieRule, draws: Resampling) -> Estimate:
    """Return the share of each item's pairs of members who agree; nobody is paired with themselves."""
    weight, score = (
        np.einsum("ik,kl,il->i", counts, table, counts) - np.einsum("ik,k->i", counts, np.diag(table))
        for table in (rule.weight, rule.score * rule.weight)
    )
    known = weight > 0
    return share(np.clip(score[known] / weight[known], 0, 1), data.prompt[known], draws.level)


def _two_raters(data: AuditData, first: tuple[int, Rater], second: tuple[int, Rater], draws: Resampling) -> TwoRaters:
    left, right = (data.by_item(data.verdicts.of(number)) for number, _ in (first, second))
    pair = data, np.arange(len(data.items)), left, right, draws
    kappa_of_two = kappa(*pair)
    return TwoRaters(
        first[1].name, second[1].name, kappa_of_two.n, agreement(*pair), kappa_of_two, _estimate_ac1(*pair)
    )


def agreement(
    data: AuditData,
    item: Codes,
    verdicts: Codes,
    reference: Codes,
    draws: Resampling,
    *,
    invalid_is_wrong: bool = False,
) -> dict[str, Estimate]:
    """Return the share of `verdicts` on `item` that agree with `reference`, by each rule, clustered by prompt.

    Rows whose `reference` is absent or unreadable are left out; so are those whose verdict is unreadable, unless that
    counts as wrong.
    """
    usable = (reference < INVALID) & ((verdicts < INVALID) | ((verdicts == INVALID) & invalid_is_wrong))
    item, verdicts, reference = item[usable], verdicts[usable], reference[usable]
    readable = verdicts < INVALID
    row = np.where(readable, verdicts, 0)
    shares = {}
    for name, rule in RULES.items():
        # an unreadable verdict is wrong wherever the other side alone would let the row take part
        takes_part = np.where(readable, rule.weight[row, reference], rule.weight.max(axis=0)[reference]) > 0
        score = np.where(readable, rule.score[row, reference], 0.0)
        shares[name] = share(score[takes_part], data.prompts(item[takes_part]), draws.level)
    return shares


def kappa(data: AuditData, item: Codes, verdicts: Codes, reference: Codes, draws: Resampling) -> Estimate:
    """Cohen's kappa over A, tie and B, where both could be read."""
    usable = (verdicts < INVALID) & (reference < INVALID)
    return cohen_kappa(verdicts[usable], reference[usable], data.prompts(item[usable]), classes=3, resampling=draws)


def _estimate_ac1(data: AuditData, item: Codes, verdicts: Codes, reference: Codes, draws: Resampling) -> Estimate:
    """Gwet's AC1 of two verdicts on each item, where both could be read."""
    usable = (verdicts < INVALID) & (reference < INVALID)
    counts = np.eye(3)[verdicts[usable]] + np.eye(3)[reference[usable]]
    return _ac1(data, counts, data.prompts(item[usable]), draws)


def _ac1(data: AuditData, counts: Numbers | Codes, prompts: Codes, draws: Resampling) -> Estimate:
    """Gwet's AC1 of verdicts counted as A, tie and B; over A and B alone where nobody says tie, and no split is one."""
    can_tie = bool((data.votes.value == TIE).any() or counts[:, TIE].any())
    return gwet_ac1(counts if can_tie else counts[:, [A, B]], prompts, resampling=draws)
