"""What goes into an audit: who said what about which comparison, and what is known of the comparison."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

__all__ = ["KINDS", "VALUES", "Item", "Kind", "Value", "Vote"]

Kind = Literal["person", "model", "verifier"]
Value = Literal["A", "B", "tie", "both_bad", "invalid"]
KINDS: tuple[str, ...] = get_args(Kind)
VALUES: tuple[str, ...] = get_args(Value)


class Vote(NamedTuple):
    """One rater's verdict about one item, in content coordinates: "A" is the item's first answer whatever was shown
    first."""

    item: str
    """Names the comparison."""
    rater: str
    kind: Kind
    value: Value
    first: Literal["A", "B"] | None = None
    """Which answer was displayed first; None where that is not on record."""
    p_a: float | None = None
    """P(A is better), in content coordinates too, where the rater gives one."""
    principle: str | None = None
    sample: int = 0
    """The draw's number where one question was put several times."""


class Item(NamedTuple):
    """What is known of a comparison beside its verdicts."""

    prompt: str
    """What intervals are clustered by."""
    category: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    length_a: int | None = None
    """Characters of the first answer."""
    length_b: int | None = None
