"""Gates: PASS, WARN or FAIL per judge and check, each by a rule that is printed with it. No gate edits anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from amendment.audit.against_people import FEWEST_SHARED, Agreement, Ceiling
from amendment.audit.alarm import FEWEST as FEWEST_COMPARED
from amendment.audit.alarm import MOST_RATERS, SELF, Alarms
from amendment.audit.apart import FEWEST as FEWEST_APART
from amendment.audit.bias import Bias
from amendment.audit.bias_gates import BIAS_RULES, bias_gates
from amendment.audit.constant import RULE as CONSTANT_RULE
from amendment.audit.constant import ConstantAnswer, constant_gate
from amendment.audit.length import Length
from amendment.audit.order import CONFOUNDED, FEWEST_PAIRS, LEAST_BALANCED, MOSTLY_TURNED, Order
from amendment.audit.rulings import CANNOT_TELL, FEWEST, UNREADABLE_RULE, Gate, Outcome, above, unreadable
from amendment.statistics import Estimate, bounds
from amendment.statistics.intervals import FEW

__all__ = ["BELOW_CEILING", "FEWEST", "LEAST_CONSISTENT", "RULES", "Gate", "Outcome", "at_chance", "gates"]

BELOW_CEILING = 0.05
LEAST_CONSISTENT = 0.8
"""Share of the same verdict in both orders from which the gate of order passes."""
MOST_LEANING, FAR_LEANING = 0.1, 0.175
"""Distance of the first shown's share from one half that costs consistencies of 0.80 and 0.65: a judge that goes by
the place in a share q of its verdicts prefers the first shown in (1 + q) / 2, and is consistent in 1 - q."""
MOST_UNREADABLE = 0.1
MOST_TIES, TIMES_PEOPLE = 0.2, 2
"""Share of a judge's verdicts, and multiple of people's share, up to which its ties raise no question."""
APART = "it shares no item with people: check the item keys, unless they saw different items"
UNVARIED = f"if all prompts give the same value, it decides with {FEW} prompts or more, and warns with fewer"

RULES = {
    "order": (
        "consistency over both displayed orders: from 0.80 PASS, from 0.65 WARN, below FAIL; PASS becomes WARN if "
        "one position wins both times far more often than the other (binomial p below 0.01 and index beyond 0.5 "
        f"either way); needs {FEWEST_PAIRS} items read in both orders. Asks to check the file's coordinates and "
        "orders if the whole interval of kappa between the orders lies below 0, as it does when displayed is read "
        f"as content or the reverse, and if one position wins both times in {100 * MOSTLY_TURNED:g} % of the items "
        "and the interval of consistency lies below 0.5. For a judge asked in one order: the share of the first "
        "shown, with equal weight for the two orders of each pair of systems: PASS if its interval contains 0.5 and "
        f"lies within {MOST_LEANING} of it, WARN if it lies on one side of 0.5, FAIL if all of it is further than "
        f"{FAR_LEANING} from 0.5, not measured if it is too wide; needs {FEWEST_PAIRS} items, and pairs of systems "
        f"of which each is shown first in {100 * LEAST_BALANCED:g} %"
    ),
    "invalid": f"share of verdicts that could not be read, limit {100 * MOST_UNREADABLE:g} %: {UNREADABLE_RULE}",
    "chance": (
        "kappa of the judge's label with the majority of people: PASS if the whole interval lies above 0, FAIL if "
        f"none of it does, WARN if the data cannot tell; {UNVARIED}; needs {FEWEST} items"
    ),
    "ceiling": (
        "agreement of the judge's label with single people minus agreement of two people, ties dropped: PASS if the "
        f"whole interval lies above -{BELOW_CEILING}, FAIL if all of it lies below, WARN if the data cannot tell; "
        f"{UNVARIED}; PASS becomes WARN if the interval of people's alpha does not lie above 0, because there is no "
        f"ceiling if people agree no better than chance; needs two people on {FEWEST_SHARED} items"
    ),
    "ties": (
        f"WARN if more than {100 * MOST_TIES:g} % of the judge's verdicts on items with people are ties, and more "
        f"than {TIMES_PEOPLE} times the share of single people on the same items, otherwise PASS; needs "
        f"{FEWEST} items"
    ),
    "rows": (
        "WARN if this judge and a person, or the majority of people, raise the alarm of wrongly joined labels, or "
        f"if it shares no item with any person although both have {FEWEST_APART} or more; the alarm needs "
        f"{FEWEST_COMPARED} items, and kappa from {SELF} between the judge's own orders if it has two; "
        f"of more than {MOST_RATERS} raters only those with most labels are compared"
    ),
    "constant": CONSTANT_RULE,
    **BIAS_RULES,
}
"""What each gate asks."""


def gates(
    judge: str,
    *,
    invalid: Estimate,
    order: Order,
    agreed: Agreement | None,
    one_call: Agreement | None,
    ceiling: Mapping[str, Ceiling],
    alpha: Estimate | None,
    alarms: Alarms,
    is_apart: bool,
    constant: tuple[ConstantAnswer, ...],
    bias: Bias,
    length: Length | None,
) -> list[Gate]:
    """All checks of one judge.

    `agreed` is its label beside the majority of people, `one_call` each of its calls, `alpha` that of people among
    themselves; `is_apart` says that the judge shares no item with them.
    """
    return [
        Gate(judge, "order", *_order(order)),
        Gate(judge, "invalid", *unreadable(invalid, MOST_UNREADABLE)),
        Gate(judge, "chance", *_chance(agreed)),
        Gate(judge, "ceiling", *_ceiling(ceiling.get("no_ties"), alpha)),
        Gate(judge, "ties", *_ties(one_call)),
        Gate(judge, "rows", *_rows(judge, order, alarms, is_apart=is_apart)),
        Gate(judge, "constant", *constant_gate(judge, constant)),
        *bias_gates(judge, bias, length),
    ]


def _order(order: Order) -> tuple[Outcome, str]:
    if order.pairs < FEWEST_PAIRS:
        return _of_one_order(order)
    consistent = order.consistency.value
    leans = order.p < 0.01 and abs(order.index.value) > 0.5  # nan where no position won both times: leans nowhere
    outcome: Outcome = "FAIL" if consistent < 0.65 else "WARN" if consistent < LEAST_CONSISTENT or leans else "PASS"
    return outcome, "; ".join(_of_order(order, leans=leans))


def _of_one_order(order: Order) -> tuple[Outcome, str]:
    """Of a judge that was not asked in both orders."""
    share = order.one_order
    known = bounds(share) if share else None
    if share is None and order.one_order_note != CONFOUNDED:
        return "not measured", f"{order.pairs} items read in both orders, {order.one_order_note}"
    if share is None or known is None:
        return "not measured", share.note if share else CONFOUNDED
    low, high = known
    found = f"one order per item: the first shown wins {100 * share.value:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    if low <= 0.5 <= high:
        is_near = low >= 0.5 - MOST_LEANING and high <= 0.5 + MOST_LEANING
        return ("PASS", found) if is_near else ("not measured", f"{found}: too wide to tell")
    is_far = low > 0.5 + FAR_LEANING or high < 0.5 - FAR_LEANING
    return "FAIL" if is_far else "WARN", f"{found}, not 50 %"


def _of_order(order: Order, *, leans: bool) -> Iterator[str]:
    consistent, index = order.consistency.value, order.index.value
    below = next((f", below {bound:.2f}" for bound in (0.65, LEAST_CONSISTENT) if consistent < bound), "")
    yield f"consistency {consistent:.3f}{below}"
    if leans:
        yield f"index {index:+.2f}, p {order.p:.2g}: it leans to the {'first' if index < 0 else 'second'} shown"
    if order.contradicts or order.mostly_turns:
        turned = f"{100 * order.turned:.0f} %"
        yield f"it changes sides in {turned}: check coordinates and orders first"


def _chance(agreed: Agreement | None) -> tuple[Outcome, str]:
    if agreed is None or agreed.items < FEWEST:
        return "not measured", _beside(agreed)
    return above(agreed.kappa, 0, ".2f")


def _beside(agreed: Agreement | None) -> str:
    return f"{agreed.items if agreed else 0} items with a person's vote"


def _ceiling(ceiling: Ceiling | None, alpha: Estimate | None) -> tuple[Outcome, str]:
    if ceiling is None:
        return "not measured", "too few items with two people"
    outcome, found = above(ceiling.difference, -BELOW_CEILING, "+.3f")
    doubt = at_chance(alpha)
    if not doubt or outcome == "not measured":
        return outcome, found
    return "WARN" if outcome == "PASS" else outcome, f"{found}; {doubt}"


def at_chance(alpha: Estimate | None) -> str:
    """What is doubtful about the agreement of people with each other; nothing where it is better than chance."""
    known = bounds(alpha) if alpha else None
    if known and known[0] > 0:
        return ""
    if alpha and known and alpha.value <= 0:
        return f"people agree no better than chance (alpha {alpha.value:.2f})"
    return f"whether people agree better than chance {CANNOT_TELL}"


def _ties(agreed: Agreement | None) -> tuple[Outcome, str]:
    if agreed is None or agreed.items < FEWEST:
        return "not measured", _beside(agreed)
    ties, people = agreed.ties.value, agreed.people_ties.value
    found = (
        f"{100 * ties:.1f} % of its {agreed.ties.n} verdicts on items with people are ties; of people's, "
        f"{100 * people:.1f} %"
    )
    return "WARN" if ties > max(MOST_TIES, TIMES_PEOPLE * people) else "PASS", found


def _rows(judge: str, order: Order, alarms: Alarms, *, is_apart: bool) -> tuple[Outcome, str]:
    if is_apart:
        return (
            "WARN",
            APART,
        )
    if order.kappa.value < SELF:
        return "not measured", f"its two orders hardly agree (kappa {order.kappa.value:.2f})"
    if judge not in alarms.with_people:
        return "not measured", f"needs {FEWEST_COMPARED} items shared with people"
    raised = [alarm.hint for alarm in alarms.found if alarm.is_with_people and judge in (alarm.a, alarm.b)]
    return ("WARN", raised[0]) if raised else ("PASS", "no alarm")
