"""The run file: every stage optional, every mistake named at once, nothing called until all is right.

Covered: the shape of the file and the references between its parts. Not covered: what lies outside the
file (keys, folders, data), which `check` looks at; see `checks`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from amendment.critique import ChainSettings
from amendment.dpo import DpoSettings, SftSettings
from amendment.pipeline.runfile.publish import PublishSettings
from amendment.pipeline.runfile.shares import Mix
from amendment.pipeline.runfile.sources import CandidateSource, LilliputPrompts, OneOrMore, PairFile, Part, PromptFile
from amendment.pipeline.runfile.verdict_files import VerdictFile
from amendment.preference import JudgeSettings, PairSettings
from amendment.providers import ModelSpec
from amendment.reward_model import RewardSettings
from amendment.training import TinyModel

__all__ = [
    "BaseStage",
    "BudgetPart",
    "CallsPart",
    "CritiqueStage",
    "DatasetStage",
    "DpoStage",
    "EvaluateStage",
    "JudgeEntry",
    "JudgingStage",
    "RewardStage",
    "RunFile",
    "SftStage",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")]
POLICY_STAGES = ("base", "sft", "dpo")
"""Stages that make a policy; their names can stand wherever a model's can."""


class CritiqueStage(ChainSettings):
    """Draft, critique, revise."""

    model: Name
    """Drafts, critiques and revises."""


class BaseStage(SftSettings):
    """A small model of the run's own, for runs without a pretrained one."""

    tiny: TinyModel = TinyModel()
    """Its shape; the tokenizer is trained on the run's own text."""
    on: Literal["drafts", "chosen", "nothing"] = "drafts"
    """What it is trained on before any other stage sees it."""


class SftStage(SftSettings):
    """Supervised fine-tuning."""

    base: str
    """`base`, a local folder, or a Hub id."""
    on: Literal["all_revisions", "last_revision", "chosen"] = "all_revisions"
    """The answers it learns from; all_revisions as in Constitutional AI."""


class JudgeEntry(Part):
    """A judge: a model and a folder of texts."""

    model: Name
    """A name under `models`."""
    protocol: str = "verdict"
    """A shipped judge's id, or a folder of one's own."""
    samples: int = Field(default=1, ge=1, le=64)
    """Draws of each question; the share of verdicts is P where no probabilities are shown."""


class JudgingStage(JudgeSettings, PairSettings):
    """Pairwise judging of candidates."""

    judges: tuple[JudgeEntry, ...] = Field(min_length=1)
    """Several are averaged, each with the same weight."""
    labelled: Literal["skip", "judge"] = "skip"
    """Comparisons that your own verdicts or pairs have decided: judge asks about them too, so that the certificate can
    measure the judge on them; the dataset keeps your decision. skip spends nothing on them."""


class DatasetStage(Part):
    """The dataset."""

    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the prompts that no training stage sees."""
    ties: Literal["drop", "keep"] = "drop"
    """Of imported pairs on which raters are evenly split: keep writes them with P = 0.5; trainers on hard
    labels leave them out. `judging` has its own."""
    mix: Mix = ()
    """Shares of the pairs for training: one entry `source: run` for this run's own, and files or datasets of people's
    pairs beside it. As many pairs are taken as the shares allow."""


class RewardStage(RewardSettings):
    """A reward model."""

    base: str
    """base, sft, a local folder, or a Hub id."""


class DpoStage(DpoSettings):
    """Direct preference optimisation."""

    base: str
    """sft, base, a local folder, or a Hub id; the saved model is the reference."""


class EvaluateStage(Part):
    """What the trained models do on held-out prompts."""

    policies: tuple[str, ...] = Field(default=(), max_length=16)
    """base, sft, dpo, or names under `models`; the first is what the others are compared with."""
    prompts: int = Field(default=500, ge=1)
    """At most so many held-out prompts."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers per prompt."""
    judge: JudgeEntry | None = None
    """Compares each policy with the first, by `judging`'s constitution; not needed in the simulated world."""
    principles: int = Field(default=1, ge=1, le=64)
    """Principles per comparison of that judge."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Of policies that this run trains; models under `models` have their own."""
    max_tokens: int = Field(default=512, ge=1)
    """Likewise."""
    batch_size: int = Field(default=64, ge=1, le=4096)
    """Likewise: answers generated together."""


class BudgetPart(Part):
    """What the run may cost."""

    usd: float = Field(gt=0, allow_inf_nan=False)
    """No call is sent that could take the run's cost above this."""


class CallsPart(Part):
    """How models are asked."""

    order: Literal["throughput", "early"] = "throughput"
    """throughput serves whoever asks first; early finishes the first items first, and the whole a little later."""
    window: int = Field(default=4, ge=1, le=1000)
    """Items begun and unfinished, in multiples of the calls that may be in flight."""


class RunFile(Part):
    """A whole run."""

    name: Name
    """runs/NAME is the run's folder."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Every draw of the run follows from it: equal seeds and replies give equal files."""
    constitution: Annotated[tuple[str, ...], OneOrMore] = ()
    """Shipped ones by id, own ones by path."""
    models: dict[Name, ModelSpec] = Field(default={})
    """Every model once, by a short name."""
    budget: BudgetPart | None = None
    """The most that the run may spend."""
    prices: str | None = None
    """A price table of your own, which adds to the shipped one and goes before it."""
    calls: CallsPart = CallsPart()
    """How models are asked: in which order, and how many items at a time."""
    prompts: tuple[LilliputPrompts | PromptFile, ...] = ()
    """What models are asked."""
    pairs: tuple[PairFile, ...] = ()
    """Preference pairs that exist already."""
    verdicts: tuple[VerdictFile, ...] = ()
    """Verdicts that exist already: people's labels, judges' logs. Where texts stand beside them they become pairs."""
    critique: CritiqueStage | None = None
    """Draft an answer to each prompt, then criticise and revise it."""
    base: BaseStage | None = None
    """A small model made by this run, for rehearsals; a pretrained one needs no stage."""
    sft: SftStage | None = None
    """Fine-tune on revisions or on chosen answers."""
    candidates: tuple[CandidateSource, ...] = ()
    """Answers that take part in comparisons."""
    judging: JudgingStage | None = None
    """Compare the candidates of each prompt."""
    dataset: DatasetStage = DatasetStage()
    """How pairs become rows, and which prompts are held out."""
    reward_model: RewardStage | None = None
    """Train a reward model on the pairs."""
    dpo: DpoStage | None = None
    """Train the policy on the pairs."""
    evaluate: EvaluateStage | None = None
    """Let policies answer held-out prompts, and measure the answers."""
    publish: PublishSettings | None = None
    """Where `amendment publish` puts the dataset and the models; a run itself sends nothing there."""

    @property
    def brings_pairs(self) -> bool:
        """Whether the files can hold pairs: those under `pairs`, and verdicts with texts beside them."""
        return bool(self.pairs) or any(source.may_have_texts for source in self.verdicts)
