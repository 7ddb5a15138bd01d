"""What a run file says of the people who check the run's judges."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from amendment.calibration.samples import Purpose
from amendment.data.sources import Part
from amendment.statistics.calibrators import Method


class CalibrationSettings(Part):
    """How the judge's probabilities are brought into line with what people say."""

    method: Method | Literal["none"] = "temperature"
    """temperature: one factor on the log-odds, from about 50 labels; platt: a factor and an offset; isotonic: any
    rising curve, from about 500 labels; none: probabilities stay as they are."""


class GateSettings(Part):
    """What a judge has to reach before anything is trained on its pairs."""

    max_gap_to_human: float = Field(default=0.05, ge=0, le=0.5)
    """How far the judge's agreement with people may lie below that of two people: 0.05 are five points. The gate fails
    where the whole interval is below that."""
    on_fail: Literal["stop", "go_on"] = "stop"
    """stop: no training stage begins (exit code 5); go_on: training begins, and certificate and card say that the gate
    failed."""


class SpotCheckSettings(Part):
    """People's look at a sample of the judged comparisons."""

    items: int = Field(default=200, ge=1, le=100_000)
    """Comparisons of the dataset, of both splits, that people are asked about; all of them where there are no more."""
    overlap: int = Field(default=50, ge=0, le=100_000)
    """Of these, how many every annotator sees: how far people agree is measured on them. All others are shared out.
    By default all items where there are fewer, and none for one annotator."""
    annotators: int = Field(default=2, ge=1, le=100)
    """People who label."""
    repeats: float = Field(default=0.1, ge=0, le=1)
    """Share of the items that an annotator is shown once more, sides exchanged."""
    sealed: float = Field(default=0.5, ge=0, le=1)
    """Share of the prompts whose labels certify alone: calibration and everything else that learns never sees them."""
    purpose: Purpose = "estimate"
    """estimate: a random sample, from which figures follow. debug: the comparisons that the judge is least sure of, to
    find errors; no figure is estimated from them."""
    people: Literal["page", "simulated"] = "page"
    """page: people, by amendment label. simulated: those of the simulated world, who know no other prompts."""
    decide: bool = True
    """Labels that are not sealed decide their comparisons in the dataset."""
    calibration: CalibrationSettings = CalibrationSettings()
    """Of the judge's probabilities."""
    gate: GateSettings = GateSettings()
    """Between judge and training."""

    @model_validator(mode="after")
    def _default_overlap(self) -> Self:
        """Of a small sample all of it; of one annotator none, who agrees with nobody."""
        if "overlap" not in self.model_fields_set:
            shared = 0 if self.annotators == 1 else min(self.overlap, self.items)
            object.__setattr__(self, "overlap", shared)  # the part is frozen from here on
        return self

    @property
    def why_uncalibrated(self) -> str:
        """Why nothing can be calibrated or estimated by its labels, and what to write; empty where something can."""
        if self.purpose == "debug":
            return "a debug sample calibrates and estimates nothing; write purpose: estimate"
        return "its calibration.method is none; name a method" if self.calibration.method == "none" else ""
