"""The side of a probability: above or below one half it decides, at one half it is a tie."""

from __future__ import annotations

HALF = 1e-9
"""A probability, or a mean of some, this near to a border lies on it: rounding decides nothing."""
SAME = 12
"""Digits after the point by which two probabilities are one."""


def read_side(p: float, margin: float = 0.0) -> int:
    """Return 1 where P(a is better) says a, -1 where it says b, 0 for a tie: one half, or |2 p - 1| below `margin`."""
    lead = p - 0.5
    if abs(lead) <= HALF or 2 * abs(lead) < margin - HALF:
        return 0
    return 1 if lead > 0 else -1
