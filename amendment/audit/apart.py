"""Judges that share no item with people: mostly two files that name the same comparisons differently."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Panel

__all__ = ["FEWEST", "Apart", "apart"]

FEWEST = 10
"""Items of the judge, and of people, from which it is told that none is shared."""


@dataclass(frozen=True)
class Apart:
    """A judge and people who voted on different items throughout."""

    judge: str
    judge_items: int
    people_items: int
    judge_item: str
    """The name of the judge's first item."""
    people_item: str
    """The name of people's first item."""


def apart(panel: Panel) -> tuple[Apart, ...]:
    """Every judge of which no item has a person's vote, readable or not, where both sides have enough items."""
    table, verdicts = panel.table, panel.verdicts
    is_person = np.array([rater.is_person for rater in table.raters])
    people = np.unique(verdicts.item[is_person[verdicts.rater]])
    own = {rater.name: verdicts.of(number).item for number, rater in panel.judges}
    return tuple(
        Apart(name, items.size, people.size, table.items[items[0]], table.items[people[0]])
        for name, items in own.items()
        if min(items.size, people.size) >= FEWEST and not np.isin(items, people).any()
    )
