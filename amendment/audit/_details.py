"""The sections of a certificate below its overview, each a table with a row per judge, person or slice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from amendment.audit._beside_people import beside_people_sections
from amendment.audit._biases import bias_sections
from amendment.audit._figures import NOTHING, measured_points, number, percent, points, ranged, signed
from amendment.audit.against_people import Agreement
from amendment.audit.certificate import Certificate, Judge
from amendment.audit.constant import ConstantAnswer
from amendment.audit.groups import MOST_LISTED, Between, Group
from amendment.audit.order import CONFOUNDED
from amendment.audit.slices import FEWEST, MOST, Slice
from amendment.markdown import cell, table
from amendment.statistics import Estimate
from amendment.terminal import plain

__all__ = ["details"]

Rows = Sequence[Sequence[str]]
MOST_ROWS = 400
"""Rows of one table; the JSON has all of them."""
MOST_ALARMS = 20
LONGEST_FOUND = 400
"""Characters of what a gate found: words of ours, which are never cut."""
RULES = {"strict": "strict", "no_ties": "no ties", "half": "half"}
TIES = {"strict": "a class", "no_ties": "left out", "half": "half"}
LEFT_OUT = "left out"


def details(certificate: Certificate) -> Iterator[str]:
    """All sections that have something to say."""
    for title, section in SECTIONS.items():
        lines = list(section(certificate))
        if lines:
            yield from (f"## {title}", "", *lines, "")


def _cut(rows: Rows, most: int = MOST_ROWS) -> Iterator[str]:
    """The table, cut to `most` rows below its head; nothing where there is only a head."""
    if len(rows) < 2:
        return
    yield from table(rows[: most + 1])
    more = len(rows) - 1 - most
    if more > 0:
        yield from ("", f"{more} more {'row stands' if more == 1 else 'rows stand'} in the JSON.")


def _gates(certificate: Certificate) -> Iterator[str]:
    for check in dict.fromkeys(gate.check for gate in certificate.gates):
        outcomes = Counter(gate.outcome for gate in certificate.gates if gate.check == check)
        told = (f"{many} {'judge' if many == 1 else 'judges'} {outcome}" for outcome, many in sorted(outcomes.items()))
        yield f"- {check}: {', '.join(told)}"
    is_short = len(certificate.judges) <= MOST_LISTED
    shown = [gate for gate in certificate.gates if is_short or gate.outcome in ("FAIL", "WARN")]
    if shown:
        rows = [(cell(one.judge), one.check, one.outcome, plain(one.found, longest=LONGEST_FOUND)) for one in shown]
        yield from ("", *_cut([("judge", "gate", "outcome", "found"), *rows]))


def _alarms(certificate: Certificate) -> Iterator[str]:
    alarms = certificate.alarms
    if not alarms.found:
        return
    yield f"{len(alarms.found)} of {alarms.compared} pairs of raters look as if labels were joined to the wrong rows."
    yield ""
    rows = [
        (cell(one.a), _name(one.b), str(one.items), ranged(one.kappa), f"{one.marginals_differ:.3f}", one.hint)
        for one in alarms.found
    ]
    yield from _cut([("rater", "beside", "items", "kappa", "shares differ by", "reading"), *rows], MOST_ALARMS)


def _name(rater: str | None) -> str:
    return "majority of people" if rater is None else cell(rater)


def _people(certificate: Certificate) -> Iterator[str]:
    people = certificate.people
    if people is None:
        yield "Nobody labelled these items: nothing here says whether a judge is right."
        return
    said = ", ".join(f"{name} {many}" for name, many in people.majority.items())
    yield f"- majority: {said}"
    longer = people.prefers_longer
    if longer.n:
        yield f"- majority prefers the longer answer: {percent(longer)}, n = {longer.n} items"
    if people.among is None:
        yield "- one person only: no agreement between people, no ceiling"
        return
    if people.leave_one_out:
        left = people.leave_one_out
        yield f"- a person says what the others mostly say: {percent(left)}, n = {left.n} items"
    yield from _group(people.among, "people")


def _group(group: Group, word: str) -> Iterator[str]:
    agreed = [f"{RULES[rule]} {percent(found)}, n = {found.n} items" for rule, found in group.agreement.items()]
    yield f"- two {word} on one item agree: {'; '.join(agreed)}"
    yield f"- alpha: {ranged(group.alpha)}, AC1: {ranged(group.ac1)}, n = {group.alpha.n} items"
    if not group.pairs:
        yield f"- {group.raters} {word}: with more than {MOST_LISTED} their pairs are not listed one by one"
        return
    rows = [_pair(two) for two in group.pairs]
    yield from ("", *_cut([("one", "other", "items", *RULES.values(), "kappa", "AC1"), *rows]))


def _pair(two: Between) -> Sequence[str]:
    shares = (percent(two.agreement[name]) for name in RULES)
    return cell(two.a), cell(two.b), str(two.items), *shares, ranged(two.kappa), ranged(two.ac1)


def _between_judges(certificate: Certificate) -> Iterator[str]:
    if certificate.between_judges:
        yield from _group(certificate.between_judges, "judges")


def _agreements(certificate: Certificate) -> Iterator[str]:
    """Every figure of agreement between judges and people, and what differs between them."""
    head = ("judge", "figure", "with", "verdicts", "ties", "unreadable", "n", "value", "two people", "gap, points")
    is_short = len(certificate.judges) <= MOST_LISTED
    rows = [row for judge in certificate.judges for row in _of_judge(judge, is_short=is_short)]
    yield from _cut([head, *rows])
    if rows and not is_short:
        yield from ("", "Of so many judges the JSON has the other figures.")
    if certificate.people:
        yield from _without_ceiling(certificate.judges, bool(rows))


def _of_judge(judge: Judge, *, is_short: bool) -> Iterator[Sequence[str]]:
    """The headline first; of many judges no more than it, its kappa and the gap."""
    name, ceiling = cell(judge.name), judge.ceiling
    if judge.label:
        yield from _against_majority(name, "label", judge.label, is_short=is_short)
    if is_short and judge.one_call and judge.counts_orders_apart:
        yield from _against_majority(name, "each call", judge.one_call, is_short=True)
    for rule, one in ceiling.items():
        if is_short or rule == "no_ties":
            beside = str(one.items), percent(one.judge), percent(one.people), points(one.difference)
            yield name, "share", "one person", "label", TIES[rule], LEFT_OUT, *beside
    if is_short and (others := judge.leave_one_out):
        beside = str(others.judge.n), percent(others.judge), percent(others.people), points(others.difference)
        yield name, "share", "all people but one", "label", TIES["strict"], LEFT_OUT, *beside


def _against_majority(name: str, counted: str, agreed: Agreement, *, is_short: bool) -> Iterator[Sequence[str]]:
    def row(figure: str, rule: str, unreadable: str, found: Estimate, form: Callable[[Estimate], str]) -> Sequence[str]:
        return name, figure, "majority", counted, TIES[rule], unreadable, str(found.n), form(found), NOTHING, NOTHING

    yield row("share", "no_ties", LEFT_OUT, agreed.by_rule["no_ties"], percent)
    yield row("kappa", "strict", LEFT_OUT, agreed.kappa, ranged)
    if is_short:
        yield row("AC1", "strict", LEFT_OUT, agreed.ac1, ranged)
        yield row("share", "strict", LEFT_OUT, agreed.by_rule["strict"], percent)
        yield row("share", "half", LEFT_OUT, agreed.by_rule["half"], percent)
        yield row("share", "no_ties", "wrong", agreed.invalid_wrong["no_ties"], percent)


def _without_ceiling(judges: Sequence[Judge], is_below: bool) -> Iterator[str]:
    reasons = defaultdict(list)
    for judge in judges:
        if not judge.ceiling:
            reasons[judge.ceiling_note].append(cell(judge.name))
    if reasons and is_below:
        yield ""
    for reason, names in reasons.items():
        yield f"- agreement with one person not measured for {_who(names)}: {reason}"


def _orders(certificate: Certificate) -> Iterator[str]:
    names = "judge, pairs, consistent, kappa, primacy, recency, soft, index, rate, p, prefers first, one order"
    rows = [_order(judge) for judge in certificate.judges if judge.order.prefers_first.n]
    yield from _cut([names.split(", "), *rows])
    unknown = [cell(judge.name) for judge in certificate.judges if not judge.order.prefers_first.n]
    if unknown:
        yield from ([""] if rows else [])
        yield f"- no decided vote with a known displayed order: {_who(unknown)}"
    confounded = [cell(judge.name) for judge in certificate.judges if judge.order.one_order_note == CONFOUNDED]
    if confounded:
        yield ""
        yield f"- one order of {_who(confounded)} not measured: {CONFOUNDED}"


def _order(judge: Judge) -> Sequence[str]:
    found = judge.order
    counts = str(found.primacy), str(found.recency), str(found.soft)
    same = str(found.pairs), percent(found.consistency), ranged(found.kappa)
    lean = signed(found.index), signed(found.rate), number(found.p, ".2g"), percent(found.prefers_first)
    return cell(judge.name), *same, *counts, *lean, percent(found.one_order)


def _who(judges: Sequence[str]) -> str:
    return ", ".join(judges) if len(judges) <= MOST_LISTED else f"{len(judges)} judges"


def _lengths(certificate: Certificate) -> Iterator[str]:
    rows = [
        (
            cell(judge.name),
            str(length.items),
            percent(length.judge),
            percent(length.people),
            measured_points(length.asymmetry),
            number(100 * length.annotator_error, ".1f", " %"),
        )
        for judge in certificate.judges
        if (length := judge.length)
    ]
    yield from _cut(
        [("judge", "items", "judge prefers longer", "people do", "asymmetry, points", "one person errs"), *rows]
    )
    if certificate.judges and not rows:
        yield "The lengths of the answers are not known, so nothing is said about length."


def _counts(certificate: Certificate) -> Iterator[str]:
    counts = certificate.counts
    if counts.repeated_votes:
        yield f"- votes beyond the first of their rater, item, order, principle and sample: {counts.repeated_votes}"
        yield f"- such groups of votes that contradict themselves: {counts.conflicting_votes}"
        yield ""
    people = [rater for rater in counts.raters if rater.kind == "person"]
    shown = [rater for rater in counts.raters if rater.kind != "person" or len(people) <= MOST_LISTED]
    if len(people) > MOST_LISTED:
        votes, seen = sum(rater.votes for rater in people), [rater.items for rater in people]
        yield f"- {len(people)} people, {votes} votes, {min(seen)} to {max(seen)} items each"
        yield ""
    head = ("rater", "kind", "votes", "items", "of all", "both orders", "with people", "invalid", "ties", "both bad")
    rows = [
        (
            cell(rater.name),
            rater.kind,
            str(rater.votes),
            str(rater.items),
            number(100 * rater.coverage, ".1f", " %"),
            str(rater.both_orders),
            str(rater.with_people),
            percent(rater.invalid),
            str(rater.ties),
            str(rater.both_bad),
        )
        for rater in shown
    ]
    yield from _cut([head, *rows])


def _slices(certificate: Certificate) -> Iterator[str]:
    head = ("by", "name", "judge", "items", "each call, no ties", "kappa", "consistent", "kappa of orders")
    yield from _cut([head, *(_slice(one) for one in certificate.slices)])
    if certificate.not_sliced:
        left = ", ".join(f"{by} {count}" for by, count in certificate.not_sliced.items())
        yield from ([""] if certificate.slices else [])
        yield f"- values without a slice (fewer than {FEWEST} items, or not among the {MOST} with most): {left}"


def _slice(one: Slice) -> Sequence[str]:
    items = f"{one.items} (small)" if one.is_small else str(one.items)
    agreement = percent(one.no_ties), ranged(one.kappa)
    orders = percent(one.consistency), ranged(one.order_kappa)
    return one.by, cell(one.name), cell(one.judge), items, *agreement, *orders


def _win_shares(certificate: Certificate) -> Iterator[str]:
    head = ("model", "by", "calls", "wins", "by people, same items", "difference, points")
    rows = [
        (
            cell(one.model),
            "people" if one.judge is None else cell(one.judge),
            str(one.share.n),
            percent(one.share),
            percent(one.people) if one.people else NOTHING,
            points(one.difference),
        )
        for one in certificate.win_shares
    ]
    yield from _cut([head, *rows])


def _constant(certificate: Certificate) -> Iterator[str]:
    head = ("system", "prompts", "same answer", "judge", "it wins", "by people, same items")
    rows = [
        (_writer(one), str(one.prompts), str(one.same), cell(wins.judge), percent(wins.share), percent(wins.people))
        for one in certificate.constant_answers
        for wins in one.wins
    ]
    yield from _cut([head, *rows])


def _writer(one: ConstantAnswer) -> str:
    return "not named" if one.model is None else cell(one.model)


SECTIONS: dict[str, Callable[[Certificate], Iterator[str]]] = {
    "Gates": _gates,
    "Alarms": _alarms,
    "People": _people,
    "Agreement of judges and people": _agreements,
    **beside_people_sections(_cut),
    "Displayed order": _orders,
    "Length": _lengths,
    **bias_sections(_cut),
    "Judges among themselves": _between_judges,
    "By principle, category and model": _slices,
    "Who wins": _win_shares,
    "Systems that repeat one answer": _constant,
    "Votes": _counts,
}
"""Titles and what stands under them."""
