"""Rows for a reward model of this run: with principles, where it is conditioned on them.

Promised: a row is scored by the statements that it was judged by. One that names none of this run's principles, such
as a pair of other people's or a policy's answer, is scored by all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from amendment.reward_model import RewardModel
from amendment.stages.contract import Context

__all__ = ["fitted_counts", "reward_rows"]

Row = Mapping[str, Any]


def reward_rows(context: Context, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The rows as the run's reward model takes them."""
    stage = context.config.reward_model
    if stage is None or not stage.conditioned:
        return [dict(row) for row in rows]
    statements = {
        constitution.principle_reference(principle): principle.statement
        for constitution in context.constitutions
        for principle in constitution.principles
    }
    return [{**row, "principles": _told(row.get("principle_ids") or (), statements)} for row in rows]


def _told(named: Sequence[str], statements: Mapping[str, str]) -> list[str]:
    found = [statements[one] for one in named if one in statements]
    return found or list(statements.values())


def fitted_counts(folder: Path, held_out: Mapping[str, Any]) -> dict[str, Any]:
    """What the summary says of temperature and members; `held_out` are the figures on held-out pairs, if any."""
    temperature, counts = RewardModel.describe(folder).temperature, dict[str, Any]()
    if temperature:
        told = temperature.model_dump(mode="json", exclude_none=True, exclude={"note", "helps"})
        counts["temperature"] = {name.replace("_", " "): _rounded(value) for name, value in told.items()}
        if not temperature.helps:
            counts["temperature used"] = "1: on pairs that it was not fitted to, the fitted one does not clearly help"
    if "agreement" in held_out:
        counts["members that agree with their mean"] = _rounded(held_out["agreement"])
    return counts


def _rounded(value: float) -> float:
    return round(value, 4)
