"""How often a system wins, as its answers are and as they would be if no answer were longer than the other.

By each judge, over the comparisons of the system with others, each displayed order a row; ties count half. See
`statistics.length_control` for the model. Bounded: a fit for each system and judge, so that only the first
`MOST` of them are made.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.calibration._panel import Calls, Panel
from amendment.calibration._table import Flags
from amendment.calibration.slices import FEW_ITEMS, sliced_models
from amendment.statistics import Estimate, Resampling
from amendment.statistics.length_control import length_controlled

__all__ = ["MOST", "Controlled", "controlled"]

MOST = 40
"""Systems and judges of which it is made."""


@dataclass(frozen=True)
class Controlled:
    """A system by one judge."""

    model: str
    judge: str
    raw: Estimate
    """Share of wins, ties counted half."""
    controlled: Estimate
    """The same with equal lengths."""
    slope: float
    """Log-odds that being much longer adds."""
    warning: str
    """Why the two cannot be told apart here; empty where nothing speaks against it."""


def controlled(panel: Panel, draws: Resampling) -> tuple[Controlled, ...]:
    """Every system that gets a slice, by every judge that compared it with others often enough."""
    found: list[Controlled] = []
    for code in sliced_models(panel.table):
        for number, judge in panel.judges:
            calls = panel.calls.of(number)
            rows = calls.where(calls.readable & _compared(panel, code)[calls.item])
            if len(found) < MOST and np.unique(rows.item).size >= FEW_ITEMS:
                found.append(_controlled(panel, code, judge.name, rows, draws))
    return tuple(found)


def _compared(panel: Panel, code: int) -> Flags:
    """Items in which exactly one answer is the system's, and both lengths are known."""
    table = panel.table
    found: Flags = ((table.model_a == code) != (table.model_b == code)) & ~np.isnan(table.apart)
    return found & (table.model_a >= 0) & (table.model_b >= 0)


def _controlled(panel: Panel, code: int, judge: str, rows: Calls, draws: Resampling) -> Controlled:
    table = panel.table
    is_a = table.model_a[rows.item] == code
    for_a = 1 - rows.value / 2
    longer = np.where(is_a, 1, -1) * table.apart[rows.item]
    found = length_controlled(
        np.where(is_a, for_a, 1 - for_a), longer, np.zeros(longer.size), panel.prompts(rows.item), resampling=draws
    )
    return Controlled(table.models[code], judge, found.raw, found.controlled, found.phi, found.warning)
