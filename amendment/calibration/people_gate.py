"""The gate between a judge and training on its labels: what is asked of it, and what the spot check answers.

The judge's agreement with single people is compared with that of two people. Ties are dropped, the judge's and
people's, as in the certificate's rule `no_ties`; items weigh 1 / their inclusion probability, so that the figures
speak of all comparisons that are exported, and intervals are clustered by prompt.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import NamedTuple

from amendment.audit.figures import between
from amendment.audit.gates import CANNOT_TELL, UNREADABLE_RULE, Gate, GateOutcome, above, unreadable
from amendment.calibration.samples import LabelledItem
from amendment.statistics import Estimate, bounds
from amendment.statistics.intervals import FEWEST_ITEMS
from amendment.statistics.sampling import weighted_difference, weighted_mean
from amendment.statistics.sides import side_of

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


def people_gate(agreement: Estimate, beside: JudgeAgainstPeople, max_gap: float) -> Gate:
    """Check that people agree with the labels about as much as with each other."""
    interval = bounds(agreement) if agreement.n >= FEWEST_ITEMS else None
    shown = f"agreement {agreement.value:.3f} {between(interval, '.3f', 1)}" if interval else ""
    if interval and interval[1] < 0.5:
        return Gate(LABELS, "people", "FAIL", f"{shown}, below one half")
    if beside.items >= FEWEST_ITEMS:
        outcome, gap = above(beside.difference, -max_gap, "+.3f")
        among = bounds(beside.people)
        if outcome == "PASS" and not (among and among[0] > 0.5):
            ceiling = f"people agree with each other in {beside.people.value:.3f}, maybe no better than a coin"
            return Gate(LABELS, "people", "WARN", f"{gap}; {ceiling}")
        return Gate(LABELS, "people", outcome, gap)
    if interval is None:
        few = f"{beside.items} items with two people, {agreement.n} with one"
        return Gate(LABELS, "people", "not measured", few)
    return Gate(LABELS, "people", "WARN", f"no ceiling from {beside.items} items with two people; {shown}")


def orders_gate(disagree: Estimate) -> Gate:
    """Check that labels follow from the answers and not from their positions."""
    interval = bounds(disagree)
    if disagree.n < FEWEST_ITEMS or interval is None:
        return Gate(LABELS, "orders", "not measured", f"{disagree.n} items of the sample were judged in both orders")
    share = f"{100 * disagree.value:.1f} % {between(interval)}"
    if interval[0] > ORDERS_MOST:
        return Gate(LABELS, "orders", "FAIL", f"{share}, above {100 * ORDERS_MOST:g} %")
    return Gate(LABELS, "orders", "WARN" if disagree.value > ORDERS_OFTEN else "PASS", share)


def unreadable_gate(judge: str, invalid: Estimate) -> Gate:
    """Check that a judge's replies can be read; `invalid` is the share of verdicts that cannot."""
    return Gate(judge, "unreadable", *unreadable(invalid, UNREADABLE_MOST))


def worst(outcomes: Sequence[GateOutcome]) -> GateOutcome:
    """FAIL before WARN before not measured before PASS; of nothing: not measured."""
    ranked: tuple[GateOutcome, ...] = ("FAIL", "WARN", "not measured", "PASS")
    return next((outcome for outcome in ranked if outcome in outcomes), "not measured")


class JudgeAgainstPeople(NamedTuple):
    """A judge's agreement with single people and the agreement of two people, on the same items."""

    items: int
    """Items with a decided judge and two decided people."""
    judge: float
    people: Estimate
    """How often two people agree with each other."""
    difference: Estimate
    """judge - people: above 0 the judge agrees with a person more than another person does."""


def agreement_with_people(items: Sequence[LabelledItem]) -> Estimate:
    """The share of people's decided verdicts that say what the judge says; each item counts once."""
    shares = [(item, share) for item in items if (share := _with_judge(item)) is not None]
    return weighted_mean([share for _, share in shares], *_design([item for item, _ in shares]))


def judge_against_people(items: Sequence[LabelledItem]) -> JudgeAgainstPeople:
    """The judge's agreement and people's own, on the items for which both can be computed."""
    both = [(item, _with_judge(item), among_people(item.votes)) for item in items]
    rows = [(item, judge, people) for item, judge, people in both if judge is not None and people is not None]
    judge, people = [row[1] for row in rows], [row[2] for row in rows]
    chances, prompts = _design([row[0] for row in rows])
    return JudgeAgainstPeople(
        items=len(rows),
        judge=weighted_mean(judge, chances, prompts).value,
        people=weighted_mean(people, chances, prompts),
        difference=weighted_difference(judge, people, chances, prompts),
    )


def _with_judge(item: LabelledItem) -> float | None:
    """The share of decided people who say what the judge says; None where nobody is decided, or not the judge."""
    judge, people = side_of(item.item.p_a), [side for side in map(side_of, item.votes) if side]
    return sum(side == judge for side in people) / len(people) if judge and people else None


def among_people(votes: Iterable[float]) -> float | None:
    """The share of pairs of decided people who say the same, by their votes; None where there is no pair."""
    pairs = list(combinations([side for side in map(side_of, votes) if side], 2))
    return sum(x == y for x, y in pairs) / len(pairs) if pairs else None


def _design(items: Sequence[LabelledItem]) -> tuple[list[float], list[str]]:
    """Inclusion probabilities, and prompts as clusters."""
    return [item.item.inclusion for item in items], [item.item.prompt_id for item in items]
