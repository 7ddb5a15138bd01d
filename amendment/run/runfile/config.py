"""The run file: every stage optional, every mistake named at once, nothing called until all is right.

Covered: the shape of the file and the references between its parts. Not covered: what lies outside the
file (keys, folders, data), which `check` looks at; see `checks`.
"""

from __future__ import annotations

from pydantic import Field

from amendment.calibration.settings import SpotCheckSettings
from amendment.data.sources import (
    Source,
)
from amendment.publishing.settings import PublishSettings
from amendment.stages import STAGES
from amendment.stages.base import BaseConfig
from amendment.stages.configs import (
    POLICY_STAGES,
)
from amendment.stages.construct import Construction
from amendment.stages.contract import BudgetPart, JudgeEntry, RunSettings
from amendment.stages.critique import CritiqueConfig
from amendment.stages.dpo import DpoConfig
from amendment.stages.evaluation import EvaluateConfig
from amendment.stages.judging import JudgingConfig
from amendment.stages.pairs import DatasetConfig
from amendment.stages.probes import ProbesConfig
from amendment.stages.reward_model import RewardModelConfig
from amendment.stages.rounds import Rounds
from amendment.stages.sft import SftConfig, helpful_files

__all__ = [
    "BudgetPart",
    "DatasetConfig",
    "EvaluateConfig",
    "JudgeEntry",
    "JudgingConfig",
    "RunFile",
]


class RunFile(RunSettings):
    """A whole run."""

    critique: CritiqueConfig | None = None
    """Draft an answer to each prompt, then criticise and revise it."""
    base: BaseConfig | None = None
    """A small model made by this run, for rehearsals; a pretrained one needs no stage."""
    sft: SftConfig | None = None
    """Fine-tune on revisions or on chosen answers."""
    judging: JudgingConfig | None = None
    """Compare the candidates of each prompt."""
    constructions: tuple[Construction, ...] = Field(default=(), alias="construct")
    """Pairs that no judge sees: a strong model's answer before a weak one's, or a good instruction's before a bad
    one's; in the dataset they are `decided_by: construction`."""
    probes: ProbesConfig | None = None
    """Ask the judges once more about comparisons whose answers were edited so that nothing should change."""
    spot_check: SpotCheckSettings | None = None
    """Let people label a blind sample of what the run's judges, or the judge of a log under `verdicts`, decided."""
    dataset: DatasetConfig = DatasetConfig()
    """How pairs become rows, and which prompts are held out."""
    reward_model: RewardModelConfig | None = None
    """Train a reward model on the pairs."""
    dpo: DpoConfig | None = None
    """Train the policy on the pairs."""
    rounds: Rounds | None = None
    """Go on with the policy's own answers: draw, judge, train, as often as wanted. `rounds: 3` is the short form."""
    evaluate: EvaluateConfig | None = None
    """Let policies answer held-out prompts, and measure the answers."""
    publish: PublishSettings | None = None
    """Where `amendment publish` puts the dataset and the models; a run itself sends nothing there."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of all policies that the stages of a run file can make, those of its rounds among them."""
        return (*POLICY_STAGES, *(name for stage in STAGES for name in stage.policies(self)))

    @property
    def brings_pairs(self) -> bool:
        """Whether the files can hold pairs: those under `pairs`, and verdicts with texts beside them."""
        return bool(self.pairs) or any(source.may_have_texts for source in self.verdicts)

    @property
    def sources(self) -> dict[str, list[Source]]:
        """Every part that reads a file or a dataset, by the stage that reads it."""
        by_stage = {
            "inputs": (*self.prompts, *self.candidates, *self.pairs, *self.verdicts),
            "mixing": self.dataset.mix,
            "sft": helpful_files(self),
            "evaluate": self.evaluate.own_prompts if self.evaluate else (),
        }
        return {stage: [part for part in parts if isinstance(part, Source)] for stage, parts in by_stage.items()}

    @property
    def key_variables(self) -> list[str]:
        """The environment variables that the models' keys are read from."""
        return [name for spec in self.models.values() if (name := getattr(spec, "api_key_env", None))]

    @property
    def has_pairs(self) -> bool:
        """Whether the run can have pairs at all: judged, constructed, or brought."""
        return bool(self.judging or self.constructions) or self.brings_pairs
