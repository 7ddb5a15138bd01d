"""The part of a run file that lets people label the comparisons by which policies are measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from amendment.data.sources import Part

__all__ = ["EvaluationPeople"]


class EvaluationPeople(Part):
    """People's look at a random sample of the evaluation's own comparisons, which corrects the judge's win rates."""

    items: int = Field(default=100, ge=1, le=100_000)
    """Comparisons that are drawn, of every two compared policies in proportion; all of them where there are no more.
    Where both policies gave the same answer it is a tie, and nobody is asked."""
    annotators: int = Field(default=1, ge=1, le=100)
    """People who label."""
    overlap: int = Field(default=0, ge=0, le=100_000)
    """Of the items, how many every annotator sees; all others are shared out."""
    repeats: float = Field(default=0.0, ge=0, le=1)
    """Share of the items that an annotator is shown once more, sides exchanged."""
    people: Literal["page", "simulated"] = "page"
    """page: people, by amendment label DIR --stage evaluate. simulated: those of the simulated world, who know no other
    prompts."""
