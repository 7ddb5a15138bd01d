"""The part of a run file that says who judges, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from amendment.data.sources import Name
from amendment.preference.judge import JudgeSettings
from amendment.preference.pairs import PairSettings
from amendment.preference.panel import JuryKind
from amendment.records import Part

REPORT = "judging/report.json"


class JudgeEntry(Part):
    """A judge: a model and a folder of texts."""

    model: Name
    """A name under `models`."""
    protocol: str = "verdict"
    """A shipped judge's id, or your own folder. Under `violations` it is violation by default, and under `over_refusal`
    refusal; either is of protocol yes-no."""
    samples: int = Field(default=1, ge=1, le=64)
    """Samples of each question; without token probabilities, P is the share of verdicts."""


class JudgingConfig(JudgeSettings, PairSettings):
    """Compare the candidates of each prompt."""

    judges: tuple[JudgeEntry, ...] = Field(min_length=1)
    """One judge, or a jury of several."""
    jury: JuryKind = "mean"
    """How several judges are combined. mean: of their P, with equal weights; majority: one vote each, an even split
    is a tie; weighted: by weights learned from the comparisons that people have decided, which takes judge_labelled:
    true and 30 of them."""
    ranking: Literal["all_pairs", "adaptive"] = "all_pairs"
    """Which candidates of a prompt are compared. all_pairs: every two of k; adaptive: each chosen by the results so
    far, until the best is known, at most two per candidate, and one more of the best with the worst."""
    cascade: tuple[JudgeEntry, ...] = ()
    """Judges who are asked about the comparisons on which `judges` are unsure, by their majority if jury is majority,
    else by their mean. Their label counts, even if they are unsure too."""
    confidence: float = Field(default=0.8, gt=0, le=1)
    """The confidence at which `cascade` stops: |2P - 1|, such as 0.8 for P of 0.9 and more, or of 0.1 and less."""
    judge_labelled: bool | Annotated[int, Field(ge=1)] = False
    """Ask about comparisons that your own verdicts or pairs, or the stage construct, have decided too, so that the
    certificate can measure the judge on them; the dataset keeps their decision. A number: only for that many prompts
    from the start."""

    @property
    def placed(self) -> Iterator[tuple[tuple[str | int, ...], JudgeEntry]]:
        """Yield every judge with its place in this part, the second ones too."""
        for place, entries in ((("judges",), self.judges), (("cascade",), self.cascade)):
            for index, entry in enumerate(entries):
                yield (*place, index), entry

    @property
    def every_judge(self) -> tuple[JudgeEntry, ...]:
        """Return those that are asked first, and those that are asked where the first are unsure."""
        return (*self.judges, *self.cascade)
