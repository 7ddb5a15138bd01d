"""The pool of candidates of one prompt: what may be compared, and what is set aside and counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import combinations
from typing import NamedTuple

from amendment.preference.degenerate import is_empty, likeness
from amendment.records import Candidate

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
    """What of these candidates can be compared; identical words count once, the first writer keeps them.

    Words are identical whatever the white space between them: a judge is not paid for comparing such answers.
    """
    kept: dict[str, Candidate] = {}
    aside: Counter[str] = Counter()
    for candidate in candidates:
        key = likeness(candidate.messages)
        reason = _reason(candidate) or ("repeated" if key in kept else None)
        if reason:
            aside[reason] += 1
        else:
            kept[key] = candidate
    return Pool(tuple(kept.values()), aside)


def _reason(candidate: Candidate) -> str | None:
    if candidate.is_truncated:
        return "truncated"
    return "empty" if is_empty(candidate.messages) else None
