"""A judge against people: their majority, each of them, and how well they agree with each other on the same items.

One call: every displayed order counts by itself, as a judge that is asked once would be used. Both orders: the
items asked in both, where disagreement of the orders is a tie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.calibration._panel import Calls, Panel
from amendment.calibration._rules import RULES, Rule, ac1, agreement, kappa, paired_shares
from amendment.calibration._table import NONE, TIE, Codes, Numbers
from amendment.statistics import Estimate, Resampling, bootstrap, quotient, share, sums_by_cluster

__all__ = ["FEWEST_SHARED", "Agreement", "Ceiling", "against_majority", "against_single_people"]

FEWEST_SHARED = 30
"""Items with two people and the judge, below which no comparison with the ceiling is made."""


@dataclass(frozen=True)
class Agreement:
    """A judge's verdicts against the majority of people."""

    items: int
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
    judge: float
    people: float
    difference: Estimate
    """judge - people: above 0 the judge agrees with a person more than another person does."""
    ratio: Estimate


def against_majority(panel: Panel, calls: Calls, draws: Resampling) -> Agreement | None:
    """None where no call stands beside a majority of people."""
    majority = panel.majority[calls.item]
    both = calls.readable & (majority != NONE)
    if not (majority != NONE).any():
        return None
    item, heard = calls.item[both], panel.people[calls.item[both]]
    return Agreement(
        items=np.unique(item).size,
        by_rule=agreement(panel, calls.item, calls.value, majority, draws),
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
    columns = judge[shared] / judge_pairs[shared], people[shared] / people_pairs[shared]
    items = int(shared.sum())
    sums = sums_by_cluster(panel.table.prompt[shared], np.ones(items), *columns)
    means = sums[:, 1:].sum(axis=0) / items if items else (np.nan, np.nan)
    return Ceiling(
        items=items,
        judge=float(means[0]),
        people=float(means[1]),
        difference=bootstrap(sums, _difference, n=items, resampling=draws, name="difference of means over items,"),
        ratio=bootstrap(sums, _quotient, n=items, resampling=draws, name="ratio of means over items,"),
    )


def _difference(sums: Numbers) -> Numbers:
    means: Numbers = (sums[:, 1] - sums[:, 2]) / sums[:, 0]
    return means


def _quotient(sums: Numbers) -> Numbers:
    return quotient(sums[:, 1], sums[:, 2])
