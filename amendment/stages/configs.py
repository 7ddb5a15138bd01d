"""Parts of the run file that have not moved into the files of their stages yet."""

from __future__ import annotations

from typing import Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from amendment.data.sources import Part
from amendment.dpo import DpoSettings, SftSettings
from amendment.preference import JudgeSettings, JuryKind, PairSettings
from amendment.reward_model import RewardSettings
from amendment.stages.config_guards import DpoGuards
from amendment.stages.config_helpful import WithHelpful
from amendment.stages.config_smoothing import Smoothing
from amendment.stages.contract import JudgeEntry
from amendment.training import TinyModel

__all__ = [
    "POLICY_STAGES",
    "BaseStage",
    "CascadeSettings",
    "DpoStage",
    "JudgingStage",
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


class CascadeSettings(Part):
    """Second judges for what the first ones are unsure of. Of several judges that are asked together the majority is
    sure or unsure where jury is majority, and the mean in all other cases."""

    confidence: float = Field(default=0.8, gt=0, le=1)
    """How confident is confident enough: |2P - 1|, such as 0.8 for P of 0.9 and more, or of 0.1 and less."""
    then: tuple[JudgeEntry, ...] = Field(min_length=1)
    """They are asked about the others, and what they say counts. Where they are unsure too, or cannot be read, the
    comparison is also written to judging/for_people."""


class JudgingStage(JudgeSettings, PairSettings):
    """Judging of candidates."""

    judges: tuple[JudgeEntry, ...] = Field(min_length=1)
    """One judge, or a jury of several."""
    jury: JuryKind = "mean"
    """What several judges come to. mean: of their P, each with the same weight; majority: one vote each, an even split
    is a tie; weighted: by weights learned from the comparisons that people have decided, which takes judge_labelled:
    true and 30 of them."""
    ranking: Literal["all_pairs", "adaptive"] = "all_pairs"
    """Which candidates of a prompt are compared. all_pairs: every two of k; adaptive: the next by what is known, until
    the best is found."""
    comparisons_per_prompt: int | None = Field(default=None, ge=1, le=10_000)
    """With ranking: adaptive, at most so many, and one more of the best with the worst; null: two for each candidate.
    Each takes the calls of all judges, principles and orders."""
    cascade: CascadeSettings | None = None
    """Ask other judges where these are unsure."""
    judge_labelled: bool = False
    """Ask about comparisons that your own verdicts or pairs have decided too, so that the certificate can measure the
    judge on them; the dataset keeps your decision."""

    @property
    def every_judge(self) -> tuple[JudgeEntry, ...]:
        """Those that are asked first, and those that are asked where the first are unsure."""
        return (*self.judges, *(self.cascade.then if self.cascade else ()))


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
