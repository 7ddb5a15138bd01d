"""`construct:` in a run file: pairs that are made by how their answers were drawn, and that no judge has seen.

Covered: two models of which one is known to be the stronger, and one model with two instructions. Not covered: whether
the construction is right; `p` says how often it is thought to be.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from amendment.data.sources import Name, Part

__all__ = ["Construction", "Instructions", "Side", "StrongWeak"]


class Side(NamedTuple):
    """How one of the two answers is drawn."""

    model: str
    instruction: str | None = None
    """A system text for this draw alone."""


class _Construction(Part):
    per_prompt: int = Field(default=1, ge=1, le=64)
    """Pairs of each prompt, each of two answers of its own."""
    p: float = Field(default=1.0, gt=0.5, le=1)
    """P(chosen is better) of these pairs, since construction errs too; trainers on soft labels aim at it."""


class StrongWeak(_Construction):
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
            raise ValueError(f"strong and weak are both {self.strong}; name two models, or take kind: instructions")
        return self

    @property
    def sides(self) -> tuple[Side, Side]:
        """Chosen and rejected."""
        return Side(self.strong), Side(self.weak)


class Instructions(_Construction):
    """One model with two instructions, of which one asks for the better answer (RLCD, Yang et al. 2023)."""

    kind: Literal["instructions"]
    """One model, told two things."""
    model: Name
    """A name under `models`."""
    better: str = Field(min_length=1)
    """Instruction for the chosen answer: a system text for this draw, which is no part of the pair's prompt."""
    worse: str = Field(min_length=1)
    """Instruction for the rejected answer."""

    @model_validator(mode="after")
    def _two_instructions(self) -> Self:
        if self.better.split() == self.worse.split():
            raise ValueError("better and worse say the same; the two answers would differ by chance alone")
        return self

    @property
    def sides(self) -> tuple[Side, Side]:
        """Chosen and rejected."""
        return Side(self.model, self.better), Side(self.model, self.worse)


Construction = Annotated[StrongWeak | Instructions, Field(discriminator="kind")]
