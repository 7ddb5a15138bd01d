"""How far a cascade's first judges got: what each tier was asked and kept, and how often people agreed with it.

A few numbers are kept of each comparison.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from amendment.preference import Escalation
from amendment.records import Candidate, Judgement, Prompt, Record
from amendment.statistics import share
from amendment.transcripts import transcript

__all__ = ["CascadeCount", "ForPeople"]

PEOPLE = -1
TIERS = ("first judges", "second judges")
HALF = 1e-9
"""A P this near to one half is on neither side."""


class ForPeople(Record):
    """A comparison of which no judge was sure, as it can be shown to people."""

    comparison_id: str
    prompt_id: str
    conversation: str
    """What was asked, turn by turn where there are several."""
    answer_1: str
    """Of candidate `a`."""
    answer_2: str
    """Of candidate `b`."""
    a: str
    b: str
    """Candidate ids in canonical order, which says nothing of who wrote them."""
    p_a: float | None = None
    """What the last judges make of it, which people should not see; absent where none could be read."""

    @classmethod
    def of(cls, prompt: Prompt, answers: Mapping[str, Candidate], judgement: Judgement) -> Self:
        """A comparison with its texts, from candidates by their ids."""
        return cls(
            comparison_id=judgement.comparison_id,
            prompt_id=prompt.id,
            conversation=transcript(prompt.messages, by="user"),
            answer_1=transcript(answers[judgement.a].messages, by="assistant"),
            answer_2=transcript(answers[judgement.b].messages, by="assistant"),
            a=judgement.a,
            b=judgement.b,
            p_a=judgement.p_a,
        )


class CascadeCount:
    """Comparisons by the tier that kept them."""

    def __init__(self) -> None:
        self._kept, self._tiers = array("b"), array("b")
        self._agreed, self._prompts = array("d"), array("q")
        self._codes: dict[str, int] = {}

    def add(self, escalation: Escalation, label: float | None) -> None:
        """Count a comparison; `label` is people's P(a), where they have decided it."""
        self._kept.append(PEOPLE if escalation.is_for_people else escalation.tier)
        self._tiers.append(len(escalation.judgements))
        self._agreed.append(_agreement(escalation.judgement.p_a, label))
        self._prompts.append(self._codes.setdefault(escalation.judgement.prompt_id, len(self._codes)))

    def counts(self) -> dict[str, int]:
        """For the summary."""
        return {"asked second judges": sum(tiers > 1 for tiers in self._tiers), "for people": self._kept.count(PEOPLE)}

    def to_json(self) -> dict[str, Any]:
        """Asked and kept by tier, with the share of all comparisons and people's agreement where there is any."""
        kept, tiers = np.asarray(self._kept), np.asarray(self._tiers)
        found: dict[str, Any] = {}
        for number, name in enumerate(TIERS):
            asked = int((tiers > number).sum())
            found[name] = {"asked": asked, **self._of(kept == number, with_people=True)}
        return {**found, "people": self._of(kept == PEOPLE, with_people=False)}

    def _of(self, is_kept: np.ndarray[Any, np.dtype[np.bool_]], *, with_people: bool) -> dict[str, Any]:
        prompts, agreed = np.asarray(self._prompts), np.asarray(self._agreed)
        found: dict[str, Any] = {
            "kept": int(is_kept.sum()),
            "share": share(is_kept.astype(np.float64), prompts.tolist()).to_json(),
        }
        known = is_kept & ~np.isnan(agreed)
        if with_people and known.any():
            found["people agree"] = share(agreed[known], prompts[known].tolist()).to_json()
        return found


def _agreement(p_a: float | None, label: float | None) -> float:
    """1 on the same side, 0 on the other, half on neither; nan where people have not decided."""
    if p_a is None or label is None or abs(label - 0.5) < HALF:
        return math.nan
    if abs(p_a - 0.5) < HALF:
        return 0.5
    return float((p_a > 0.5) == (label > 0.5))
