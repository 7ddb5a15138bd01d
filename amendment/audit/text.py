"""The certificate as a page that somebody reads who has to decide: conclusion, gates, one figure of agreement for each
judge, and what else must be known of the first few.

Markdown that reads well in a terminal, about 60 lines. A sentence says no more than its interval does: where that
leaves a question open, so does the sentence. The long tables are `sections`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from amendment.audit.bias import LENGTH
from amendment.audit.certificate import Certificate
from amendment.audit.figures import NOTHING, Section, between, percent, points, ranged, rounded
from amendment.audit.gates import LEAST_CONSISTENT, Gate, JudgeReport, group_gates
from amendment.audit.position import CONFOUNDED, Position
from amendment.statistics import Estimate, bounds
from amendment.statistics.intervals import FEW, FEWEST_ITEMS
from amendment.text import cell, table

MOST_JUDGES, MOST_DETAILED, MOST_TOLD = 10, 3, 5
"""Judges with a conclusion, judges with details, and warnings of one kind."""
LONGEST_SENTENCE = 900
OWN_LINE = ("order", "invalid", "length", "ceiling", "chance", "bar")
"""Gates whose figure has a line whatever their outcome, or is in the table."""
READING = (
    "Agreement: how often the judge agrees with one annotator; annotators: how often two of them agree; difference: "
    "the first minus the second, in points. All three are on the items that two annotators or more labelled (with one "
    "annotator or the truth: on the labelled items), under the conditions of the conclusion; ties and unreadable "
    "verdicts count one half. With the majority: of all items, the share on which the judge and the majority of "
    "annotators choose the same answer, where both choose one; the other items are left out."
)
POINTER = (
    "docs/audit.md says how to read this page. certificate.json has every figure with its interval, all tables, and "
    "the rule of each gate."
)


def certificate_lines(
    certificate: Certificate,
    *,
    title: str = "Certificate",
    about: Sequence[str] = (),
    notes: Iterable[str] = (),
    gate: Iterable[Section] = (),
    more: Iterable[Section] = (),
) -> list[str]:
    """Return the lines of the page, without line ends.

    `about` are a few words below the title, such as date and data; `notes` are paragraphs before the conclusion. `gate`
    is what a run's training waits for, and `more` stands at the end.
    """
    lines = [f"# {title}", "", "; ".join((*about, _subject(certificate))) + ".", ""]
    for note in notes:
        lines += [note, ""]
    by_name = {judge.name: judge for judge in certificate.judges}
    judges = [by_name[conclusion.judge] for conclusion in certificate.conclusions if conclusion.judge in by_name]
    lines += [*_conclusions(certificate), "", *_warnings(certificate), *_gates(certificate)]
    for section in gate:
        lines += section.lines()
    lines += _agreement(certificate, judges[:MOST_JUDGES])
    for judge in judges[:MOST_DETAILED]:
        lines += [f"## What else to know about {cell(judge.name)}", "", *_details(certificate, judge), ""]
    for section in more:
        lines += section.lines()
    return [*lines, _basis(certificate), "", POINTER]


def _subject(certificate: Certificate) -> str:
    counts = certificate.counts
    judges = f"judge {cell(certificate.judges[0].name)}" if counts.judges == 1 else f"{counts.judges or 'no'} judges"
    people = f"{counts.people or 'no'} annotator{'s' * (counts.people != 1)}"
    return f"{judges} and {people} on {counts.items} items"


def _basis(certificate: Certificate) -> str:
    """Return what the figures rest on."""
    counts = certificate.counts
    repeated = f", {counts.repeated_votes} of them repeated" if counts.repeated_votes else ""
    repeated += f", {counts.shown_again} on repeated items" if counts.shown_again else ""
    return (
        f"{counts.votes} votes{repeated}. People labelled {counts.with_people} items, two or more people "
        f"{counts.with_two_people}. Intervals: {100 * certificate.level:g} %, {_clusters(certificate)}. "
        f"* fewer than {FEW} prompts, or another doubt that certificate.json names."
    )


def _clusters(certificate: Certificate) -> str:
    counts = certificate.counts
    copies = f"; {counts.copies} items are copies, with the texts of another one" if counts.copies else ""
    if counts.without_prompt == counts.items:
        alone = "items with the same texts are one cluster" if copies else "each item is its own cluster"
        return f"{counts.prompts} clusters: no prompt is known, so {alone}{copies}"
    clusters = f"clustered by prompt: {counts.prompts} clusters{copies}"
    single = f", {counts.without_prompt} of them single items without a known prompt"
    return clusters + (single if counts.without_prompt else "")


def _conclusions(certificate: Certificate) -> Iterator[str]:
    first, *others = certificate.conclusions[:MOST_JUDGES]
    agreement, _, rest = cell(first.sentence, longest=LONGEST_SENTENCE).partition("; ")
    yield f"**{agreement.rstrip('.')}.**"
    if rest:
        yield ""
        yield f"{rest[0].upper()}{rest[1:]}"
    if others:
        yield ""
    for conclusion in others:
        yield f"- {cell(conclusion.sentence, longest=LONGEST_SENTENCE)}"
    more = len(certificate.conclusions) - MOST_JUDGES
    if more > 0:
        yield f"- {more} more {'judge is' if more == 1 else 'judges are'} in certificate.json only."


def _gates(certificate: Certificate) -> Iterator[str]:
    """Yield a line for each judge: what failed, what warns, what passed, what was not measured."""
    names = [conclusion.judge for conclusion in certificate.conclusions[:MOST_JUDGES] if conclusion.judge]
    for name in names:
        by_outcome = [
            f"{outcome}: {', '.join(checks)}"
            for outcome, checks in group_gates(name, certificate.gates).items()
            if checks
        ]
        yield f"{f'- Gates of {cell(name)}' if len(names) > 1 else 'Gates'}: {'; '.join(by_outcome)}."
    yield from [""] if names else []


def _warnings(certificate: Certificate) -> list[str]:
    """Return what is wrong with the data, at most a few lines of each kind."""
    unmatched = [
        f"Judge {cell(pair.judge)} shares no item with people. Check the item keys: '{cell(pair.judge_item)}' against "
        f"'{cell(pair.people_item)}'. Ignore this if they saw different items."
        for pair in certificate.unmatched
    ]
    constant = [
        f"{'Answers without a named system are' if answer.model is None else f'{cell(answer.model)} is'} the same text "
        f"in {answer.same} of {answer.prompts} prompts; such a text answers none of them."
        for answer in certificate.constant_answers
    ]
    joined = [
        f"Labels of {cell(alarm.rater)} look as if they were joined to the wrong rows: {alarm.hint}."
        for alarm in certificate.alarms.found
        if alarm.rater in certificate.persons
    ]
    lines = []
    for warnings in (unmatched, constant, joined):
        lines += [f"- {warning}" for warning in warnings[:MOST_TOLD]]
        more = len(warnings) - MOST_TOLD
        lines += [f"- {more} more like this in certificate.json."] if more > 0 else []
    return [*lines, ""] if lines else []


def _agreement(certificate: Certificate, judges: Iterable[JudgeReport]) -> list[str]:
    """Return the figures of each conclusion, and agreement with the majority."""
    by_name = {conclusion.judge: conclusion for conclusion in certificate.conclusions}
    rows = [
        [
            cell(judge.name),
            percent(concluded.agreement),
            percent(concluded.two_annotators),
            points(concluded.gap),
            ranged(concluded.kappa),
            str(concluded.agreement.n),
            percent(judge.headline),
            judge.label.left_out.why if judge.label else NOTHING,
        ]
        for judge in judges
        for concluded in [by_name[judge.name]]
        if concluded.agreement
    ]
    if rows:
        head = ["judge", "agreement", "annotators", "difference", "kappa", "items", "with the majority", "left out"]
        could_show = [
            f'With such labels, {cell(judge.name)} gets "Use" in 80 % of samples if its true difference is '
            f"{100 * reach:+.1f} points or better."
            for judge in judges
            if (reach := by_name[judge.name].could_show) is not None and not math.isnan(reach)
        ]
        compared = [
            f"- {cell(pair.best)} minus {cell(pair.other)}, item by item on {pair.difference.n} labelled items that "
            f"both judged: {points(pair.difference)} points."
            for pair in certificate.compared[:MOST_TOLD]
        ]
        return [
            "## Agreement with annotators",
            "",
            *table([head, *rows]),
            "",
            *([*compared, ""] if compared else []),
            READING,
            "",
            *could_show[:MOST_DETAILED],
            "",
        ]
    if certificate.judges or certificate.people is None or certificate.people.among is None:
        return []
    agreed = certificate.people.among.agreement["no_ties"]
    return [f"Two annotators agree on {percent(agreed)} of {agreed.n} items, ties left out.", ""]


def _details(certificate: Certificate, judge: JudgeReport) -> Iterator[str]:
    """Position, length, unreadable verdicts, and each other gate that fails or warns."""
    gates = {gate.check: gate for gate in certificate.gates if gate.judge == judge.name}
    yield f"- Position{_raised(gates['order'])}: {_on_position(judge.position)}"
    yield f"- Length{_raised(gates['length'])}: {_on_length(judge)}"
    invalid = next(rater.invalid for rater in certificate.counts.raters if rater.name == judge.name)
    yield f"- Unreadable{_raised(gates['invalid'])}: {percent(invalid)} of its {invalid.n} verdicts."
    for check, gate in gates.items():
        if check not in OWN_LINE and gate.outcome in ("FAIL", "WARN"):
            yield f"- {check.capitalize()}{_raised(gate)}: {cell(gate.found, longest=LONGEST_SENTENCE)}."


def _raised(gate: Gate) -> str:
    return f" ({gate.outcome})" if gate.outcome in ("FAIL", "WARN") else ""


def _on_position(position: Position) -> str:
    if not position.prefers_first.n:
        return "no displayed order is on record; a judge of single answers has none, a judge of pairs should record it."
    if position.contradicts:
        return (
            f"its orders may be read the wrong way round: it changes sides in {rounded(position.turned)} of the items "
            f"(kappa {position.kappa.value:.2f} between the orders). Check that before you trust any figure."
        )
    if position.pairs < FEWEST_ITEMS:
        return _on_one_order(position)
    same = f"the same verdict in both orders on {percent(position.consistency)} of {position.pairs} items"
    rate = bounds(position.rate)
    consistent = bounds(position.consistency)
    if rate and abs(position.index.value) > 0.5 and not rate[0] <= 0 <= rate[1]:
        won, side = (position.primacy, "first") if rate[1] < 0 else (position.recency, "second")
        unless = ", if its orders are read correctly: check coordinates and orders" if position.mostly_turns else ""
        return f"{same}; on {rounded(won / position.pairs)} it picks whatever is shown {side}{unless}."
    wins = ""
    if position.primacy + position.recency:
        times = f"the first shown wins {position.primacy} times and the second {position.recency} times"
        wins = f"; where the orders choose different answers, {times}"
    if consistent is None or consistent[0] < LEAST_CONSISTENT <= consistent[1]:
        return f"{same}; the data cannot tell whether that is {rounded(LEAST_CONSISTENT)} or more{wins}."
    return f"{same}{wins}."


def _on_one_order(position: Position) -> str:
    share = position.one_order
    interval = bounds(share) if share else None
    if share and interval:
        side = "first" if interval[0] > 0.5 else "second" if interval[1] < 0.5 else ""
        bias = f"a bias to the {side}: ask it in both orders" if side else "no bias is shown"
        return f"asked in one order per item, it picks the first shown on {percent(share)} of {share.n} items; {bias}."
    if position.one_order_note == CONFOUNDED:
        return f"not measured, since {CONFOUNDED}."
    return f"not measured: {position.pairs} items were read in both orders, and {FEWEST_ITEMS} are needed."


def _on_length(judge: JudgeReport) -> str:
    asymmetry = judge.bias[LENGTH].asymmetry if LENGTH in judge.bias else None
    interval = bounds(asymmetry) if asymmetry else None
    if asymmetry is None or interval is None:
        return (
            f"not measured: {asymmetry.note if asymmetry else 'needs two annotators, and the lengths of the answers'}."
        )
    if interval[0] <= 0 <= interval[1]:
        return f"no error towards longer or shorter answers is shown: {_points(asymmetry, interval, '+')}."
    side, opposite = ("longer", "shorter") if asymmetry.value > 0 else ("shorter", "longer")
    low, high = sorted(abs(bound) for bound in interval)
    figures = _points(asymmetry._replace(value=abs(asymmetry.value)), (low, high))
    return f"it errs towards the {side} answer more often than towards the {opposite}, by {figures}."


def _points(estimate: Estimate, interval: Sequence[float], sign: str = "") -> str:
    low, high = interval
    return f"{100 * estimate.value:{sign}.1f} points {between((low, high), f'{sign}.1f')}"
