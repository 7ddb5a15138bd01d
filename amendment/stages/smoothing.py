"""Settings of a training whose label smoothing the spot check estimates, with the number in place of the word."""

from __future__ import annotations

import json
from typing import Generic, NamedTuple, TypeVar

from amendment.errors import TrainingError
from amendment.stages.calibration import CALIBRATOR
from amendment.stages.configs import DpoStage, RewardStage
from amendment.stages.contract import Context

__all__ = ["Smoothed", "smoothed"]

S = TypeVar("S", RewardStage, DpoStage)


class Smoothed(NamedTuple, Generic[S]):
    """Settings with a number, and what the summary says of it."""

    stage: S
    counts: dict[str, float]


def smoothed(context: Context, name: str, stage: S) -> Smoothed[S]:
    """The settings of the stage `name` as it trains. Raises TrainingError where nothing was calibrated, and where the
    labels say nothing."""
    if stage.label_smoothing != "estimated":
        return Smoothed(stage, {})
    recipe = json.loads(context.workspace.path(CALIBRATOR).read_text(encoding="utf-8"))
    rate = recipe.get("expected flip rate")
    if rate is None:
        reason = recipe.get("reason", "no reason is on record")
        raise TrainingError(
            f"{name}: label_smoothing: estimated has no estimate, since the judge was not calibrated ({reason}): label "
            "more, or write a number"
        )
    if rate >= 0.5:
        raise TrainingError(
            f"{name}: label_smoothing: estimated comes to {rate:.3f}, so that the labels say nothing: look at the judge"
        )
    return Smoothed(stage.model_copy(update={"label_smoothing": rate}), {"label smoothing": round(rate, 4)})
