"""The run file: every stage optional, every mistake named at once, nothing called until all is right.

Covered: the shape of the file and the references between its parts. Not covered: what lies outside the
file (keys, folders, data), which `check` looks at; see `checks`.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from amendment.data.sources import (
    FileSource,
    Part,
    Source,
)
from amendment.dpo import DpoSettings, SftSettings
from amendment.preference import ConstantAnswers, JudgeSettings, JuryKind, PairSettings
from amendment.reward_model import RewardSettings
from amendment.run.runfile.constructing import Construction
from amendment.run.runfile.evaluation import EvaluateStage
from amendment.run.runfile.guards import DpoGuards
from amendment.run.runfile.helpful import WithHelpful
from amendment.run.runfile.probes import ProbesStage
from amendment.run.runfile.publish import PublishSettings
from amendment.run.runfile.rounds import Rounds
from amendment.run.runfile.shares import Mix
from amendment.run.runfile.smoothing import Smoothing
from amendment.run.runfile.spot_checks import SpotCheckStage
from amendment.stages.contract import BudgetPart, CallsPart, JudgeEntry, RunSettings
from amendment.stages.critique import CritiqueConfig
from amendment.training import TinyModel

__all__ = [
    "BaseStage",
    "BudgetPart",
    "CallsPart",
    "CascadeSettings",
    "DatasetStage",
    "DpoStage",
    "EvaluateStage",
    "JudgeEntry",
    "JudgingStage",
    "RewardStage",
    "RunFile",
    "SftStage",
]

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

    sure: float = Field(default=0.8, gt=0, le=1)
    """How sure is sure enough: |2P - 1|, such as 0.8 for P of 0.9 and more, or of 0.1 and less."""
    then: tuple[JudgeEntry, ...] = Field(min_length=1)
    """They are asked about the others, and what they say counts. Where they are unsure too, or cannot be read, the
    comparison is also written to judging/for_people."""


class JudgingStage(JudgeSettings, PairSettings):
    """Judging of candidates."""

    judges: tuple[JudgeEntry, ...] = Field(min_length=1)
    """One judge, or a jury of several."""
    jury: JuryKind = "mean"
    """What several judges come to. mean: of their P, each with the same weight; majority: one vote each, an even split
    is a tie; dawid-skene: by how often each errs, as all votes of the run tell it, of three judges or more; stacked:
    weighed on the comparisons that people have decided, which takes labelled: judge and 30 of them."""
    ranking: Literal["all_pairs", "knockout", "merge_sort", "adaptive"] = "all_pairs"
    """Which candidates of a prompt are compared. all_pairs: every two of k; knockout: about 1.5 k, for the best and the
    worst; merge_sort: about k log2 k, for the order; adaptive: the next by what is known, until the best is found."""
    comparisons_per_prompt: int | None = Field(default=None, ge=1, le=10_000)
    """With ranking: adaptive, at most so many, and one more of the best with the worst; null: two for each candidate.
    Each takes the calls of all judges, principles and orders."""
    cascade: CascadeSettings | None = None
    """Ask other judges where these are unsure."""
    labelled: Literal["skip", "judge"] = "skip"
    """Comparisons that your own verdicts or pairs have decided: judge asks about them too, so that the certificate can
    measure the judge on them; the dataset keeps your decision. skip spends nothing on them."""

    @property
    def every_judge(self) -> tuple[JudgeEntry, ...]:
        """Those that are asked first, and those that are asked where the first are unsure."""
        return (*self.judges, *(self.cascade.then if self.cascade else ()))


class DatasetStage(Part):
    """The dataset."""

    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the prompts that no training stage sees."""
    ties: Literal["drop", "keep"] = "drop"
    """Of imported pairs on which raters are evenly split: keep writes them with P = 0.5; trainers on hard
    labels leave them out. `judging` has its own."""
    probabilities: Literal["raw", "calibrated"] | None = None
    """Which P(chosen is better) training sees in `p_chosen`: the judge's own, or the one calibrated on people. Both
    stand in columns of their own. null: calibrated where a spot check has calibrated it and that surely brings the
    Brier score down on its open labels, raw otherwise."""
    constant_answers: ConstantAnswers = ConstantAnswers()
    """Which answers are no answers, since their writer says the same to most prompts; where such a one would be chosen,
    no pair is made."""
    secrets: Literal["drop", "keep", "stop"] = "stop"
    """Rows with a text that looks like a key or a token. stop ends the run and lists them before anything is exported;
    drop leaves them out and counts them; keep exports them, but a push still needs --allow-secrets."""
    mix: Mix = ()
    """Shares of the pairs for training: one entry `source: run` for this run's own, and files or datasets of people's
    pairs beside it. As many pairs are taken as the shares allow."""


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

    @property
    def steps_set(self) -> int | None:
        """Optimiser steps, where the run file says how many."""
        return self.steps or self.trl.max_steps

    @model_validator(mode="after")
    def _judge_can_be_planned(self) -> Self:
        if self.guards and self.guards.judge and self.guards.every and not self.steps_set:
            raise ValueError(
                "guards.judge with guards.every needs steps, from which a plan counts what the judge is asked: set "
                "steps, or leave every out (eight measurements)"
            )
        return self


class RunFile(RunSettings):
    """A whole run."""

    critique: CritiqueConfig | None = None
    """Draft an answer to each prompt, then criticise and revise it."""
    base: BaseStage | None = None
    """A small model made by this run, for rehearsals; a pretrained one needs no stage."""
    sft: SftStage | None = None
    """Fine-tune on revisions or on chosen answers."""
    judging: JudgingStage | None = None
    """Compare the candidates of each prompt."""
    constructions: tuple[Construction, ...] = Field(default=(), alias="construct")
    """Pairs that no judge sees: a strong model's answer before a weak one's, or a good instruction's before a bad
    one's; in the dataset they are `decided_by: construction`."""
    probes: ProbesStage | None = None
    """Ask the judges once more about comparisons whose answers were edited so that nothing should change."""
    spot_check: SpotCheckStage | None = None
    """Let people label a blind sample of what the run's judges, or the judge of a log under `verdicts`, decided."""
    dataset: DatasetStage = DatasetStage()
    """How pairs become rows, and which prompts are held out."""
    reward_model: RewardStage | None = None
    """Train a reward model on the pairs."""
    dpo: DpoStage | None = None
    """Train the policy on the pairs."""
    rounds: Rounds | None = None
    """Go on with the policy's own answers: draw, judge, train, as often as wanted. `rounds: 3` is the short form."""
    evaluate: EvaluateStage | None = None
    """Let policies answer held-out prompts, and measure the answers."""
    publish: PublishSettings | None = None
    """Where `amendment publish` puts the dataset and the models; a run itself sends nothing there."""

    @property
    def policies(self) -> tuple[str, ...]:
        """The names of all policies that the stages of a run file can make, those of its rounds among them."""
        return (*POLICY_STAGES, *(self.rounds.policies if self.rounds else ()))

    @property
    def brings_pairs(self) -> bool:
        """Whether the files can hold pairs: those under `pairs`, and verdicts with texts beside them."""
        return bool(self.pairs) or any(source.may_have_texts for source in self.verdicts)

    @property
    def helpful_files(self) -> tuple[FileSource, ...]:
        """Files with helpful answers for the stage sft."""
        return self.sft.helpful.files if self.sft and self.sft.helpful else ()

    @property
    def sources(self) -> dict[str, list[Source]]:
        """Every part that reads a file or a dataset, by the stage that reads it."""
        by_stage = {
            "inputs": (*self.prompts, *self.candidates, *self.pairs, *self.verdicts),
            "mixing": self.dataset.mix,
            "sft": self.helpful_files,
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
