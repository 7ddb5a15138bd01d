"""What a gate says: one check of one judge, its outcome, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amendment.statistics import Estimate, bounds
from amendment.statistics.intervals import NO_VARIATION

__all__ = ["CANNOT_TELL", "Gate", "Outcome", "above"]

CANNOT_TELL = "the data cannot tell"
Outcome = Literal["PASS", "WARN", "FAIL", "not measured"]


@dataclass(frozen=True)
class Gate:
    """One check of one judge."""

    judge: str
    check: str
    """A name whose rule is printed with the certificate."""
    outcome: Outcome
    found: str
    """What was measured, or why it was not."""


def above(estimate: Estimate, bound: float, form: str) -> tuple[Outcome, str]:
    """PASS where the whole interval lies above the bound, FAIL where none of it does."""
    known, found = bounds(estimate), f"{estimate.value:{form}}"
    if known is None and estimate.note == NO_VARIATION:
        return "WARN", f"{found} in each of only {estimate.clusters} prompts: {CANNOT_TELL}"
    if known is None:
        return "not measured", estimate.note
    low, high = known
    found += f" ({low:{form}} to {high:{form}})" if estimate.note != NO_VARIATION else ""
    if low > bound:
        return "PASS", found
    return ("FAIL", f"{found}: not above {bound:g}") if high <= bound else ("WARN", f"{found}: {CANNOT_TELL}")
