"""A judge against people: their majority, each of them, and how well they agree with each other on the same items.

By label: what the judge says of an item by all its verdicts, where disagreement of two orders is a tie. One call: every
displayed order counts by itself, as a judge that is asked once would be used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._rules import RULES, Rule, ac1, agreement, kappa, paired_shares
from amendment.audit._table import NONE, TIE, Codes
from amendment.statistics import Estimate, Resampling, cautioned, paired_difference, share

__all__ = ["FEWEST_SHARED", "Agreement", "Ceiling", "LeftOut", "against_majority", "against_single_people"]

FEWEST_SHARED = 30
"""Items with two people and the judge, below which no comparison with the ceiling is made."""


@dataclass(frozen=True)
class LeftOut:
    """Verdicts by why they are left out."""

    ties: int
    """The judge, the majority of people, or both choose no side."""
    unreadable: int


@dataclass(frozen=True)
class Agreement:
    """A judge's verdicts against the majority of people."""

    items: int
    left_out: LeftOut
    """Of the verdicts beside a majority, those that take no part where ties are dropped."""
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
class Ceiling:
    """A judge's agreement with single people beside that of two people, on the same items."""

    items: int
    judge: Estimate
    people: Estimate
    difference: Estimate
    """judge - people: above 0 the judge agrees with a person more than another person does."""


def against_majority(panel: Panel, calls: Calls, draws: Resampling) -> Agreement | None:
    """None where no call stands beside a majority of people."""
    majority = panel.majority[calls.item]
    both = calls.readable & (majority != NONE)
    if not (majority != NONE).any():
        return None
    item, heard = calls.item[both], panel.people[calls.item[both]]
    by_rule = agreement(panel, calls.item, calls.value, majority, draws)
    unreadable = int((~calls.readable & (majority != NONE)).sum())
    return Agreement(
        items=np.unique(item).size,
        left_out=LeftOut(by_rule["strict"].n - by_rule["no_ties"].n, unreadable),
        by_rule=by_rule,
        invalid_wrong=agreement(panel, calls.item, calls.value, majority, draws, invalid_is_wrong=True),
        kappa=kappa(panel, calls.item, calls.value, majority, draws),
        ac1=ac1(panel, calls.item, calls.value, majority, draws),
        ties=share(calls.value[both] == TIE, panel.prompts(item), draws.level),
        people_ties=share(heard[:, TIE] / heard.sum(axis=1), panel.prompts(item), draws.level),
    )


def against_single_people(panel: Panel, calls: Calls, draws: Resampling) -> tuple[dict[str, Ceiling], str]:
    """The comparison by each rule of ties; or none, and why."""
    heard = calls.where(calls.readable)
    counts = np.bincount(heard.item * 3 + heard.value, minlength=3 * len(panel.table.items)).reshape(-1, 3)
    shared = int(((counts.sum(1) > 0) & (panel.people.sum(1) > 1)).sum())
    if shared < FEWEST_SHARED:
        return {}, f"needs two people on at least {FEWEST_SHARED} items that the judge was read on, found {shared}"
    found = {name: _ceiling(panel, counts, rule, draws) for name, rule in RULES.items()}
    return {name: one for name, one in found.items() if one.items >= FEWEST_SHARED}, ""


def _ceiling(panel: Panel, counts: Codes, rule: Rule, draws: Resampling) -> Ceiling:
    judge, judge_pairs = paired_shares(counts, panel.people, rule)
    people, people_pairs = paired_shares(panel.people, panel.people, rule, same=True)
    shared = (judge_pairs > 0) & (people_pairs > 0)
    own, among = judge[shared] / judge_pairs[shared], people[shared] / people_pairs[shared]
    prompts = panel.table.prompt[shared]
    difference = paired_difference(own, among, prompts, draws.level)._replace(method="clustered t")
    return Ceiling(
        items=int(shared.sum()),
        judge=share(np.clip(own, 0, 1), prompts, draws.level),
        people=share(np.clip(among, 0, 1), prompts, draws.level),
        difference=cautioned(difference),
    )
