"""The part of a run file that puts a judge's own questions to it once more, edited so that nothing should change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from amendment.audit.probes_asking import PROBES, RATIONALE
from amendment.data.sources import OneOrMore, Part

__all__ = ["ProbesStage"]

ProbeName = Literal[
    "all",
    "verbosity",
    "restatement",
    "authority",
    "format",
    "distraction",
    "noise",
    "typo",
    "paraphrase",
    "injection",
    "bandwagon",
    "sycophancy",
    "revision",
    "rationale",
    "constant",
    "master-keys",
    "injections",
    "tokens",
    "empty",
    "truncated",
]
OTHER_WAY = {
    "verdict": "reasoned",
    "reasoned": "verdict",
    "label-tokens": "reasoned-tokens",
    "reasoned-tokens": "label-tokens",
}
"""Of a shipped judge the one that asks the same with reasons, or without."""


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
    """Names of probes, each once, or all. An edit asks four questions a comparison and judge, an attack two."""
    judges: Annotated[tuple[str, ...], OneOrMore] = ()
    """Models whose judges are probed, of judging.judges and of its cascade; all of them where none is named."""
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
        return PROBES if "all" in self.which else tuple(name for name in PROBES if name in self.which)

    def takes(self, model: str) -> bool:
        """Whether the judges that ask this model are probed."""
        return not self.judges or model in self.judges

    def other_way(self, protocol: str) -> str | None:
        """The judge that is asked beside a shipped one, with reasons where that gives none, or without."""
        return OTHER_WAY.get(protocol) if RATIONALE in self.names else None
