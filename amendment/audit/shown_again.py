"""Are people of one mind with themselves? What they say of an item that is shown to them once more, unannounced.

Compared is what they say of the two answers, whichever was displayed first. The first time is the one that counts
everywhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Panel, readings
from amendment.audit._table import INVALID, Codes, Flags
from amendment.statistics import Estimate, Resampling, share

__all__ = ["PersonAgain", "ShownAgain", "shown_again"]


@dataclass(frozen=True)
class PersonAgain:
    """One person's repeats."""

    person: str
    same: Estimate
    """Share of repeats with the verdict of the first time; `n` counts repeats."""


@dataclass(frozen=True)
class ShownAgain:
    """Hidden repeats of all people."""

    same: Estimate
    people: tuple[PersonAgain, ...]
    """Those who had one, by name."""


def shown_again(panel: Panel, draws: Resampling) -> ShownAgain | None:
    """None where nobody said something readable twice of one item."""
    rater, item, same = _compared(panel)
    if not rater.size:
        return None
    people = tuple(
        PersonAgain(person.name, share(same[own], panel.prompts(item[own]), draws.level))
        for number, person in panel.persons
        if (own := rater == number).any()
    )
    return ShownAgain(share(same, panel.prompts(item), draws.level), people)


def _compared(panel: Panel) -> tuple[Codes, Codes, Flags]:
    """An entry per repeat: person, item, and whether it says what the first time said."""
    cast, items = panel.table.cast, len(panel.table.items)
    own = cast.where((cast.rater < len(panel.persons)) & (cast.value < INVALID))  # people stand first among raters
    keys, value = readings((own.rater * items + own.item) * 2 + own.again, own.value, own.p)
    group = keys // 2
    first = np.searchsorted(group, group)
    is_repeat = first != np.arange(group.size)
    said = (value == value[first])[is_repeat]
    return group[is_repeat] // items, group[is_repeat] % items, said
