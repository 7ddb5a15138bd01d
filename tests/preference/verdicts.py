"""Verdicts of every scale about the answers A, B and C of one prompt."""

from __future__ import annotations

from typing import Any

from amendment.records import Comparison, Verdict

A, B, C = "s2:aaa", "s2:bbb", "s2:ccc"
AB = Comparison("p", A, B)


def verdict(shown: tuple[str, ...] = (A, B), p_first: float | None = None, **fields: Any) -> Verdict:
    """A verdict on a pair with a distribution, or one that could not be read."""
    if p_first is not None:
        value = "A" if p_first > 0.5 else "B" if p_first < 0.5 else "tie"
        fields = {"value": value, "distribution": {"A": p_first, "B": 1 - p_first}, **fields}
    elif "value" not in fields:
        fields = {"invalid": "no verdict line", **fields}
    return Verdict(**{"scale": "pair", "prompt_id": "p", "shown": shown, "rater": "judge", **fields})


def both(p_ab: float | None, p_ba: float | None, **fields: Any) -> list[Verdict]:
    """Either order; each number is P(the first shown is better)."""
    return [verdict((A, B), p_ab, **fields), verdict((B, A), p_ba, **fields)]


def says(p_a: float, principle: str, **fields: Any) -> list[Verdict]:
    """A principle without position bias, asked in both orders."""
    return both(p_a, 1 - p_a, principle_id=principle, **fields)


def score(candidate: str, value: Any, **fields: Any) -> Verdict:
    """A grade of one answer, or one that could not be read."""
    found = {"invalid": "no score line"} if value is None else {"value": value}
    return verdict((candidate,), **{"scale": "score", **found, **fields})
