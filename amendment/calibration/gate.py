"""The gate between a judge and training on its labels: what is asked of it, and what the spot check answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amendment.audit.gates import CANNOT_TELL, FEWEST, UNREADABLE_RULE, Gate, Outcome, above, unreadable
from amendment.calibration.beside import Beside
from amendment.calibration.samples import Purpose
from amendment.statistics import Estimate, bounds

__all__ = ["FEWEST", "GATE_RULES", "GateLimits", "orders_gate", "people_gate", "unreadable_gate", "worst"]

LABELS = "the judge's labels"
"""Whom the gates of people and orders speak of: what the judges together put on the exported pairs."""
ORDERS_OFTEN = 0.2
"""From here a WARN."""
DEBUG = "a debug sample: its items were chosen for their doubt"

GATE_RULES = {
    "people": (
        "agreement of the judge's labels with single people minus agreement of two people, ties dropped, items weighed "
        "by their probability: PASS where the whole interval lies above the margin, FAIL where none of it does, "
        f"WARN where {CANNOT_TELL}; needs two people on {FEWEST} items. PASS becomes WARN where the interval of "
        "people's own agreement does not lie above one half, for beside people who agree no better than a coin there "
        "is no ceiling. FAIL in any case where the whole interval of agreement with people lies below one half. With "
        "one person there is no ceiling: then WARN otherwise"
    ),
    "orders": (
        "share of the exported comparisons on which the two displayed orders disagree, whose mean is then half chance: "
        f"FAIL where the whole interval lies above the limit, WARN where the share is above {ORDERS_OFTEN:g}"
    ),
    "unreadable": f"share of a judge's verdicts that could not be read: {UNREADABLE_RULE}",
}
"""What each gate asks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLimits:
    """Where gates fail."""

    below_ceiling: float = 0.05
    """How far the judge's agreement with people may lie below that of two people."""
    orders_disagree: float = 0.5
    """Share of the exported comparisons."""
    unreadable: float = 0.1
    """Share of a judge's verdicts."""


def people_gate(agreement: Estimate, beside: Beside, limits: GateLimits, purpose: Purpose = "estimate") -> Gate:
    """Whether people agree with the labels about as much as with each other."""
    if purpose == "debug":
        return Gate(LABELS, "people", "not measured", DEBUG)
    known = bounds(agreement) if agreement.n >= FEWEST else None
    if known and known[1] < 0.5:
        told = f"agreement {agreement.value:.3f} ({known[0]:.3f} to {known[1]:.3f}), below one half"
        return Gate(LABELS, "people", "FAIL", told)
    if beside.items >= FEWEST:
        return Gate(LABELS, "people", *_beside_ceiling(beside, limits))
    if known is None:
        found = f"{beside.items} items with two people, {agreement.n} with one"
        return Gate(LABELS, "people", "not measured", found)
    told = f"no ceiling from {beside.items} items with two people; agreement {agreement.value:.3f}"
    return Gate(LABELS, "people", "WARN", f"{told} ({known[0]:.3f} to {known[1]:.3f})")


def _beside_ceiling(beside: Beside, limits: GateLimits) -> tuple[Outcome, str]:
    outcome, found = above(beside.difference, -limits.below_ceiling, "+.3f")
    among = bounds(beside.people)
    if outcome == "PASS" and not (among and among[0] > 0.5):
        told = f"people agree with each other in {beside.people.value:.3f}, maybe no better than a coin"
        return "WARN", f"{found}; {told}"
    return outcome, found


def orders_gate(disagree: Estimate, limits: GateLimits, purpose: Purpose = "estimate") -> Gate:
    """Whether labels follow from answers or from their places."""
    if purpose == "debug":
        return Gate(LABELS, "orders", "not measured", DEBUG)
    known = bounds(disagree)
    if disagree.n < FEWEST or known is None:
        return Gate(LABELS, "orders", "not measured", f"{disagree.n} items of the sample were judged in both orders")
    found = f"{100 * disagree.value:.1f} % ({100 * known[0]:.1f} to {100 * known[1]:.1f})"
    if known[0] > limits.orders_disagree:
        return Gate(LABELS, "orders", "FAIL", f"{found}, above {100 * limits.orders_disagree:g} %")
    return Gate(LABELS, "orders", "WARN" if disagree.value > ORDERS_OFTEN else "PASS", found)


def unreadable_gate(judge: str, invalid: Estimate, limits: GateLimits) -> Gate:
    """Whether a judge answers in the terms it was asked in; `invalid` is the share of verdicts that do not."""
    return Gate(judge, "unreadable", *unreadable(invalid, limits.unreadable))


def worst(outcomes: Sequence[Outcome]) -> Outcome:
    """FAIL before WARN before not measured before PASS; of nothing: not measured."""
    ranked: tuple[Outcome, ...] = ("FAIL", "WARN", "not measured", "PASS")
    return next((one for one in ranked if one in outcomes), "not measured")
