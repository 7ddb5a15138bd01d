"""What a spot check is made of: comparisons drawn with known probability, and the questions that people see.

Two records on purpose. A `SampledItem` knows the judge's probability and is read by estimators; a `LabelQuestion` is
all that the page is given, and holds neither a verdict nor a model's name.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from amendment.records import Comparison, Messages, Record

__all__ = ["LabelQuestion", "PrincipleText", "Purpose", "SampledItem"]

Purpose = Literal["estimate", "debug"]
"""estimate: drawn at random with a known probability. debug: the most uncertain ones, which estimators refuse."""


class SampledItem(Record):
    """One comparison of a spot check, as estimators see it."""

    prompt_id: str
    a: str
    b: str
    """Candidate ids in canonical order."""
    p_a: float = Field(ge=0, le=1)
    """P(a is better) by the judge, raw."""
    consistent: bool | None = None
    """Whether both displayed orders preferred the same answer."""
    stratum: str
    """By principle, confidence, consistency and length ratio, joined by ` / `."""
    purpose: Purpose = "estimate"
    inclusion: float | None = Field(default=None, gt=0, le=1)
    """The probability with which this item was drawn; absent where the purpose is debug."""
    in_overlap: bool = False
    """Every annotator sees it; of all others one annotator sees each."""
    is_repeated: bool = False
    """Shown once more to the same annotator, sides exchanged, without saying so."""
    is_sealed: bool = False
    """Its labels are for certification alone. All items of a prompt are on the same side."""

    @property
    def chance(self) -> float:
        """The inclusion, or 1 in a debug sample, whose items stand for themselves."""
        return 1.0 if self.inclusion is None else self.inclusion

    @property
    def comparison_id(self) -> str:
        return Comparison(self.prompt_id, self.a, self.b).id


class PrincipleText(Record):
    """A principle as people may read it."""

    id: str
    """`constitution/principle`."""
    statement: str


class LabelQuestion(Record):
    """One comparison as people see it: texts, and nothing that could sway them."""

    comparison_id: str
    prompt_id: str
    """Goes into the label; also a content hash."""
    prompt: Messages
    a_id: str
    b_id: str
    """Candidate ids, in canonical order; content hashes, which tell nothing of writer or verdict."""
    a: Messages
    b: Messages
    principles: tuple[PrincipleText, ...] = ()
    """Shown on demand."""
    in_overlap: bool = False
    is_repeated: bool = False
