"""What goes into an audit: who said what about which comparison, and what is known of the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from amendment.records import RaterKind, VoteValue

__all__ = ["KINDS", "VALUES", "Item", "Vote"]

KINDS: tuple[str, ...] = get_args(RaterKind)
VALUES: tuple[str, ...] = get_args(VoteValue)


class Vote(NamedTuple):
    """One rater's verdict about one item, in content coordinates: "A" is the item's first answer whatever was shown
    first."""

    item: str
    """Names the comparison."""
    rater: str
    kind: RaterKind
    value: VoteValue
    first: Literal["A", "B"] | None = None
    """Which answer was displayed first; None where that is not on record."""
    p_a: float | None = None
    """P(A is better), in content coordinates too, where the rater gives one."""
    principle: str | None = None
    sample: int = 0
    """The draw's number where one question was put several times."""
    argues: Literal["A", "B"] | None = None
    """Which answer the rater's own reasoning calls the better one, in content coordinates; None where there is no
    reasoning or it does not say."""
    confidence: float | None = None
    """How sure the rater says to be, from 0 to 1, where asked: of people 1/3, 2/3 or 1."""
    again: bool = False
    """Of a person who was shown the item once more, unannounced: the first time counts, and this says how consistent
    the person is."""


class Item(NamedTuple):
    """What is known of a comparison beside its verdicts."""

    prompt: str | None
    """What intervals are clustered by; an item without one is a cluster by itself."""
    category: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    length_a: int | None = None
    """Characters of the first answer."""
    length_b: int | None = None
    marks_a: Mapping[str, float] | None = None
    """How much of what the first answer carries, by name, such as what `marks_of` finds in its text; None where its
    text is not known."""
    marks_b: Mapping[str, float] | None = None
    answer_a: str | None = None
    """A name of what the first answer says, which equal answers share; None where its text is not known."""
    answer_b: str | None = None
