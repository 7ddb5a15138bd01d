"""Constructed pairs: the settings by which they are drawn, and the answers of each pair, for judges measured on them.
Not covered: how they are made, see `construct`; which of them the dataset takes, see `deciding`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from amendment.constitutions import Constitution, DrawnPrinciple, list_principles
from amendment.curation.construction_counts import NOTHING
from amendment.data.sources import Name
from amendment.data.store import Workspace
from amendment.llm.specs import ModelSpec
from amendment.preference.deciding import CONSTRUCTED, CONSTRUCTED_ANSWERS, ConstructedPair
from amendment.records import Candidate, Comparison, Part


class Side(NamedTuple):
    """How one of the two answers is drawn."""

    model: str
    instruction: str | None = None
    """Words for this draw alone: a system text."""
    is_behind: bool = False
    """The instruction stands behind the user's last words instead, where small models follow it more often."""
    principle_id: str | None = None
    """The principle of a contrast prompt."""


class ConstructConfig(Part):
    """Settings that all kinds share."""

    is_shared = True

    per_prompt: int = Field(default=1, ge=1, le=64)
    """Pairs of each prompt, each of two answers of its own."""
    p: float = Field(default=1.0, gt=0.5, le=1)
    """P(chosen is better) of these pairs, because construction makes errors; it is the target of soft labels. Of a pair
    that a judge confirmed, the most that it can be."""

    @property
    def sides(self) -> tuple[Side, Side]:
        raise NotImplementedError  # each kind has its own

    @property
    def title(self) -> str:
        return NOTHING  # tries of a contrast prompt have the name of a principle


class StrongWeak(ConstructConfig):
    """The answer of a strong model is chosen, that of a weak one rejected."""

    kind: Literal["strong_weak"]
    """Two models, as they are."""
    strong: Name
    """A name under `models`; its answers are chosen."""
    weak: Name
    """A name under `models`; its answers are rejected."""

    @model_validator(mode="after")
    def _two_models(self) -> Self:
        if self.strong == self.weak:
            raise ValueError(f"strong and weak are both {self.strong}; name two models")
        return self

    @property
    def sides(self) -> tuple[Side, Side]:
        return Side(self.strong), Side(self.weak)

    @property
    def title(self) -> str:
        return f"{self.strong} against {self.weak}"


class Contrast(ConstructConfig):
    """One model under a principle and under its opposite, where a check or a judge confirms the order (RLCD)."""

    kind: Literal["contrast"]
    """One model under a principle, and under its `opposite`."""
    model: Name
    """A name under `models`."""
    principles: tuple[str, ...] = ()
    """Ids of principles; each needs an `opposite`. By default all that have one."""
    judge: Name | None = None
    """A name under `models` that returns log-probabilities of given answers, for principles without a `check`; by
    default `model`. Its own P(chosen is better) is not calibrated and mostly near 1; it is used where it is below
    `p`."""

    @property
    def sides(self) -> tuple[Side, Side]:
        """Placeholders: the words are those of the principle that is drawn for a prompt."""
        return Side(self.model, "principle"), Side(self.model, "opposite")

    @property
    def confirming(self) -> str:
        """Return the name of the model that confirms pairs of principles without a check."""
        return self.judge or self.model

    def is_confirmed_by_writer(self, models: Mapping[str, ModelSpec]) -> bool:
        """That model wrote the answers too, under this name or another."""
        return models.get(self.confirming) == models.get(self.model)


Construction = Annotated[StrongWeak | Contrast, Field(discriminator="kind")]


class AnswersOfPair(NamedTuple):
    """The two answers of a constructed pair, and the principle of a contrast pair."""

    chosen: Candidate
    rejected: Candidate
    principle: DrawnPrinciple | None

    @property
    def comparison(self) -> Comparison:
        return Comparison.between(self.chosen, self.rejected)


def read_pair_answers(workspace: Workspace, constitutions: Sequence[Constitution]) -> dict[str, list[AnswersOfPair]]:
    """Return the answers of each constructed pair by prompt."""
    candidates = workspace.read(CONSTRUCTED_ANSWERS, Candidate)
    principles = {drawn.id: drawn for drawn in list_principles(constitutions)}
    answers: dict[str, list[AnswersOfPair]] = defaultdict(list)
    for row in workspace.rows(CONSTRUCTED, ConstructedPair):
        principle = principles.get(row.pair.decisive or "")
        pair = AnswersOfPair(candidates[row.chosen], candidates[row.rejected], principle)
        answers[row.pair.prompt_id].append(pair)
    return answers
