"""The gate between a judge and training on its labels: what is asked of it, and what the spot check answers.

The judge's agreement with single people is compared with that of two people. Ties are dropped, the judge's and
people's, as in the certificate's rule `no_ties`; items weigh 1 / their inclusion probability, so that the figures
speak of all comparisons that are exported, and intervals are clustered by prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np

from amendment.audit.figures import between, stated
from amendment.audit.gates import CANNOT_TELL, UNREADABLE_RULE, Gate, GateOutcome, unreadable
from amendment.people.samples import LabelledItem
from amendment.statistics import Estimate, bounds
from amendment.statistics.beside import Beside, ItemSides, beside
from amendment.statistics.intervals import FEWEST_ITEMS, number_names
from amendment.statistics.sampling import weighted_mean
from amendment.statistics.sides import read_side

LABELS = "the judge's labels"
"""Whom the gates of people and orders speak of: what the judges together put on the exported pairs."""
ORDERS_OFTEN, ORDERS_MOST = 0.2, 0.5
"""Shares of the exported comparisons on which the two displayed orders may disagree: from the first a WARN, and a FAIL
beyond the second."""
UNREADABLE_MOST = 0.1
"""Share of a judge's verdicts."""

GATE_RULES = {
    "people": (
        "agreement of the judge's labels with single people minus agreement of two people, ties dropped, items weighed "
        "by their probability: PASS where the whole interval lies above the margin, FAIL where none of it does, "
        f"WARN where {CANNOT_TELL}; needs two people on {FEWEST_ITEMS} items. PASS becomes WARN where the interval of "
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


def people_gate(agreement: Estimate, beside: Beside, max_gap: float) -> Gate:
    """Check that people agree with the labels about as much as with each other."""
    interval = bounds(agreement) if agreement.n >= FEWEST_ITEMS else None
    shown = f"agreement {agreement.value:.3f} {between(interval, '.3f', 1)}" if interval else ""
    if interval and interval[1] < 0.5:
        return Gate(LABELS, "people", "FAIL", f"{shown}, below one half")
    if beside.gap.items >= FEWEST_ITEMS:
        gap = beside.gap.estimate(0.95)
        people = beside.people.estimate(0.95)
        found = stated(gap, "+.3f")
        if gap.high <= -max_gap:
            return Gate(LABELS, "people", "FAIL", f"{found}: not above {-max_gap:g}")
        if not gap.low > -max_gap:
            return Gate(LABELS, "people", "WARN", f"{found}: {CANNOT_TELL}")
        if people.low > 0.5:
            return Gate(LABELS, "people", "PASS", found)
        ceiling = f"people agree with each other in {people.value:.3f}, maybe no better than a coin"
        return Gate(LABELS, "people", "WARN", f"{found}; {ceiling}")
    few = f"no ceiling from {beside.gap.items} items with two people; "
    few += shown or f"{agreement.n} items with one"
    return Gate(LABELS, "people", "WARN" if interval else "not measured", few)


def orders_gate(disagree: Estimate) -> Gate:
    """Check that labels follow from the answers and not from their positions."""
    interval = bounds(disagree)
    if disagree.n < FEWEST_ITEMS or interval is None:
        return Gate(LABELS, "orders", "not measured", f"{disagree.n} items of the sample were judged in both orders")
    share = f"{100 * disagree.value:.1f} % {between(interval)}"
    if interval[0] > ORDERS_MOST:
        return Gate(LABELS, "orders", "FAIL", f"{share}, above {100 * ORDERS_MOST:g} %")
    if disagree.value > ORDERS_OFTEN:
        limits = f"above {100 * ORDERS_OFTEN:g} %; above {100 * ORDERS_MOST:g} % this gate stops a training"
        return Gate(LABELS, "orders", "WARN", f"{share}, {limits}")
    return Gate(LABELS, "orders", "PASS", share)


def unreadable_gate(judge: str, invalid: Estimate) -> Gate:
    """Check that a judge's replies can be read; `invalid` is the share of verdicts that cannot."""
    return Gate(judge, "unreadable", *unreadable(invalid, UNREADABLE_MOST))


def worst(outcomes: Sequence[GateOutcome]) -> GateOutcome:
    """Return the worst result: FAIL, then WARN, then not measured, then PASS; not measured if there is none."""
    ranked: tuple[GateOutcome, ...] = ("FAIL", "WARN", "not measured", "PASS")
    return next((outcome for outcome in ranked if outcome in outcomes), "not measured")


def agreement_with_people(items: Sequence[LabelledItem]) -> Estimate:
    """Return the share of people's decided verdicts that say what the judge says; each item counts once."""
    rows = [(item, people.count(judge) / len(people)) for item, judge, people in _decided(items)]
    return weighted_mean([share for _, share in rows], *_design([item for item, _ in rows]))


def judge_against_people(items: Sequence[LabelledItem]) -> Beside:
    """Compare the judge with people on the items with a decided judge and two decided people."""
    rows = list(_decided(items))
    chances, prompts = _design([item for item, *_ in rows])
    said = np.array([(judge, sum(people), len(people)) for _, judge, people in rows], np.float64)
    judge, total, count = said.reshape(-1, 3).T
    return beside(ItemSides(judge, total, count, count, 1 / np.array(chances), number_names(prompts)[0]))


def _decided(items: Sequence[LabelledItem]) -> Iterator[tuple[LabelledItem, int, list[int]]]:
    """Return the items on which the judge and at least one person decide, with their sides."""
    for item in items:
        judge = read_side(item.item.p_a)
        people = [side for side in map(read_side, item.votes) if side]
        if judge and people:
            yield item, judge, people


def among_people(votes: Iterable[float]) -> float | None:
    """Return the share of pairs of decided people who say the same, by their votes; None without a pair."""
    pairs = list(combinations([side for side in map(read_side, votes) if side], 2))
    return sum(x == y for x, y in pairs) / len(pairs) if pairs else None


def _design(items: Sequence[LabelledItem]) -> tuple[list[float], list[str]]:
    """Return inclusion probabilities, and prompts as clusters."""
    return [item.item.inclusion for item in items], [item.item.prompt_id for item in items]
