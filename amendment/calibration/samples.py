"""What a spot check is made of: comparisons drawn with known probability, and the questions that people see.

Two records on purpose. A `SampledItem` knows the judge's probability and is read by estimators; a `LabelQuestion` is
all that the page is given, and holds neither a verdict nor a model's name.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from amendment.records import Comparison, Messages, Record

__all__ = ["PLAIN_QUESTION", "AskedOf", "LabelQuestion", "PrincipleText", "Purpose", "SampledItem"]

PLAIN_QUESTION = "Which answer is better?"
"""What people are asked where nobody knows what the judge was asked."""
Purpose = Literal["estimate", "debug"]
"""estimate: drawn at random with a known probability. debug: the most uncertain ones, which estimators refuse."""


class AskedOf(NamedTuple):
    """What was asked about the same comparisons, in words."""

    judge: str
    people: str
    same: bool
    """Whether both were asked the same question by the same principle."""


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
    """The principle as the judge reads it."""


class LabelQuestion(Record):
    """One comparison as people see it: texts, and nothing that could sway them."""

    comparison_id: str
    prompt_id: str
    """Goes into the label; also a content hash."""
    question: str = PLAIN_QUESTION
    """As far as it can be, the question that the judge was asked."""
    prompt: Messages
    a_id: str
    b_id: str
    """Candidate ids, in canonical order; content hashes, which tell nothing of writer or verdict."""
    a: Messages
    b: Messages
    principles: tuple[PrincipleText, ...] = ()
    """By which people judge: those by which the judge was asked; none where these are not on record."""
    in_overlap: bool = False
    is_repeated: bool = False
