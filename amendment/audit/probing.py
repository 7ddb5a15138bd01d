"""The probes of a run as its run file says them, and where their answers lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from amendment.audit.probes import PARAPHRASE, PROBES, ProbeAnswers
from amendment.data.sources import Name, OneOrMore
from amendment.data.store import Workspace
from amendment.records import Part

ANSWERS, PARAPHRASES, FIGURES = "probes/answers", "probes/paraphrases", "probes/figures.json"


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
    "typing",
    "paraphrase",
]


class ProbesConfig(Part):
    """Probes of the judges: edits that do not change an answer's content, and answers without content."""

    pairs: int = Field(default=150, ge=1, le=100_000)
    """Judged comparisons to probe, drawn by the run's seed, from different prompts if possible. The gate of an attack
    can pass from 149 prompts on; attacks use only comparisons that an answer won clearly."""
    which: Annotated[tuple[ProbeName, ...], OneOrMore] = Field(default=("all",), min_length=1)
    """Names of probes, or all. An edit asks four questions per comparison and judge, a null answer or a paraphrase
    asks two."""
    paraphraser: Name | None = None
    """The model under `models` that writes each probed prompt in other words; without one there is no `paraphrase`."""
    attack_by: Annotated[tuple[str, ...], OneOrMore] = ()
    """Principles, such as helpful-honest/answer-the-question, that an answer without content cannot keep. If any are
    named, attacks are made only against answers that won by one of them: by a principle about harm, silence may rightly
    win."""

    @property
    def names(self) -> tuple[str, ...]:
        """The probes that are asked, in the order of the reports."""
        named = (name for name in PROBES if "all" in self.which or name in self.which)
        return tuple(name for name in named if name != PARAPHRASE or self.paraphraser)


def probe_rows(workspace: Workspace) -> Iterable[ProbeAnswers]:
    """The answers of a run's judges to its probes; empty if it has none."""
    return workspace.rows(ANSWERS, ProbeAnswers) if workspace.path(ANSWERS).is_file() else ()
