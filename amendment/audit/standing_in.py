"""Could a judge stand in for one of the people? The alternative annotator test at each of its customary thresholds.

A judge that was asked in both orders counts with what they say together. Items of one prompt are one cluster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._table import INVALID
from amendment.statistics import Estimate, Resampling
from amendment.statistics.alternative_annotators import AlternativeTest, Labelled, PersonTest, Refused, alternative_test

__all__ = ["EPSILONS", "MOST_PEOPLE", "AgainstPerson", "Q", "StandIn", "stands_in"]

EPSILONS = {"0.1": 0.1, "0.15": 0.15, "0.2": 0.2}
"""What people are granted for their price: a crowd, skilled people, experts. Which they are, the reader knows."""
Q = 0.05
"""The false discovery rate over people."""
MOST_PEOPLE = 50
"""People told one by one, those with most items."""


@dataclass(frozen=True)
class AgainstPerson:
    """A judge against one person, both beside the other people of an item."""

    person: str
    items: int
    advantage: Estimate
    """How often the judge agrees with the others at least as much as the person does."""
    person_advantage: float
    """The other way round."""
    p: dict[str, float]
    """By epsilon."""
    won: dict[str, bool]
    """By epsilon, whether the judge wins, all people considered."""


@dataclass(frozen=True)
class StandIn:
    """The alternative annotator test of one judge."""

    items: int
    tested: int
    """People."""
    not_measured: dict[str, str]
    """People with too few items, by name, and how many of how many each has."""
    advantage: Estimate
    """Rho, the mean over people: compares judges."""
    winning_rate: dict[str, float]
    """Omega by epsilon: the share of people that the judge wins against."""
    passes: dict[str, bool]
    """By epsilon, whether that is half or more."""
    people: tuple[AgainstPerson, ...]
    """The `MOST_PEOPLE` with most items, by name."""
    note: str


def stands_in(panel: Panel, verdicts: Calls, draws: Resampling) -> tuple[StandIn | None, str]:
    """The test of the judge whose verdicts these are; or none, and why."""
    labels = panel.labels
    labelled = Labelled(labels.item, labels.rater, labels.value)
    said = panel.by_item(verdicts)
    judged = np.where(said < INVALID, said, -1)
    tests: dict[str, AlternativeTest] = {}
    for name, epsilon in EPSILONS.items():
        found = alternative_test(
            labelled, judged, panel.table.prompt, classes=3, epsilon=epsilon, q=Q, level=draws.level
        )
        if isinstance(found, Refused):
            return None, found.reason
        tests[name] = found
    return _told(panel, tests), ""


def _told(panel: Panel, tests: dict[str, AlternativeTest]) -> StandIn:
    one = next(iter(tests.values()))
    by_person = zip(*(test.people for test in tests.values()), strict=True)
    people = [_against(panel, dict(zip(tests, same, strict=True))) for same in by_person]
    most = sorted(people, key=lambda person: (-person.items, person.person))[:MOST_PEOPLE]
    return StandIn(
        items=one.items,
        tested=len(people),
        not_measured={panel.table.raters[person].name: lack for person, lack in one.not_measured.items()},
        advantage=one.advantage,
        winning_rate={name: test.winning_rate for name, test in tests.items()},
        passes={name: test.passes for name, test in tests.items()},
        people=sorted_by_name(most),
        note=one.note,
    )


def _against(panel: Panel, same: dict[str, PersonTest]) -> AgainstPerson:
    one = next(iter(same.values()))
    return AgainstPerson(
        person=panel.table.raters[one.person].name,
        items=one.items,
        advantage=one.advantage,
        person_advantage=one.person_advantage,
        p={name: test.p for name, test in same.items()},
        won={name: test.rejected for name, test in same.items()},
    )


def sorted_by_name(people: Sequence[AgainstPerson]) -> tuple[AgainstPerson, ...]:
    """As in every table."""
    return tuple(sorted(people, key=lambda one: one.person))
