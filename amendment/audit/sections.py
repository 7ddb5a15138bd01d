"""The long tables of a certificate as data: for certificate.json, from which the report draws them.

Every figure is a text with its interval; names are as the files have them, so whoever shows them escapes them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from amendment.audit.agreement import MOST_LISTED, Agreement, RaterGroup
from amendment.audit.bias import LENGTH
from amendment.audit.certificate import Certificate
from amendment.audit.figures import (
    NOTHING,
    Section,
    alone,
    measured_points,
    number,
    percent,
    points,
    ranged,
    short,
    signed,
)
from amendment.audit.gates import JudgeReport
from amendment.audit.position import CONFOUNDED
from amendment.audit.probes import RULES as PROBE_RULES
from amendment.audit.probes import EditFigures, Probed
from amendment.audit.slices import MOST
from amendment.audit.systems import MOST as MOST_SYSTEMS
from amendment.records import LABELLERS
from amendment.statistics import Estimate, by_length
from amendment.statistics.alternative_annotators import EPSILONS
from amendment.statistics.intervals import FEWEST, FEWEST_ITEMS
from amendment.statistics.length_control import FEWEST_SYSTEMS

Row = Sequence[str | int | Estimate | None]
"""Cells of a table: texts as they are shown, counts, and shares or their absence."""
Part = str | tuple[tuple[str, ...], ...]
"""A note, or a table with its head in the first row."""
MOST_ROWS, MOST_ALARMS = 400, 20
"""Rows of one table, and of the table of alarms; the figures have more."""
RULES = {"strict": "strict", "no_ties": "no ties", "half": "half"}
TIES = {"strict": "a class", "no_ties": "left out", "half": "half"}


def sections(certificate: Certificate) -> Iterator[Section]:
    """Yield all sections that have something to say."""
    for title, section in SECTIONS.items():
        parts = list(section(certificate))
        tables = [part for part in parts if not isinstance(part, str)]
        if parts:
            head, *rows = tables[0] if tables else ((),)
            yield Section(title, tuple(part for part in parts if isinstance(part, str)), head, tuple(rows))


def _table(head: str, rows: Iterable[Row], most: int = MOST_ROWS) -> Iterator[Part]:
    """Yield the table, its head a text with commas, cut to `most` rows; nothing where there are none."""
    cells = [tuple(str(value) if isinstance(value, str | int) else percent(value) for value in row) for row in rows]
    if not cells:
        return
    yield (tuple(head.split(", ")), *cells[:most])
    more = len(cells) - most
    if more > 0:
        yield f"{more} more {'row is' if more == 1 else 'rows are'} left out; certificate.json has all figures."


def _who(judges: Iterable[str]) -> str:
    names = list(judges)
    return ", ".join(map(short, names)) if len(names) <= MOST_LISTED else f"{len(names)} judges"


def _judges(certificate: Certificate) -> Iterator[Part]:
    """Yield all judges at a glance."""
    invalid = {rater.name: rater.invalid for rater in certificate.counts.raters}
    head = "judge, agreement, items, left out, kappa, vs ceiling, consistent, position, longer, invalid, gates"
    yield from _table(head, [_judge(certificate, judge, invalid[judge.name]) for judge in certificate.judges])


def _judge(certificate: Certificate, judge: JudgeReport, invalid: Estimate) -> Row:
    label, length = judge.label, judge.bias.get(LENGTH)
    place = alone(judge.position.index, "+.2f")
    if judge.position.pairs < FEWEST_ITEMS and judge.position.one_order:
        place = f"{alone(judge.position.one_order, '.1f', percent=True)} first"
    return (
        judge.name,
        percent(judge.headline),
        label.by_rule["no_ties"].n if label else NOTHING,
        label.left_out.why if label else NOTHING,
        alone(label.kappa if label else None, ".2f"),
        points(certificate.gaps[judge.name]),
        alone(judge.position.consistency, ".1f", percent=True),
        place,
        points(length.asymmetry if length else None),
        alone(invalid, ".1f", percent=True),
        certificate.outcome(judge.name),
    )


def _alarms(certificate: Certificate) -> Iterator[Part]:
    alarms = certificate.alarms
    if not alarms.found:
        return
    yield f"{len(alarms.found)} of {len(alarms.checked)} raters look as if labels were joined to the wrong rows."
    rows = (
        (alarm.rater, alarm.items, ranged(alarm.kappa), f"{alarm.marginals_differ:.3f}", alarm.hint)
        for alarm in alarms.found
    )
    yield from _table("rater, items, kappa, shares differ by, reading", rows, MOST_ALARMS)


def _people(certificate: Certificate) -> Iterator[Part]:
    people = certificate.people
    if people is None:
        yield "Nobody labelled these items: nothing here says whether a judge is right."
        return
    counts = ", ".join(f"{name} {many}" for name, many in people.majority.items())
    yield f"majority: {counts}"
    longer = people.prefers_longer
    if longer.n:
        yield f"majority prefers the longer answer: {percent(longer)}, n = {longer.n} items"
    if people.among is None:
        yield "one person only: no agreement between people, no ceiling"
        return
    if people.leave_one_out:
        left = people.leave_one_out
        yield f"a person says what the others mostly say: {percent(left)}, n = {left.n} items"
    yield from _group(people.among, "people")


def _group(group: RaterGroup, word: str) -> Iterator[Part]:
    agreed = [
        f"{RULES[rule]} {percent(agreed_share)}, n = {agreed_share.n} items"
        for rule, agreed_share in group.agreement.items()
    ]
    yield f"two {word} on one item agree: {'; '.join(agreed)}"
    yield f"alpha: {ranged(group.alpha)}, AC1: {ranged(group.ac1)}, n = {group.alpha.n} items"
    if not group.pairs:
        yield f"{group.raters} {word}: with more than {MOST_LISTED} their pairs are not listed one by one"
        return
    rows: Iterator[Row] = (
        [two.a, two.b, two.items, *two.agreement.values(), ranged(two.kappa), ranged(two.ac1)] for two in group.pairs
    )
    yield from _table("one, other, items, strict, no ties, half, kappa, AC1", rows)


def _between_judges(certificate: Certificate) -> Iterator[Part]:
    if certificate.between_judges:
        yield from _group(certificate.between_judges, "judges")


def _agreements(certificate: Certificate) -> Iterator[Part]:
    """Yield every figure of agreement between judges and people, and what differs between them."""
    head = "judge, figure, with, verdicts, ties, unreadable, n, value, two people, gap (points)"
    is_short = len(certificate.judges) <= MOST_LISTED
    rows = [row for judge in certificate.judges for row in _judge_rows(judge, is_short=is_short)]
    yield from _table(head, rows)
    if rows and not is_short:
        yield "With this many judges, the other figures are in the JSON only."


def _judge_rows(judge: JudgeReport, *, is_short: bool) -> Iterator[Row]:
    """Yield the headline first; of many judges no more than it, its kappa and the gap."""
    name = judge.name
    if judge.label:
        yield from _against_majority(name, "label", judge.label, is_short=is_short)
        if judge.length_baseline:
            side, right = by_length(judge.length_baseline)
            rule = f"the {side} answer is right"
            counted = ("majority", "label", TIES["no_ties"], "left out")
            yield name, rule, *counted, right.n, percent(right), NOTHING, NOTHING
    if is_short and judge.one_call and judge.counts_orders_apart:
        yield from _against_majority(name, "each call", judge.one_call, is_short=True)
    if is_short and (left_out := judge.leave_one_out):
        figures = left_out.judge.n, left_out.judge, left_out.people, points(left_out.difference)
        yield name, "share", "all people but one", "label", TIES["strict"], "left out", *figures


def _against_majority(name: str, counted: str, agreement: Agreement, *, is_short: bool) -> Iterator[Row]:
    shares = agreement.by_rule
    rows = [
        ("share", "no_ties", "left out", shares["no_ties"]),
        ("kappa", "strict", "left out", agreement.kappa),
        ("AC1", "strict", "left out", agreement.ac1),
        ("share", "strict", "left out", shares["strict"]),
        ("share", "half", "left out", shares["half"]),
        ("share", "no_ties", "wrong", agreement.invalid_wrong["no_ties"]),
    ]
    for figure, rule, unreadable, value in rows if is_short else rows[:2]:
        shown = percent(value) if figure == "share" else ranged(value)
        yield name, figure, "majority", counted, TIES[rule], unreadable, value.n, shown, NOTHING, NOTHING


def _alternative_annotators(certificate: Certificate) -> Iterator[Part]:
    """Yield each judge as a whole, then against each of the people where these are few; why others were not tested."""
    rows: list[Row] = []
    reasons, skipped = defaultdict(list), []
    for judge in certificate.judges:
        test, name = judge.alternative_annotator, judge.name
        if test is None:
            if certificate.people and judge.label:
                reasons[judge.alternative_annotator_note].append(judge.name)
            continue
        who = f"all {test.tested}" + (f" ({test.note})" if test.note else "")
        omegas = (f"omega {rate:.2f}{', passes' if test.passes[at] else ''}" for at, rate in test.winning_rate.items())
        rows.append((name, who, test.items, f"rho {percent(test.advantage)}", *omegas))
        for person in test.people if test.tested <= MOST_LISTED else ():
            won = (f"p {_p(p)}{', won' if person.won[at] else ''}" for at, p in person.p.items())
            rows.append((name, person.person, person.items, person.advantage, *won))
        if len(test.not_measured) > MOST_LISTED:
            skipped.append(f"not measured: {len(test.not_measured)} people with too few items (for {short(name)})")
        else:
            skipped += [
                f"not measured: {why} ({short(who)}, for {short(name)})" for who, why in test.not_measured.items()
            ]
    yield from _table(f"judge, person, items, as good, {', '.join(f'epsilon {at}' for at in EPSILONS)}", rows)
    notes = [f"not measured: {reason} ({_who(names)})" for reason, names in reasons.items()] + skipped
    yield from notes


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else number(value, ".3f")


def _labels(certificate: Certificate) -> Iterator[Part]:
    is_crowd = len(certificate.persons) > MOST_LISTED
    rows = (
        (part.by, part.name, part.judge or "other people", part.labels, part.agreement["no_ties"])
        for part in certificate.labels
        if part.by != "annotator" or not is_crowd
    )
    yield from _table("by, name, with, labels, agreement without ties", rows)


def _again(certificate: Certificate) -> Iterator[Part]:
    again = certificate.people.again if certificate.people else None
    if again:
        listed = again.people if len(again.people) <= MOST_LISTED else ()
        rows = [(person.person, person.same.n, person.same) for person in listed]
        together = (f"all {len(again.people)}", again.same.n, again.same)
        yield from _table("person, shown once more, same verdict", rows if len(rows) == 1 else [together, *rows])


def _positions(certificate: Certificate) -> Iterator[Part]:
    rows: list[Row] = []
    unknown, confounded = [], []
    for judge in certificate.judges:
        position = judge.position
        if not position.prefers_first.n:
            unknown.append(judge.name)
            continue
        same = (
            position.pairs,
            position.consistency,
            ranged(position.kappa),
            position.primacy,
            position.recency,
            position.soft,
        )
        lean = (
            signed(position.index),
            signed(position.rate),
            number(position.p, ".2g"),
            position.prefers_first,
            position.one_order,
        )
        rows.append((judge.name, *same, *lean))
        if position.one_order_note == CONFOUNDED:
            confounded.append(judge.name)
    head = "judge, pairs, consistent, kappa, primacy, recency, soft, index, rate, p, prefers first, one order"
    yield from _table(head, rows)
    if unknown:
        yield f"no decided vote with a known displayed order: {_who(unknown)}"
    if confounded:
        yield f"one order of {_who(confounded)} not measured: {CONFOUNDED}"


def _repetitions(certificate: Certificate) -> Iterator[Part]:
    rows = (
        (
            judge.name,
            repetition.groups,
            repetition.stability,
            repetition.same_order,
            repetition.other_order,
            points(repetition.bias_share),
        )
        for judge in certificate.judges
        if (repetition := judge.repetition)
    )
    head = "judge, asked twice, same verdict, two draws agree, of different orders, order alone (points)"
    yield from _table(head, rows)


def _biases(certificate: Certificate) -> Iterator[Part]:
    rows = [
        (
            *(judge.name, name, feature.items, feature.judge, feature.people),
            measured_points(feature.asymmetry),
            measured_points(feature.at_equal_length),
            number(100 * feature.annotator_error, ".1f", " %"),
        )
        for judge in certificate.judges
        for name, feature in judge.bias.items()
    ]
    head = "judge, more of, items, judge prefers it, people do, asymmetry (points), at equal length, one person errs"
    yield from _table(head, rows)
    if certificate.judges and not rows:
        yield "Neither lengths nor texts of the answers are known, so nothing is said about what sways the judges."


def _controlled(certificate: Certificate) -> Iterator[Part]:
    for made in certificate.controlled_by:
        votes = "by its probabilities" if made.is_soft else "by its verdicts, since it gives no probabilities"
        fitted = (
            f"without the difficulty of the prompts, which takes {FEWEST_SYSTEMS} systems against one on its prompts"
        )
        if made.opponent:
            against = f"{made.systems} systems against {short(made.opponent)}, which has no line"
            fitted = f"difficulty of the prompts fitted over {against}"
        listed = f"fewer than {FEWEST_ITEMS} comparisons, or not among the {MOST_SYSTEMS} with most"
        missing = f"; {made.not_listed} of {made.systems} systems are not listed ({listed})" if made.not_listed else ""
        yield f"{short(made.judge)}: {votes}; {fitted}{missing}"
    rows = [
        (
            *(system.model, system.judge, system.raw, system.people, system.controlled),
            *(f"{system.slope:+.2f}", system.warning or NOTHING),
        )
        for system in certificate.controlled
    ]
    yield from _table("model, judge, wins, by people on the same items, wins at equal lengths, slope, caution", rows)


def _slices(certificate: Certificate) -> Iterator[Part]:
    rows = (
        (
            *(part.by, part.name, part.judge, f"{part.items} (small)" if part.is_small else part.items),
            *(part.no_ties, ranged(part.kappa), part.consistency, ranged(part.order_kappa)),
        )
        for part in certificate.slices
    )
    yield from _table("by, name, judge, items, each call without ties, kappa, consistent, kappa of orders", rows)
    if certificate.not_sliced:
        left = ", ".join(f"{by} {count}" for by, count in certificate.not_sliced.items())
        yield f"values without a slice (fewer than {FEWEST} items, or not among the {MOST} with most): {left}"


def _constant(certificate: Certificate) -> Iterator[Part]:
    rows = (
        (
            *("not named" if answer.model is None else answer.model, answer.prompts, answer.same),
            *(wins.judge, wins.share, wins.people),
        )
        for answer in certificate.constant_answers
        for wins in answer.wins
    )
    yield from _table("system, prompts, same answer, judge, it wins, by people on the same items", rows)


def _counts(certificate: Certificate) -> Iterator[Part]:
    counts = certificate.counts
    if counts.repeated_votes:
        yield f"votes beyond the first of their rater, item, order, principle and sample: {counts.repeated_votes}"
        yield f"such groups of votes that contradict themselves: {counts.conflicting_votes}"
    people = [rater for rater in counts.raters if rater.kind in LABELLERS]
    if len(people) > MOST_LISTED:
        votes = sum(rater.votes for rater in people)
        seen = [rater.items for rater in people]
        yield f"{len(people)} people, {votes} votes, {min(seen)} to {max(seen)} items each"
    rows = (
        (
            *(rater.name, rater.kind, rater.votes, rater.items, number(100 * rater.coverage, ".1f", " %")),
            *(rater.both_orders, rater.with_people, rater.invalid, rater.ties, rater.both_bad),
        )
        for rater in counts.raters
        if rater.kind not in LABELLERS or len(people) <= MOST_LISTED
    )
    yield from _table("rater, kind, votes, items, of all, both orders, with people, invalid, ties, both bad", rows)


SECTIONS: dict[str, Callable[[Certificate], Iterator[Part]]] = {
    "Judges": _judges,
    "Alarms": _alarms,
    "People": _people,
    "Agreement of judges and people": _agreements,
    "Alternative annotator test": _alternative_annotators,
    "People's labels by annotator and confidence": _labels,
    "People shown an item once more": _again,
    "Position": _positions,
    "Asked again": _repetitions,
    "Biases": _biases,
    "Who wins at equal lengths": _controlled,
    "Judges among themselves": _between_judges,
    "By principle, category and model": _slices,
    "Systems that repeat one answer": _constant,
    "Votes": _counts,
}
"""Titles and what stands under them."""


PROBES_READING = (
    "RR is the share of questions with the same verdict before and after the edit, CR when the plain question is drawn "
    "again. Direction is how often the edit moved the verdict towards the edited answer minus away from it, in "
    "percentage points against the control, which carries the edit on both answers, with an interval clustered by "
    "prompt."
)


def probe_sections(report: Sequence[Probed]) -> list[Section]:
    """Return the report as tables, one of edits and one of attacks."""
    edits: list[tuple[str, ...]] = []
    attacks: list[tuple[str, ...]] = []
    for probed in report:
        row = (probed.judge, probed.probe, probed.outcome)
        figures = probed.figures
        if isinstance(figures, EditFigures):
            rates = (alone(rate, ".1f", percent=True) for rate in (figures.rr, figures.cr))
            p = probed.corrected.adjusted if probed.corrected else math.nan
            shown = (points(figures.direction), NOTHING if math.isnan(p) else f"{p:.2g}", str(figures.rr.n))
            edits.append((*row, *rates, *shown, probed.found))
        else:
            limit = NOTHING if math.isnan(figures.limit) else f"{100 * figures.limit:.1f} %"
            won = f"{figures.wins} ({figures.ties} even)"
            attacks.append((*row, won, limit, str(figures.prompts), probed.found))
    of_edits = ("judge", "probe", "gate", "RR", "CR", "direction", "p (Holm)", "n", "found")
    of_attacks = ("judge", "probe", "gate", "won", "upper limit", "prompts", "found")
    sections = [
        Section(
            "Probes: edits",
            (
                PROBES_READING,
                f"Gate of edits: {PROBE_RULES['edits']}. Gate of typing: {PROBE_RULES['variants']}.",
            ),
            of_edits,
            tuple(edits),
        ),
        Section("Probes: attacks", (f"Gate: {PROBE_RULES['attacks']}.",), of_attacks, tuple(attacks)),
    ]
    return [section for section in sections if section.rows]
