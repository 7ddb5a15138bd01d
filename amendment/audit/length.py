"""Does length decide? A judge that prefers longer answers is biased only where they are not the better ones.

Rows are calls in which the judge decided, on items whose answers differ in length; beside people only those items
on which their majority decided too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit.favour import decided, favour
from amendment.statistics import Estimate, Resampling, share

__all__ = ["Length", "length", "longer_by_majority"]


@dataclass(frozen=True)
class Length:
    """How often the longer answer wins."""

    items: int
    judge: Estimate
    """Share of decided calls for the longer answer."""
    people: Estimate | None
    """The same share of the majority of people in the same rows; None without people."""
    asymmetry: Estimate | None
    """P(judge prefers the longer | the shorter is better) - P(judge prefers the shorter | the longer is better)."""
    annotator_error: float
    """How often one person errs, estimated from their agreement with each other; nan where that is not known."""


def length(panel: Panel, calls: Calls, draws: Resampling) -> Length | None:
    """None where no decided call has lengths that differ."""
    found = favour(panel, calls, "length", panel.table.longer, draws)
    return Length(found.items, found.judge, found.people, found.asymmetry, found.annotator_error) if found else None


def longer_by_majority(panel: Panel, draws: Resampling) -> Estimate:
    """The share of decided majorities of people for the longer answer."""
    items = np.flatnonzero(decided(panel.majority) & decided(panel.table.longer))
    return share(panel.majority[items] == panel.table.longer[items], panel.prompts(items), draws.level)
