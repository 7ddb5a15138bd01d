"""Does a judge prefer its own answers? Only where answers' writers and the judge's own model are on record.

Own is an answer whose writer has the judge's name, or the name of its model where that is given. Rows are decided
calls on items of which exactly one answer is the judge's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from amendment.calibration._panel import Calls, Panel
from amendment.calibration._table import NONE, A, B, Codes, Numbers
from amendment.calibration.favour import decided
from amendment.statistics import Estimate, Resampling, bootstrap, quotient, share, sums_by_cluster

__all__ = ["Own", "own", "own_side"]


@dataclass(frozen=True)
class Own:
    """A judge beside its own answers."""

    model: str
    items: int
    without_people: Estimate
    """Share of own answers preferred. Says nothing of a bias: they may be better."""
    preference: Estimate | None
    """P(judge prefers own | people own) - P(judge prefers the other | people the other); None without people.

    Equal opportunity, as in Wataoka et al. (2024, arXiv 2410.21819)."""


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
        preference=_preference(panel, beside, side, draws) if beside.item.size else None,
    )


def _preference(panel: Panel, rows: Calls, side: Codes, draws: Resampling) -> Estimate:
    judge, people = rows.value == side[rows.item], panel.majority[rows.item] == side[rows.item]
    sums = sums_by_cluster(panel.prompts(rows.item), judge & people, people, ~judge & ~people, ~people)
    return bootstrap(sums, _of_chances, n=judge.size, resampling=draws, name="difference of two shares,")


def _of_chances(sums: Numbers) -> Numbers:
    own_kept, own_better, other_kept, other_better = sums.T
    differences: Numbers = quotient(own_kept, own_better) - quotient(other_kept, other_better)
    return differences
