"""What follows from a judge's figures, in a few plain sentences by fixed rules.

Each says no more than its interval does: where that leaves a question open, so does the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from amendment.audit.against_people import Agreement, Ceiling
from amendment.audit.certificate import Certificate, Judge
from amendment.audit.gates import BELOW_CEILING, FEWEST, LEAST_CONSISTENT, Gate, at_chance
from amendment.audit.length import Length
from amendment.audit.order import CONFOUNDED, FEWEST_PAIRS, Order
from amendment.markdown import cell
from amendment.statistics import Estimate, bounds

__all__ = ["conclusions"]

MOST_JUDGES, MOST_SENTENCES = 10, 3


def conclusions(certificate: Certificate) -> Iterator[str]:
    """A line for each of the first judges."""
    for judge in certificate.judges[:MOST_JUDGES]:
        yield f"- {cell(judge.name)}: {' '.join(islice(_sentences(certificate, judge), MOST_SENTENCES))}"
    more = len(certificate.judges) - MOST_JUDGES
    if more > 0:
        yield f"- {more} more {'judge is' if more == 1 else 'judges are'} in the tables only."


def _sentences(certificate: Certificate, judge: Judge) -> Iterator[str]:
    """The most important first."""
    gates = {gate.check: gate for gate in certificate.gates if gate.judge == judge.name}
    yield from _unread(gates["invalid"], "FAIL")
    if gates["constant"].outcome == "FAIL":
        yield f"It prefers one repeated answer: {gates['constant'].found}."
    if gates["rows"].outcome == "WARN":
        yield f"Check the join first: {gates['rows'].found}."
    if judge.order.contradicts:
        yield _misread(judge.order)
        return
    yield from _order(judge.order)
    yield from _beside_people(judge.label, judge.ceiling.get("no_ties"), _doubt(certificate))
    if gates["ties"].outcome == "WARN":
        yield f"It often calls a tie: {gates['ties'].found}."
    yield from _longer(judge.length)
    yield from _unread(gates["invalid"], "WARN")


def _misread(order: Order) -> str:
    return (
        f"Its orders may be read the wrong way round: in {_percent(order.turned)} of comparisons it changes sides "
        f"when the answers change places, and its two orders contradict each other (kappa {order.kappa.value:.2f}). "
        "Check coordinates and orders of its file before you believe any figure here."
    )


def _order(order: Order) -> Iterator[str]:
    if not order.prefers_first.n:
        yield "No displayed order is on record: a judge of single answers has none, a judge of pairs should record it."
        return
    share = order.one_order
    known = bounds(share) if share else None
    if order.pairs < FEWEST_PAIRS and share and known:
        side = "first" if known[0] > 0.5 else "second" if known[1] < 0.5 else ""
        told = f"{_percent(share.value if side != 'second' else 1 - share.value)} of the items"
        if side:
            yield f"Ask it in both orders: asked in one order per item, it picks the answer shown {side} in {told}."
        else:
            yield f"Asked in one order per item, it shows no position bias: the first shown wins in {told}."
        return
    if order.pairs < FEWEST_PAIRS and order.one_order_note == CONFOUNDED:
        yield f"Position bias is not measured: {CONFOUNDED}."
        return
    if order.pairs < FEWEST_PAIRS:
        yield f"Position bias is not known ({order.pairs} items read in both orders): ask it in both."
        return
    unless = ", if its orders are read correctly: check coordinates and orders first" if order.mostly_turns else ""
    rate, same = bounds(order.rate), bounds(order.consistency)
    leans = abs(order.index.value) > 0.5  # nan where neither position won both times: leans nowhere
    if rate and leans and rate[1] < 0:
        won = _percent(order.primacy / order.pairs)
        yield f"Ask it in both orders: in {won} of comparisons it picks whatever is shown first{unless}."
    elif rate and leans and rate[0] > 0:
        won = _percent(order.recency / order.pairs)
        yield f"Ask it in both orders: in {won} of comparisons it picks whatever is shown second{unless}."
    elif same and same[1] < LEAST_CONSISTENT:
        won = _percent(1 - order.consistency.value)
        yield f"Ask it in both orders: in {won} of comparisons its verdict changes with the order."
    elif same and same[0] >= LEAST_CONSISTENT:
        yield f"The displayed order changes little: it says the same in both in {_ranged(order.consistency)}."
    else:
        found = _ranged(order.consistency)
        yield f"These data do not show how much the displayed order sways it (the same in {found})."


def _doubt(certificate: Certificate) -> str:
    """What is doubtful about people as a measure, where two of them or more voted."""
    among = certificate.people.among if certificate.people else None
    return at_chance(among.alpha) if among else ""


def _beside_people(agreed: Agreement | None, ceiling: Ceiling | None, doubt: str) -> Iterator[str]:
    if agreed is None or agreed.items < FEWEST:
        found = f"it has {agreed.items if agreed else 0} of the {FEWEST} required items with a person's vote"
        yield f"Agreement with people is not measured: {found}."
        return
    kappa = bounds(agreed.kappa)
    told = f"kappa {agreed.kappa.value:.2f}"
    if kappa is None:
        yield "These data do not show whether it agrees with people better than chance."
    elif kappa[1] <= 0:
        yield f"It agrees with people no better than chance ({told}, {kappa[0]:.2f} to {kappa[1]:.2f})."
    elif kappa[0] <= 0:
        found = f"{told}, {kappa[0]:.2f} to {kappa[1]:.2f}"
        yield f"These data do not show whether it agrees with people better than chance ({found})."
    elif ceiling is not None and doubt:
        yield f"Whether it is worse than a person is open: {doubt}."
    elif ceiling is not None:
        yield _beside_a_person(ceiling.difference)
    else:
        yield f"When it and the majority of people both choose, they choose the same answer in {_chosen(agreed)}."


def _chosen(agreed: Agreement) -> str:
    """100 % (90 to 100); both choose in 35 of 200 items; the latter where ties were dropped."""
    found, of = agreed.by_rule["no_ties"], agreed.by_rule["strict"].n
    return _ranged(found) + (f"; both choose in {found.n} of {of} items" if found.n < of else "")


def _beside_a_person(difference: Estimate) -> str:
    known = bounds(difference)
    if known is None:
        return "These data do not show whether it is worse than a person."
    value, low, high = (100 * one for one in (difference.value, *known))
    if high < 0 or low > 0:
        word, (near, far) = "less" if high < 0 else "more", sorted((abs(low), abs(high)))
        points = f"{abs(value):.1f} points ({near:.1f} to {far:.1f})"
        return f"It agrees with a person {word} than another person does, by {points}."
    told = f"({value:+.1f} points, {low:+.1f} to {high:+.1f})"
    if low > -100 * BELOW_CEILING:
        return f"It agrees with a person about as well as another person does {told}."
    return f"These data do not show whether it is worse than a person {told}."


def _longer(length: Length | None) -> Iterator[str]:
    found = length.asymmetry if length else None
    known = bounds(found) if found else None
    if found is None or known is None or known[0] <= 0 <= known[1]:
        return
    side, value = ("longer", found.value) if found.value > 0 else ("shorter", -found.value)
    other = "shorter" if side == "longer" else "longer"
    low, high = sorted(100 * abs(bound) for bound in known)
    told = f"{100 * value:.1f} points ({low:.1f} to {high:.1f})"
    yield f"It errs towards the {side} answer more often than towards the {other}, by {told}."


def _unread(gate: Gate, outcome: str) -> Iterator[str]:
    if gate.outcome == outcome:
        yield f"Too many of its votes could not be read: {gate.found}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _ranged(share: Estimate) -> str:
    """98 % (94 to 100)."""
    known = bounds(share)
    return _percent(share.value) + (f" ({100 * known[0]:.0f} to {100 * known[1]:.0f})" if known else "")
