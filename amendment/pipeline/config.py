"""The run file: every stage optional, every mistake named at once, nothing called until all is right.

Covered: the shape of the file and the references between its parts. Not covered: what lies outside the
file (keys, folders, data), which `check` looks at; see `checks`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from amendment.critique import ChainSettings
from amendment.dpo import DpoSettings, SftSettings
from amendment.preference import JudgeSettings, PairSettings
from amendment.providers import ModelSpec
from amendment.reward_model import RewardSettings
from amendment.training import TinyModel

__all__ = [
    "BaseStage",
    "CandidateSource",
    "ChainSource",
    "CritiqueStage",
    "DatasetStage",
    "DpoStage",
    "EvaluateStage",
    "FileSource",
    "JudgeEntry",
    "JudgingStage",
    "LilliputPrompts",
    "ModelSource",
    "PairColumns",
    "PairFile",
    "PromptFile",
    "RewardStage",
    "RunFile",
    "SftStage",
]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")]
POLICY_STAGES = ("base", "sft", "dpo")
"""Stages that make a policy; their names can stand wherever a model's can."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


_OneOrMore = BeforeValidator(_listed, json_schema_input_type=str | list[str])
"""A single text stands for a list of one."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class PromptFile(_Part):
    """Prompts from a file of one's own."""

    path: str
    """JSONL, JSON, CSV or Parquet, relative to the run file."""
    column: str = "prompt"
    """The column that holds the prompt: text, or a list of messages."""
    system: str | None = None
    """Column with a system text that goes before the prompt."""
    tools: str | None = None
    """Column with the tools that the prompt offers, as JSON schemas."""
    category: str | None = None
    """Category of all these prompts; `category_column` reads it from the file instead."""
    category_column: str | None = None
    """Column with the category of each prompt; where it is empty, `category` holds."""
    license: str | None = None
    """License of these prompts, as the Hub spells it."""
    take: int | None = Field(default=None, ge=1)
    """Only the first so many."""
    bad_rows: Literal["stop", "skip"] = "stop"
    """stop names every row that cannot be used; skip leaves them out and counts them."""


class LilliputPrompts(_Part):
    """Prompts of the simulated world."""

    lilliput: int = Field(ge=1, le=100_000)
    """How many different ones."""


class PairColumns(_Part):
    """Where the parts of a pair stand. Either `chosen` and `rejected`, or `a`, `b` and `votes`."""

    prompt: Annotated[tuple[str, ...], _OneOrMore] = Field(default=("prompt",), min_length=1)
    """One column, or several that are joined by an empty line; empty cells are left out."""
    chosen: str | None = None
    """Column with the better answer."""
    rejected: str | None = None
    """Column with the worse answer."""
    a: str | None = None
    """Column with the first answer."""
    b: str | None = None
    """Column with the second answer."""
    votes: Annotated[tuple[str, ...], _OneOrMore] | None = Field(default=None, min_length=1)
    """A column for each rater; an empty cell is a rater who did not vote."""
    category: str | None = None
    """Column with each pair's category."""

    def names(self) -> tuple[str | None, ...]:
        """All columns that are read."""
        return (*self.prompt, self.chosen, self.rejected, self.a, self.b, *(self.votes or ()), self.category)

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        decided = self.chosen is not None and self.rejected is not None
        voted = self.a is not None and self.b is not None and self.votes is not None
        halves = any(part is not None for part in (self.chosen, self.rejected)) and any(
            part is not None for part in (self.a, self.b, self.votes)
        )
        if decided == voted or halves:
            raise ValueError("name either the columns chosen and rejected, or the columns a, b and votes")
        return self


class VoteWords(_Part):
    """How the file spells a vote."""

    a: str | int = "a"
    """The answer in column `a` is better."""
    b: str | int = "b"
    """The answer in column `b` is better."""
    tie: str | int | None = "tie"
    """Neither is."""

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        words = [str(word) for word in (self.a, self.b, self.tie) if word is not None]
        if len(set(words)) < len(words):
            raise ValueError(f"a, b and tie need different words, found {', '.join(words)}")
        return self


class PairFile(_Part):
    """Preference pairs of one's own."""

    path: str
    """JSONL, JSON, CSV or Parquet, relative to the run file."""
    columns: PairColumns = PairColumns(chosen="chosen", rejected="rejected")
    """Where the parts stand."""
    votes: VoteWords = VoteWords()
    """The values that mean a, b and tie in the columns of votes."""
    category: str | None = None
    """Category of all these pairs; `columns.category` reads it from the file instead."""
    license: str | None = None
    """License of these pairs, as the Hub spells it."""
    rater: Literal["person", "model", "verifier"] = "person"
    """Who decided."""
    take: int | None = Field(default=None, ge=1)
    """Only the first so many rows."""
    bad_rows: Literal["stop", "skip"] = "stop"
    """stop names every row that cannot be used; skip leaves them out and counts them."""


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


class ModelSource(_Part):
    """Candidates drawn from a model or from a policy that this run trains."""

    model: str
    """A name under `models`, or base, sft or dpo."""
    per_prompt: int = Field(default=4, ge=1, le=256)
    """Answers drawn for each prompt."""
    take: int | None = Field(default=None, ge=1)
    """Only for the first so many prompts."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Of policies that this run trains; models under `models` have their own."""
    max_tokens: int = Field(default=512, ge=1)
    """Likewise."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    """Likewise: answers generated together."""


class ChainSource(_Part):
    """Candidates from the critique chain."""

    from_: Literal["critique"] = Field(alias="from")
    """The stage that made them."""
    take: Literal["all", "last", "draft", "draft_and_last"] = "last"
    """Which answers of each chain."""


class CandidateColumns(_Part):
    """Where the parts of a candidate stand."""

    prompt: str = "prompt"
    """Text, or a list of messages."""
    candidate: str = "candidate"
    """The answer: text, or a list of messages."""
    model: str | None = None
    """Who wrote it."""


class FileSource(_Part):
    """Candidates of one's own."""

    path: str
    """JSONL, JSON, CSV or Parquet, relative to the run file."""
    columns: CandidateColumns = CandidateColumns()
    """Where the parts stand."""
    category: str | None = None
    """Category of all these prompts."""
    license: str | None = None
    """License of these answers, as the Hub spells it."""
    take: int | None = Field(default=None, ge=1)
    """Only the first so many rows."""
    bad_rows: Literal["stop", "skip"] = "stop"
    """stop names every row that cannot be used; skip leaves them out and counts them."""


CandidateSource = ModelSource | ChainSource | FileSource


class JudgeEntry(_Part):
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


class DatasetStage(_Part):
    """The dataset."""

    test_share: float = Field(default=0.1, ge=0, lt=1)
    """Share of the prompts that no training stage sees."""
    ties: Literal["drop", "keep"] = "drop"
    """Of imported pairs on which raters are evenly split: keep writes them with P = 0.5; trainers on hard
    labels leave them out. `judging` has its own."""


class RewardStage(RewardSettings):
    """A reward model."""

    base: str
    """base, sft, a local folder, or a Hub id."""


class DpoStage(DpoSettings):
    """Direct preference optimisation."""

    base: str
    """sft, base, a local folder, or a Hub id; the saved model is the reference."""


class EvaluateStage(_Part):
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


class RunFile(_Part):
    """A whole run."""

    name: Name
    """runs/NAME is the run's folder."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Every draw of the run follows from it: equal seeds and replies give equal files."""
    constitution: Annotated[tuple[str, ...], _OneOrMore] = ()
    """Shipped ones by id, own ones by path."""
    models: dict[Name, ModelSpec] = {}
    """Every model once, by a short name."""
    prompts: tuple[PromptFile | LilliputPrompts, ...] = ()
    """What models are asked."""
    pairs: tuple[PairFile, ...] = ()
    """Preference pairs that exist already."""
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
