"""Does a judge prefer its own answers? Only where answers' writers and the judge's own model are on record.

Own is an answer whose writer has the judge's name, or the name of its model where that is given. Rows are decided
calls on items of which exactly one answer is the judge's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._table import NONE, A, B, Codes
from amendment.audit.favour import asymmetry, decided
from amendment.statistics import Estimate, Resampling, share

__all__ = ["Own", "own", "own_side"]


@dataclass(frozen=True)
class Own:
    """A judge beside its own answers."""

    model: str
    items: int
    without_people: Estimate
    """Share of own answers preferred. Says nothing of a bias: they may be better."""
    preference: Estimate | None
    """P(judge prefers own | own is better) - P(judge prefers the other | the other is better); None without people.

    Equal opportunity, as in Wataoka et al. (2024, arXiv 2410.21819), which is the asymmetry of its errors."""


def own_side(panel: Panel, judge: str, models: Mapping[str, str]) -> Codes:
    """Of each item which answer is the judge's own: A, B, or NONE where neither or both are."""
    names, model = panel.table.models, models.get(judge, judge)
    code = names.index(model) if model in names else -2
    is_a, is_b = panel.table.model_a == code, panel.table.model_b == code
    return np.select([is_a & ~is_b, is_b & ~is_a], [A, B], NONE)


def own(panel: Panel, calls: Calls, judge: str, models: Mapping[str, str], draws: Resampling) -> Own | None:
    """None where no answer that it decided about is its own."""
    side = own_side(panel, judge, models)
    rows = calls.where(decided(calls.value) & decided(side[calls.item]))
    if not rows.item.size:
        return None
    beside = rows.where(decided(panel.majority[rows.item]))
    return Own(
        model=models.get(judge, judge),
        items=np.unique(rows.item).size,
        without_people=share(rows.value == side[rows.item], panel.prompts(rows.item), draws.level),
        preference=asymmetry(panel, rows, side, draws).difference if beside.item.size else None,
    )
