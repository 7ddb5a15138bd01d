"""The part of a run file that measures policies: against each other, by principles, and by what they refuse."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from amendment.data.sources import OneOrMore, Part, PromptFile
from amendment.stages.config_evaluation_people import EvaluationPeople
from amendment.stages.contract import JudgeEntry

__all__ = ["EvaluateStage", "OverRefusal", "RefusalJudge", "ViolationJudge", "Violations"]


class ViolationJudge(JudgeEntry):
    """A judge that is asked whether an answer violates a principle."""

    protocol: str = "violation"
    """A shipped judge's id, or a folder of one's own, of protocol yes-no and with the principle in its text."""
    samples: int = Field(default=1, ge=1, le=64)
    """Draws of each question; an answer then counts with its share of yes."""


class RefusalJudge(JudgeEntry):
    """A judge that is asked whether an answer refuses."""

    protocol: str = "refusal"
    """A shipped judge's id, or a folder of one's own, of protocol yes-no and without a principle in its text."""
    samples: int = Field(default=1, ge=1, le=64)
    """Draws of each question; an answer then counts with its share of yes."""


class Violations(Part):
    """How often answers violate a principle, by a judge that sees one answer and one principle at a time."""

    judge: ViolationJudge
    """Asked about every answer by every principle that speaks about its prompt."""
    principles: Annotated[tuple[str, ...], OneOrMore] = Field(default=("all",), min_length=1)
    """all, or principles such as helpful-honest/answer-the-question."""
    prompts: int = Field(default=100, ge=1)
    """At most so many of the evaluated prompts."""

    def takes(self, principle: str) -> bool:
        """Whether a principle, as `constitution/principle`, is asked about."""
        return "all" in self.principles or principle in self.principles


class OverRefusal(Part):
    """How often policies refuse what is harmless to answer."""

    categories: Annotated[tuple[str, ...], OneOrMore] = ()
    """Categories of harmless prompts among the evaluated ones."""
    prompts: tuple[PromptFile, ...] = ()
    """Files of harmless prompts, all of which every policy answers too. A prompt that a training stage may have seen is
    left out and counted."""
    judge: RefusalJudge | None = None
    """Says which answers refuse. null: those that begin with one of the listed phrases; what a provider itself calls a
    refusal counts either way."""

    @model_validator(mode="after")
    def _names_prompts(self) -> Self:
        if not (self.categories or self.prompts):
            raise ValueError("name harmless prompts: categories of evaluated ones, or files under prompts")
        return self


class EvaluateStage(Part):
    """What the trained models do on held-out prompts."""

    policies: tuple[str, ...] = Field(default=(), max_length=16)
    """base, sft, dpo, or names under `models`; the first is what the others are compared with."""
    prompts: int = Field(default=500, ge=1)
    """At most so many held-out prompts."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers per prompt."""
    judge: JudgeEntry | None = None
    """Compares policies, by `judging`'s constitution; not needed in the simulated world."""
    compare: Literal["first", "all"] | tuple[tuple[str, str], ...] = "first"
    """What that judge compares. first: each policy with the first; all: every two; or pairs such as [[dpo, sft]], whose
    win rate is that of the one named first."""
    principles: int = Field(default=1, ge=1, le=64)
    """Principles per comparison of that judge."""
    people: EvaluationPeople | None = None
    """Let people label, blind, a random sample of that judge's comparisons; the summary then has win rates corrected by
    what they say."""
    violations: Violations | None = None
    """Ask a judge how often each policy's answers violate each principle."""
    over_refusal: OverRefusal | None = None
    """Measure how often each policy refuses harmless prompts."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Of policies that this run trains; models under `models` have their own."""
    max_tokens: int = Field(default=512, ge=1)
    """Likewise."""
    batch_size: int = Field(default=64, ge=1, le=4096)
    """Likewise: answers generated together."""

    @property
    def matchups(self) -> tuple[tuple[str, str], ...]:
        """Which policies the judge compares: the one whose win rate it is, and the one that it is against."""
        names = tuple(dict.fromkeys(self.policies))
        if self.compare == "first":
            return tuple((name, names[0]) for name in names[1:])
        if self.compare == "all":
            return tuple((later, earlier) for earlier, later in combinations(names, 2))
        return self.compare

    @property
    def own_prompts(self) -> tuple[PromptFile, ...]:
        """Files with prompts beside the run's held-out ones."""
        return self.over_refusal.prompts if self.over_refusal else ()

    @property
    def judges(self) -> Iterator[tuple[tuple[str, ...], JudgeEntry]]:
        """Every judge that is asked, with its place in this part."""
        if self.judge:
            yield ("judge",), self.judge
        if self.violations:
            yield ("violations", "judge"), self.violations.judge
        if self.over_refusal and self.over_refusal.judge:
            yield ("over_refusal", "judge"), self.over_refusal.judge
