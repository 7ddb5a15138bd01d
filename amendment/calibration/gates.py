"""Gates: PASS, WARN or FAIL per judge and check, each by a rule that is printed with it. No gate edits anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from amendment.calibration.against_people import FEWEST_SHARED, Agreement, Ceiling
from amendment.calibration.alarm import Alarms
from amendment.calibration.order import Order
from amendment.statistics import Estimate
from amendment.statistics.intervals import NO_VARIATION

__all__ = ["RULES", "Gate", "Outcome", "gates"]

Outcome = Literal["PASS", "WARN", "FAIL", "not measured"]
FEWEST = 30
BELOW_CEILING = 0.05

RULES = {
    "order": (
        "consistency over both displayed orders: from 0.80 PASS, from 0.65 WARN, below FAIL; PASS becomes WARN where "
        "one position wins both times far more often than the other (binomial p below 0.01 and index beyond 0.5 "
        f"either way); needs {FEWEST} items read in both orders"
    ),
    "invalid": (
        f"share of votes that could not be read: up to 2 % PASS, up to 10 % WARN, above FAIL; needs {FEWEST} votes"
    ),
    "chance": (
        "kappa with the majority of people, one call: PASS where the whole interval lies above 0, FAIL where none of "
        f"it does, WARN where the data cannot tell; needs {FEWEST} items"
    ),
    "ceiling": (
        "agreement with single people minus agreement of two people, ties dropped: PASS where the whole interval lies "
        f"above -{BELOW_CEILING}, FAIL where all of it lies below, WARN where the data cannot tell; needs two people "
        f"on {FEWEST_SHARED} items"
    ),
    "rows": "WARN where this judge and a person, or the majority of people, raise the alarm of wrongly joined labels",
}
"""What each gate asks."""


@dataclass(frozen=True)
class Gate:
    """One check of one judge."""

    judge: str
    check: str
    """A key of `RULES`."""
    outcome: Outcome
    found: str
    """What was measured, or why it was not."""


def gates(
    judge: str,
    *,
    invalid: Estimate,
    order: Order,
    agreed: Agreement | None,
    ceiling: Mapping[str, Ceiling],
    alarms: Alarms,
) -> list[Gate]:
    """All checks of one judge."""
    return [
        Gate(judge, "order", *_order(order)),
        Gate(judge, "invalid", *_invalid(invalid)),
        Gate(judge, "chance", *_chance(agreed)),
        Gate(judge, "ceiling", *_ceiling(ceiling.get("no_ties"))),
        Gate(judge, "rows", *_rows(judge, alarms)),
    ]


def _order(order: Order) -> tuple[Outcome, str]:
    if order.pairs < FEWEST:
        return "not measured", f"{order.pairs} items read in both orders"
    consistent, index = order.consistency.value, order.index.value
    found = f"consistency {consistent:.3f}"
    leans = order.p < 0.01 and abs(index) > 0.5  # nan where no position ever won both times: leans nowhere
    if leans:
        found += f", index {index:+.2f}, p {order.p:.2g}"
    if consistent < 0.65:
        return "FAIL", found
    return ("WARN" if consistent < 0.8 or leans else "PASS"), found


def _invalid(invalid: Estimate) -> tuple[Outcome, str]:
    if invalid.n < FEWEST:
        return "not measured", f"{invalid.n} votes"
    outcome: Outcome = "PASS" if invalid.value <= 0.02 else "WARN" if invalid.value <= 0.1 else "FAIL"
    return outcome, f"{100 * invalid.value:.1f} % of {invalid.n} votes"


def _chance(agreed: Agreement | None) -> tuple[Outcome, str]:
    if agreed is None or agreed.items < FEWEST:
        return "not measured", f"{agreed.items if agreed else 0} items with a person's vote"
    return _above(agreed.kappa, 0, ".2f")


def _ceiling(ceiling: Ceiling | None) -> tuple[Outcome, str]:
    if ceiling is None:
        return "not measured", "too few items with two people"
    return _above(ceiling.difference, -BELOW_CEILING, "+.3f")


def _above(estimate: Estimate, bound: float, form: str) -> tuple[Outcome, str]:
    """PASS where the whole interval lies above the bound, FAIL where none of it does."""
    low, high, found = estimate.low, estimate.high, f"{estimate.value:{form}}"
    if estimate.note == NO_VARIATION:
        low = high = estimate.value
    elif math.isnan(low):
        return "not measured", estimate.note
    else:
        found += f" ({low:{form}} to {high:{form}})"
    return ("PASS" if low > bound else "FAIL" if high <= bound else "WARN"), found


def _rows(judge: str, alarms: Alarms) -> tuple[Outcome, str]:
    if judge not in alarms.with_people:
        return "not measured", "too few items beside people, or orders that do not agree with each other"
    raised = [alarm.hint for alarm in alarms.found if alarm.is_with_people and judge in (alarm.a, alarm.b)]
    return ("WARN", raised[0]) if raised else ("PASS", "no alarm")
