"""What a gate says: one check of one judge, its outcome, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from amendment.statistics import Estimate, bounds
from amendment.statistics.intervals import NO_VARIATION

__all__ = ["CANNOT_TELL", "FEWEST", "UNREADABLE_RULE", "Gate", "Outcome", "above", "unreadable"]

CANNOT_TELL = "the data cannot tell"
FEWEST = 30
"""Items, or verdicts, from which a gate decides."""
OFTEN, FEWEST_UNREADABLE = 0.02, 5
"""Share of unreadable verdicts above which a judge does not pass; number of verdicts from which a majority decides."""
UNREADABLE_RULE = (
    f"FAIL if the whole interval lies above the limit, or if more than half of at least {FEWEST_UNREADABLE} verdicts "
    f"are unreadable; otherwise not measured with fewer than {FEWEST} verdicts, PASS up to {100 * OFTEN:g} %, WARN "
    "above"
)
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
        return "WARN", f"{found} in all of only {estimate.clusters} prompts: {CANNOT_TELL}"
    if known is None:
        return "not measured", estimate.note
    low, high = known
    found += f" ({low:{form}} to {high:{form}})" if estimate.note != NO_VARIATION else ""
    if low > bound:
        return "PASS", found
    return ("FAIL", f"{found}: not above {bound:g}") if high <= bound else ("WARN", f"{found}: {CANNOT_TELL}")


def unreadable(share: Estimate, limit: float) -> tuple[Outcome, str]:
    """By `UNREADABLE_RULE`, of the share of verdicts that could not be read."""
    known, found = bounds(share), f"{share.n} verdicts"
    if share.n:
        found = f"{100 * share.value:.1f} % of {found}"
    if share.n >= FEWEST_UNREADABLE and share.value > 0.5:
        return "FAIL", f"{found}, more than half"
    if known and known[0] > limit:
        return "FAIL", f"{found} ({100 * known[0]:.1f} to {100 * known[1]:.1f}), above {100 * limit:g} %"
    if share.n < FEWEST:
        return "not measured", found
    return ("WARN", f"{found}, above {100 * OFTEN:g} %") if share.value > OFTEN else ("PASS", found)
