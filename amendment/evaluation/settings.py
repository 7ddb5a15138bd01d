"""What an evaluation measures, as the run file says it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from amendment.data.sources import OneOrMore, PromptFile
from amendment.preference.settings import JudgeEntry
from amendment.records import Part

SAME_JUDGE, RELATED_JUDGE, ANOTHER_JUDGE = "same judge", "related judge", "another judge"


NO_JUDGE = "no other judge"
"""The relation if no judge of the run made the labels."""


def _asked_by(protocol: str) -> BeforeValidator:
    """Use this protocol where a judge's entry names none."""

    def with_protocol(entry: Any) -> Any:
        return {"protocol": protocol, **entry} if isinstance(entry, dict) else entry

    return BeforeValidator(with_protocol, json_schema_input_type=JudgeEntry)


ViolationJudge = Annotated[JudgeEntry, _asked_by("violation")]
"""A judge that sees one answer and one principle at a time; its folder shows the principle."""
RefusalJudge = Annotated[JudgeEntry, _asked_by("refusal")]
"""A judge that sees one answer; its folder shows no principle."""


class OverRefusal(Part):
    """How often policies refuse harmless prompts."""

    categories: Annotated[tuple[str, ...], OneOrMore] = ()
    """Categories of harmless prompts among the evaluated ones."""
    prompts: tuple[PromptFile, ...] = ()
    """Files of harmless prompts, all of which every policy answers too. A prompt that a training stage may have seen is
    left out and counted."""
    judge: RefusalJudge | None = None
    """Decides which answers refuse. null: those that begin with one of the listed phrases; a refusal reported by the
    provider counts either way."""

    @model_validator(mode="after")
    def _names_prompts(self) -> Self:
        if not (self.categories or self.prompts):
            raise ValueError("name harmless prompts: categories of evaluated ones, or files under prompts")
        return self


class EvaluationPeople(Part):
    """People's labels on a random sample of the evaluation's own comparisons; they correct the judge's win rates."""

    items: int = Field(default=100, ge=1, le=100_000)
    """Comparisons to draw, in proportion over the pairs of compared policies; all of them if there are fewer. If both
    policies gave the same answer it is a tie, and nobody is asked."""
    annotators: int = Field(default=1, ge=1, le=100)
    """People who label; they share the items."""
    people: Literal["page", "simulated"] = "page"
    """page: people, by amendment label DIR --stage evaluate. simulated: people of the simulated world, who know only
    its prompts."""


class EvaluateConfig(Part):
    """Measure the trained models on held-out prompts."""

    policies: tuple[str, ...] = Field(default=(), max_length=16)
    """base, sft, dpo, or names under `models`; the first is what the others are compared with."""
    prompts: int = Field(default=500, ge=1)
    """The most held-out prompts to use."""
    samples: int = Field(default=1, ge=1, le=64)
    """Answers per prompt."""
    judge: JudgeEntry | None = None
    """Compares policies, by `judging`'s constitution; not needed in the simulated world."""
    compare: Literal["first", "all"] = "first"
    """Pairs of policies that the judge compares. first: each policy with the first; all: every two."""
    people: EvaluationPeople | None = None
    """Let people label, blind, a random sample of that judge's comparisons; the summary then has win rates corrected by
    their labels."""
    violations: ViolationJudge | None = None
    """Ask this judge whether each answer violates each principle that applies to its prompt; with several samples, the
    share of yes."""
    over_refusal: OverRefusal | None = None
    """Measure how often each policy refuses harmless prompts."""
    embeddings: str | None = None
    """A model of sentence embeddings, by which the scorecard says how many answers are on topic: all-minilm-l6-v2, a
    folder, or a model of the Hub."""
    temperature: float = Field(default=1.0, ge=0, le=5)
    """Temperature of policies that this run trains; models under `models` have their own."""
    max_tokens: int = Field(default=512, ge=1)
    """Most tokens of an answer of those policies."""

    @field_validator("policies")
    @classmethod
    def _are_distinct(cls, policies: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(policies)) < len(policies):
            raise ValueError("a policy is named twice; name each once")
        return policies

    @property
    def matchups(self) -> tuple[tuple[str, str], ...]:
        """Return the comparisons of the judge: the policy whose win rate is measured, and its opponent."""
        if self.compare == "first":
            return tuple((name, self.policies[0]) for name in self.policies[1:])
        return tuple((later, earlier) for earlier, later in combinations(self.policies, 2))

    @property
    def own_prompts(self) -> tuple[PromptFile, ...]:
        """Files of prompts, in addition to the run's held-out ones."""
        return self.over_refusal.prompts if self.over_refusal else ()

    @property
    def judges(self) -> Iterator[tuple[tuple[str, ...], JudgeEntry]]:
        """Yield every judge that is asked, with its place in this part."""
        if self.judge:
            yield ("judge",), self.judge
        if self.violations:
            yield ("violations",), self.violations
        if self.over_refusal and self.over_refusal.judge:
            yield ("over_refusal", "judge"), self.over_refusal.judge


def has_own_prompts(config: EvaluateConfig | None) -> bool:
    """Return whether an evaluation has prompts besides the held-out ones; `config` is its part of the run file."""
    return config is not None and bool(config.own_prompts)
