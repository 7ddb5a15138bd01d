"""The part of a run file that puts a judge's own questions to it once more, edited so that nothing should change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from amendment.audit.probes import PROBES
from amendment.data.sources import OneOrMore, Part

__all__ = ["ProbesStage"]

ProbeName = Literal[
    "all",
    "verbosity",
    "authority",
    "format",
    "injection",
    "bandwagon",
    "sycophancy",
    "revision",
    "null-answer",
]


def _no_twins(names: tuple[ProbeName, ...]) -> tuple[ProbeName, ...]:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise ValueError(f"{', '.join(twice)} stands here twice; name each probe once")
    return names


class ProbesStage(Part):
    """Probes of the judges: edits that leave an answer's content alone, and answers that answer nothing."""

    pairs: int = Field(default=150, ge=1, le=100_000)
    """Judged comparisons that are probed, drawn by the run's seed, of different prompts as far as there are. The gate
    of an attack can pass from 149 prompts on, and asks only where an answer won clearly (`clear`)."""
    which: Annotated[tuple[ProbeName, ...], OneOrMore, AfterValidator(_no_twins)] = Field(
        default=("all",), min_length=1
    )
    """Names of probes, each once, or all. An edit asks four questions a comparison and judge, a null answer
    two."""
    clear: float = Field(default=0.5, ge=0, le=1)
    """Least |2P - 1| by which an answer must have won for an attack to be put against it: where both answers break a
    principle, one that says nothing may rightly win."""
    attack_by: Annotated[tuple[str, ...], OneOrMore] = ()
    """Principles, such as helpful-honest/answer-the-question, of which an answer without content has nothing. Where any
    are named, attacks are put only against answers that won by one of them: by a principle about harm silence may
    rightly win."""

    @property
    def names(self) -> tuple[str, ...]:
        """The probes that are asked, in the order of the reports."""
        return tuple(name for name in PROBES if "all" in self.which or name in self.which)
