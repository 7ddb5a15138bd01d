"""How often a system wins, as its answers are and as they would be if no answer were longer than the other.

By each judge, over the comparisons of the system with others; a comparison counts once, by the judge's P(better) over
all its votes. The difficulty of each prompt is fitted where one opponent takes part in every comparison, where
`FEWEST_SYSTEMS` or more were compared with it, and where a prompt has half as many of them on average; the opponent
gets no line then. See `statistics.length_control` for the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amendment.audit._panel import Panel
from amendment.audit._table import Codes, Flags, Numbers
from amendment.audit.family import mean_p
from amendment.statistics import Estimate, Resampling
from amendment.statistics.length_control import length_controlled
from amendment.statistics.length_difficulty import FEWEST_SYSTEMS, Difficulty, length_difficulty

__all__ = ["FEW_COMPARISONS", "MOST", "Controlled", "ControlledBy", "controlled"]

FEW_COMPARISONS = 30
"""Below this many a system gets no line."""
MOST = 200
"""Systems of one judge of which it is made, those with most comparisons."""


@dataclass(frozen=True)
class Controlled:
    """A system by one judge."""

    model: str
    judge: str
    raw: Estimate
    """Mean of P(the system's answer is better), ties one half."""
    controlled: Estimate
    """The same with equal lengths."""
    slope: float
    """Log-odds that being much longer adds."""
    warning: str
    """Why the two cannot be told apart here; empty where nothing speaks against it."""


@dataclass(frozen=True)
class ControlledBy:
    """How the figures of one judge were made."""

    judge: str
    systems: int
    """Compared with others, `opponent` left out."""
    not_listed: int
    """Of these, with fewer than `FEW_COMPARISONS` comparisons, or beyond the `MOST` with most."""
    opponent: str | None
    """The system that all others were compared with, where the difficulty of prompts was fitted; otherwise None."""
    is_soft: bool
    """Whether the judge gives probabilities; otherwise its verdicts are counted."""


class _Compared(NamedTuple):
    """One judge's comparisons of two different systems whose answers' lengths are known, one row per item."""

    item: Codes
    p: Numbers
    """P(the first answer is better)."""


def controlled(panel: Panel, draws: Resampling) -> tuple[tuple[ControlledBy, ...], tuple[Controlled, ...]]:
    """By judge how it was made, and every system's figures by every judge that compared it with others."""
    made, found = [], []
    for number, judge in panel.judges:
        rows = _compared(panel, number)
        if rows.item.size:
            one, listed = _judged(panel, number, judge.name, rows, draws)
            made.append(one)
            found += listed
    return tuple(made), tuple(found)


def _compared(panel: Panel, number: int) -> _Compared:
    table, p = panel.table, mean_p(panel, number)
    named = (table.model_a >= 0) & (table.model_b >= 0) & (table.model_a != table.model_b)
    item = np.flatnonzero(named & ~np.isnan(table.apart) & ~np.isnan(p))
    return _Compared(item, p[item])


def _judged(
    panel: Panel, number: int, judge: str, rows: _Compared, draws: Resampling
) -> tuple[ControlledBy, list[Controlled]]:
    table = panel.table
    first, second = table.model_a[rows.item], table.model_b[rows.item]
    counts = np.bincount(np.concatenate([first, second]), minlength=len(table.models))
    systems, common = np.flatnonzero(counts), np.flatnonzero(counts == rows.item.size)
    opponent, fitted = None, None
    prompts = np.unique(table.prompt[rows.item]).size
    is_shared = 2 * rows.item.size >= FEWEST_SYSTEMS * prompts
    if common.size == 1 and systems.size > FEWEST_SYSTEMS and is_shared:
        opponent, systems = table.models[common[0]], systems[systems != common[0]]
        is_a = second == common[0]
        wins, longer = _from(is_a, rows.p, table.apart[rows.item])
        fitted = length_difficulty(wins, longer, np.where(is_a, first, second), table.prompt[rows.item])
    many = systems[counts[systems] >= FEW_COMPARISONS]
    listed = np.sort(many[np.argsort(-counts[many], kind="stable")][:MOST])
    given = panel.table.votes.p[panel.table.votes.rater == number]
    is_soft = bool((~np.isin(given[~np.isnan(given)], (0, 0.5, 1))).any())
    made = ControlledBy(judge, systems.size, systems.size - listed.size, opponent, is_soft)
    return made, [_controlled(panel, code, judge, rows, fitted=fitted, draws=draws) for code in listed.tolist()]


def _from(is_a: Flags, p: Numbers, apart: Numbers) -> tuple[Numbers, Numbers]:
    """P(a system wins) and by how much its answer is longer, where `is_a` says that its answer is the first."""
    return np.where(is_a, p, 1 - p), np.where(is_a, apart, -apart)


def _controlled(
    panel: Panel, code: int, judge: str, rows: _Compared, *, fitted: Difficulty | None, draws: Resampling
) -> Controlled:
    table = panel.table
    own = (table.model_a[rows.item] == code) | (table.model_b[rows.item] == code)
    item = rows.item[own]
    wins, longer = _from(table.model_a[item] == code, rows.p[own], table.apart[item])
    found = length_controlled(
        wins,
        longer,
        np.zeros(longer.size),
        panel.prompts(item),
        difficulty=None if fitted is None else fitted.difficulty[own],
        slope=0.0 if fitted is None else fitted.slope,
        resampling=draws,
    )
    return Controlled(table.models[code], judge, found.raw, found.controlled, found.phi, found.warning)
