"""The pool of candidates of one prompt: what may be compared, and what is set aside and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

from amendment.records import Candidate, text_of

__all__ = ["Pool", "pool_of"]


class Pool(NamedTuple):
    """Different, whole, non-empty answers of one prompt, in order of arrival."""

    candidates: tuple[Candidate, ...]
    set_aside: Counter[str]
    """How many were set aside, by reason: truncated, empty, repeated."""

    def pairs(self) -> list[tuple[Candidate, Candidate]]:
        """Every two candidates once."""
        return list(combinations(self.candidates, 2))


def pool_of(candidates: Iterable[Candidate]) -> Pool:
    """What of these candidates can be compared; identical words count once, the first writer keeps them."""
    kept: dict[str, Candidate] = {}
    aside: Counter[str] = Counter()
    for candidate in candidates:
        reason = _reason(candidate, kept)
        if reason:
            aside[reason] += 1
        else:
            kept[candidate.id] = candidate
    return Pool(tuple(kept.values()), aside)


def _reason(candidate: Candidate, kept: dict[str, Candidate]) -> str | None:
    if candidate.is_truncated:
        return "truncated"
    if not text_of(candidate.messages).strip() and not candidate.messages[-1].tool_calls:
        return "empty"
    return "repeated" if candidate.id in kept else None
