"""One acknowledged answer of one annotator, and the verdict that it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import Field

from amendment.audit.votes import LABEL_SOURCE
from amendment.records import Origin, Record, Verdict
from amendment.text import spelling

Choice = Literal["A", "B", "tie", "both_bad", "skip", "flag"]
"""In displayed coordinates: "A" is the answer shown first. skip and flag say nothing about the two answers."""
CHOICES: tuple[Choice, ...] = get_args(Choice)
SILENT: tuple[Choice, ...] = ("skip", "flag")
"""Those that say nothing about the two answers."""
LONGEST_NAME, LONGEST_COMMENT = 120, 10_000
"""Characters of an annotator's name, and of a comment."""
_SIMULATED = "simulatedperson"
"""How the names of simulated people begin, without case and spaces."""


class Label(Record):
    """An annotator's label, as it was acknowledged. History is kept; the last one of an annotator, item and showing
    counts."""

    uuid: str = Field(min_length=8, max_length=64)
    """Made by the sender; a second label with the same uuid is the first one again."""
    comparison_id: str
    prompt_id: str
    shown: tuple[str, str]
    """Candidate ids as displayed."""
    annotator: str = Field(min_length=1, max_length=LONGEST_NAME)
    showing: int = Field(default=0, ge=0, le=1)
    """1: the hidden repeat."""
    choice: Choice
    confidence: int | None = Field(default=None, ge=1, le=3)
    """1 unsure, 2 fairly sure, 3 sure."""
    principle_id: str | None = None
    """The principle that decided, where the annotator names one."""
    comment: str | None = Field(default=None, max_length=LONGEST_COMMENT)
    seconds: float | None = Field(default=None, ge=0)
    """Spent looking at it while the page was visible."""
    at: str
    """UTC, ISO 8601, by the server's clock. Kept in the store only: a stage's records have no clock."""

    @property
    def instant(self) -> datetime:
        """`at`, to be compared: files write it in several ways."""
        time = datetime.fromisoformat(self.at)
        return time if time.tzinfo else time.replace(tzinfo=UTC)


def is_kept_name(name: str) -> bool:
    """Whether a name is kept for simulated people, however it is written: nobody else takes it, because labels of
    both in one store are refused."""
    return spelling(name).startswith(_SIMULATED)


def verdict_of(label: Label) -> Verdict | None:
    """The label as a verdict; None where it says nothing about the two answers. `sample` is the showing.

    Comments stay behind: verdicts are published, and what people wrote beside their choice is not meant to be.
    """
    if label.choice in SILENT:
        return None
    return Verdict(
        scale="pair",
        prompt_id=label.prompt_id,
        shown=label.shown,
        value=label.choice,
        confidence=None if label.confidence is None else label.confidence / 3,
        principle_id=label.principle_id,
        rater=label.annotator,
        rater_kind="person",
        sample=label.showing,
        origin=Origin(source=LABEL_SOURCE),
    )
