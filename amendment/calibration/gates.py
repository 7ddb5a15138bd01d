"""Gates: PASS, WARN or FAIL per judge and check, each by a rule that is printed with it. No gate edits anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from amendment.calibration.against_people import FEWEST_SHARED, Agreement, Ceiling
from amendment.calibration.alarm import FEWEST as FEWEST_COMPARED
from amendment.calibration.alarm import MOST_RATERS, SELF, Alarms
from amendment.calibration.order import FEWEST_PAIRS, MOSTLY_TURNED, Order
from amendment.statistics import Estimate
from amendment.statistics.intervals import NO_VARIATION

__all__ = ["BELOW_CEILING", "FEWEST", "LEAST_CONSISTENT", "RULES", "Gate", "Outcome", "gates"]

Outcome = Literal["PASS", "WARN", "FAIL", "not measured"]
FEWEST = 30
BELOW_CEILING = 0.05
LEAST_CONSISTENT = 0.8
"""Share of the same verdict in both orders from which the gate of order passes."""
CANNOT_TELL = "the data cannot tell"

RULES = {
    "order": (
        "consistency over both displayed orders: from 0.80 PASS, from 0.65 WARN, below FAIL; PASS becomes WARN where "
        "one position wins both times far more often than the other (binomial p below 0.01 and index beyond 0.5 "
        f"either way); needs {FEWEST_PAIRS} items read in both orders. Asks whether the file's "
        "coordinates and orders are right where kappa between the orders lies below 0 with its whole interval, as it "
        "does where displayed is read as content or the reverse, and where one position wins both times in "
        f"{100 * MOSTLY_TURNED:g} % of the items and the interval of consistency lies below 0.5"
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
    "rows": (
        "WARN where this judge and a person, or the majority of people, raise the alarm of wrongly joined labels; "
        f"needs {FEWEST_COMPARED} items, and kappa from {SELF} between the judge's own orders where it has two; "
        f"of more than {MOST_RATERS} raters those with most labels are compared"
    ),
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
        Gate(judge, "rows", *_rows(judge, order, alarms)),
    ]


def _order(order: Order) -> tuple[Outcome, str]:
    if order.pairs < FEWEST_PAIRS:
        return "not measured", f"{order.pairs} items read in both orders"
    consistent = order.consistency.value
    leans = order.p < 0.01 and abs(order.index.value) > 0.5  # nan where no position won both times: leans nowhere
    outcome: Outcome = "FAIL" if consistent < 0.65 else "WARN" if consistent < LEAST_CONSISTENT or leans else "PASS"
    return outcome, "; ".join(_of_order(order, leans=leans))


def _of_order(order: Order, *, leans: bool) -> Iterator[str]:
    consistent, index = order.consistency.value, order.index.value
    below = next((f", below {bound:.2f}" for bound in (0.65, LEAST_CONSISTENT) if consistent < bound), "")
    yield f"consistency {consistent:.3f}{below}"
    if leans:
        yield f"index {index:+.2f}, p {order.p:.2g}: it leans to the {'first' if index < 0 else 'second'} shown"
    if order.contradicts or order.mostly_turns:
        turned = f"{100 * order.turned:.0f} %"
        yield f"it changes sides in {turned}: are the orders read rightly? look at coordinates and orders first"


def _invalid(invalid: Estimate) -> tuple[Outcome, str]:
    if invalid.n < FEWEST:
        return "not measured", f"{invalid.n} votes"
    found = f"{100 * invalid.value:.1f} % of {invalid.n} votes"
    if invalid.value <= 0.02:
        return "PASS", found
    return ("WARN", f"{found}, above 2 %") if invalid.value <= 0.1 else ("FAIL", f"{found}, above 10 %")


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
    if low > bound:
        return "PASS", found
    return ("FAIL", f"{found}: not above {bound:g}") if high <= bound else ("WARN", f"{found}: {CANNOT_TELL}")


def _rows(judge: str, order: Order, alarms: Alarms) -> tuple[Outcome, str]:
    if order.kappa.value < SELF:
        return "not measured", f"its two orders hardly agree (kappa {order.kappa.value:.2f})"
    if judge not in alarms.with_people:
        return "not measured", f"needs {FEWEST_COMPARED} items beside people"
    raised = [alarm.hint for alarm in alarms.found if alarm.is_with_people and judge in (alarm.a, alarm.b)]
    return ("WARN", raised[0]) if raised else ("PASS", "no alarm")
