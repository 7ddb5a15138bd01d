"""Does length decide? A judge that prefers longer answers is biased only where people would not.

Rows are calls in which the judge decided, on items whose answers differ in length; beside people only those items
on which their majority decided too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.calibration._panel import Calls, Panel
from amendment.calibration._table import A, B, Codes, Flags, Numbers
from amendment.statistics import Estimate, Resampling, bootstrap, quotient, share, sums_by_cluster

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
    """P(judge prefers the longer | people the shorter) - P(judge prefers the shorter | people the longer)."""


def length(panel: Panel, calls: Calls, draws: Resampling) -> Length | None:
    """None where no decided call has lengths that differ."""
    rows = calls.where(_decided(calls.value) & _decided(panel.table.longer[calls.item]))
    if not rows.item.size:
        return None
    beside = rows.where(_decided(panel.majority[rows.item]))
    if not beside.item.size:
        return Length(np.unique(rows.item).size, _share(panel, rows.item, rows.value, draws), None, None)
    majority = panel.majority[beside.item]
    return Length(
        items=np.unique(beside.item).size,
        judge=_share(panel, beside.item, beside.value, draws),
        people=_share(panel, beside.item, majority, draws),
        asymmetry=_asymmetry(panel, beside, majority, draws),
    )


def longer_by_majority(panel: Panel, draws: Resampling) -> Estimate:
    """The share of decided majorities of people for the longer answer."""
    items = np.flatnonzero(_decided(panel.majority) & _decided(panel.table.longer))
    return _share(panel, items, panel.majority[items], draws)


def _decided(value: Codes) -> Flags:
    found: Flags = (value == A) | (value == B)
    return found


def _share(panel: Panel, item: Codes, value: Codes, draws: Resampling) -> Estimate:
    return share(value == panel.table.longer[item], panel.prompts(item), draws.level)


def _asymmetry(panel: Panel, rows: Calls, majority: Codes, draws: Resampling) -> Estimate:
    longer = panel.table.longer[rows.item]
    judge, people = rows.value == longer, majority == longer
    sums = sums_by_cluster(panel.prompts(rows.item), judge & ~people, ~people, ~judge & people, people)
    return bootstrap(sums, _of_errors, n=rows.item.size, resampling=draws, name="difference of two shares,")


def _of_errors(sums: Numbers) -> Numbers:
    up, shorter, down, longer = sums.T
    differences: Numbers = quotient(up, shorter) - quotient(down, longer)
    return differences
