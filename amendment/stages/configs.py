"""Parts of the run file that have not moved into the files of their stages yet."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias

from pydantic import model_validator

from amendment.dpo import DpoSettings, SftSettings
from amendment.reward_model import RewardSettings
from amendment.stages.config_guards import DpoGuards
from amendment.stages.config_helpful import WithHelpful
from amendment.stages.config_smoothing import Smoothing
from amendment.training import TinyModel

__all__ = [
    "POLICY_STAGES",
    "BaseStage",
    "DpoStage",
    "RewardStage",
    "RunFile",
    "SftStage",
]

RunFile: TypeAlias = Any
"""A run file whose parts are read by their keys; a stage that is one file takes `RunSettings` and reads its own."""
POLICY_STAGES = ("base", "sft", "dpo")
"""Stages that make a policy; their names can stand wherever a model's can. See also `RunFile.policies`."""


class BaseStage(SftSettings):
    """A small model of the run's own, for runs without a pretrained one."""

    tiny: TinyModel = TinyModel()
    """Its shape; the tokenizer is trained on the run's own text."""
    on: Literal["drafts", "chosen", "nothing"] = "drafts"
    """What it is trained on before any other stage sees it."""


class SftStage(WithHelpful):
    """Supervised fine-tuning."""

    base: str
    """`base`, a local folder, or a Hub id."""
    on: Literal["all_revisions", "last_revision", "chosen"] = "all_revisions"
    """The answers it learns from; all_revisions as in Constitutional AI."""


class RewardStage(RewardSettings):
    """A reward model."""

    base: str
    """base, sft, a local folder, or a Hub id."""
    label_smoothing: Smoothing = 0.0  # type: ignore[assignment]  # a word here, a number when it trains
    """Share of labels that are thought to be wrong: a target p becomes p (1 - e) + (1 - p) e. estimated: as the spot
    check's calibration expects it."""


class DpoStage(DpoSettings):
    """Direct preference optimisation."""

    base: str
    """sft, base, a local folder, or a Hub id; the saved model is the reference."""
    label_smoothing: Smoothing = 0.0  # type: ignore[assignment]  # a word here, a number when it trains
    """Share of labels that are thought to be wrong: a target p becomes p (1 - e) + (1 - p) e. estimated: as the spot
    check's calibration expects it."""
    guards: DpoGuards | None = DpoGuards()
    """What the policy says on held-out prompts is measured as it is trained, and training ends where it over-optimises;
    null: nothing is watched."""

    @model_validator(mode="after")
    def _judge_can_be_planned(self) -> Self:
        if self.guards and self.guards.judge and self.guards.every and not self.steps:
            raise ValueError(
                "guards.judge with guards.every needs steps, from which a plan counts what the judge is asked: set "
                "steps, or leave every out (eight measurements)"
            )
        return self
