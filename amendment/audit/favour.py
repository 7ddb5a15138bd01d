"""Does what an answer carries beside its content decide? Headers, lists, bold, citations, or any mark of an item.

Shares are over decided calls on items of which one answer carries more of the mark; beside people only those on which
their majority decided too. Preferring the answer with more is a bias only where it is not the better one: which one is
better is estimated from people who err themselves, so that the asymmetry needs two of them on an item.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._table import NONE, TIE, A, B, Codes, Flags, Numbers
from amendment.audit.marks import FORMAT
from amendment.statistics import Estimate, Resampling, share
from amendment.statistics.misclassification import ErrorAsymmetry, error_asymmetry

__all__ = ["Favour", "asymmetry", "decided", "favour", "favoured_marks", "favours", "more_of"]


@dataclass(frozen=True)
class Favour:
    """How often the answer with more of a mark wins."""

    mark: str
    items: int
    judge: Estimate
    """Share of decided calls for the answer with more."""
    people: Estimate | None
    """The same share of the majority of people in the same rows; None without people."""
    asymmetry: Estimate | None
    """P(judge prefers more | less is better) - P(judge prefers less | more is better); None without people."""
    annotator_error: float
    """How often one person errs, estimated from their agreement with each other; nan where that is not known."""


def favours(panel: Panel, calls: Calls, draws: Resampling) -> tuple[Favour, ...]:
    """One judge, every mark in which any of its items differ."""
    found = ((name, _sides(column)) for name, column in favoured_marks(panel).items())
    return tuple(one for name, more in found if (one := favour(panel, calls, name, more, draws)))


def favoured_marks(panel: Panel) -> dict[str, Numbers]:
    """Every mark by name, and those of format together: how much more of it the first answer carries."""
    marks = panel.table.marks
    own = [marks[name] for name in FORMAT if name in marks]
    return {**({"format": np.sum(own, axis=0)} if own else {}), **marks}


def more_of(column: Numbers) -> Numbers:
    """1 where the first answer carries more, -1 where the second does, 0 where neither or nobody knows."""
    found: Numbers = np.sign(np.nan_to_num(column))
    return found


def _sides(column: Numbers) -> Codes:
    return np.select([column > 0, column < 0, column == 0], [A, B, TIE], NONE)


def favour(panel: Panel, calls: Calls, name: str, more: Codes, draws: Resampling) -> Favour | None:
    """One judge and one mark; `more` says who has more of it, A, B or nobody. None without a decided call."""
    rows = calls.where(decided(calls.value) & decided(more[calls.item]))
    if not rows.item.size:
        return None
    beside = rows.where(decided(panel.majority[rows.item]))
    if not beside.item.size:
        judge = share(rows.value == more[rows.item], panel.prompts(rows.item), draws.level)
        return Favour(name, np.unique(rows.item).size, judge, None, None, math.nan)
    prompts, side, said = panel.prompts(beside.item), more[beside.item], panel.majority[beside.item]
    judge, people = beside.value == side, said == side
    errors = asymmetry(panel, rows, more, draws)
    return Favour(
        mark=name,
        items=np.unique(beside.item).size,
        judge=share(judge, prompts, draws.level),
        people=share(people, prompts, draws.level),
        asymmetry=errors.difference,
        annotator_error=errors.annotator_error,
    )


def asymmetry(panel: Panel, rows: Calls, side: Codes, draws: Resampling) -> ErrorAsymmetry:
    """Of decided calls: does the judge err towards the `side` of an item more often than towards the other?"""
    on, off = side[rows.item], A + B - side[rows.item]
    votes_for, votes_against = panel.people[rows.item, on], panel.people[rows.item, off]
    return error_asymmetry(rows.value == on, votes_for, votes_against, panel.prompts(rows.item), resampling=draws)


def decided(value: Codes) -> Flags:
    found: Flags = (value == A) | (value == B)
    return found
