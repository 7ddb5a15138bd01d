"""A certificate in words: the overview, what follows from it in a few plain sentences by fixed rules, then `sections`.

Markdown that reads well in a terminal. A sentence says no more than its interval does: where that leaves a question
open, so does the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from amendment.audit.agreement import Agreement
from amendment.audit.bias import LENGTH
from amendment.audit.certificate import Certificate
from amendment.audit.counts import Counts
from amendment.audit.figures import NOTHING, alone, between, percent, points
from amendment.audit.gates import BELOW_CEILING, LEAST_CONSISTENT, JudgeReport, at_chance
from amendment.audit.position import CONFOUNDED, Position
from amendment.audit.sections import sections
from amendment.statistics import Estimate, bounds
from amendment.statistics.intervals import FEWEST_ITEMS
from amendment.text import cell, table

OVERVIEW = "judge, agreement, items, left out, kappa, vs ceiling, consistent, position, longer, invalid, gates"
READING = (
    "Agreement: the share of items on which the judge's label (all its verdicts combined) and the majority of "
    "people choose the same side, where both choose one. Items: the number of such items. Left out: items that "
    "are tied (either calls a tie, or people split evenly), or on which the judge is unreadable. "
    "Kappa: for the same labels, with ties as a class. Vs "
    "ceiling: the judge's agreement with single people minus the agreement of two people, in points. Consistent: "
    "same verdict in both displayed orders. Position: -1 if the first shown wins, +1 if the second; for a judge "
    "asked in one order, how often the first shown wins. Longer: how much more often it errs towards the longer "
    "answer than towards the shorter, in points. Invalid: votes that could not be read. Gates: those that fail or "
    "warn; otherwise those that pass and the number not measured. 0.03? has an interval that contains 0, so its "
    "sign is open; 0.03* rests on a fallback or few prompts, or has no interval. All terms are defined at the end."
)
STARRED = "\\* A fallback, few prompts, or no interval: the JSON says which for each figure."
MOST_TOLD, MOST_JUDGES, MOST_SENTENCES = 5, 10, 3


def certificate_lines(certificate: Certificate) -> list[str]:
    """The lines of the certificate, without line ends."""
    lines = ["# Audit", "", _opening(certificate), ""]
    lines += _first_lines(
        (_unmatched(certificate), "judge shares", "judges share", "no item with people"),
        (_repeating(certificate), "system repeats", "systems repeat", "an answer"),
    )
    if certificate.judges:
        invalid = {rater.name: rater.invalid for rater in certificate.counts.raters}
        rows = [_row(certificate, judge, invalid[judge.name]) for judge in certificate.judges]
        lines += [*table([OVERVIEW.split(", "), *rows]), "", *_conclusions(certificate), "", READING, ""]
    else:
        lines += ["No judge voted: all figures below are about people.", ""]
    return [*lines, *sections(certificate), "## Definitions", "", STARRED, "", *_definitions(certificate)]


def _opening(certificate: Certificate) -> str:
    counts = certificate.counts
    raters = " and ".join(
        f"{many} {word if many == 1 else words}"
        for many, word, words in ((counts.judges, "judge", "judges"), (counts.people, "person", "people"))
        if many
    )
    repeated = f", {counts.repeated_votes} of them repeated" if counts.repeated_votes else ""
    repeated += f", {counts.shown_again} on repeated items" if counts.shown_again else ""
    return (
        f"{raters} on {counts.items} items; {counts.votes} votes{repeated}. Items "
        f"with a person's vote: {counts.with_people}, with two people's: {counts.with_two_people}. "
        f"Intervals: {100 * certificate.level:g} %, {_clusters(counts)}."
    )


def _clusters(counts: Counts) -> str:
    if counts.without_prompt == counts.items:
        return f"{counts.prompts} clusters: no prompt is known, so each item is its own cluster"
    clusters = f"clustered by prompt: {counts.prompts} clusters"
    single = f", {counts.without_prompt} of them single items without a known prompt"
    return clusters + (single if counts.without_prompt else "")


def _first_lines(*parts: tuple[Iterable[str], str, str, str]) -> Iterator[str]:
    """The first few lines of each part, and how many more there are."""
    for lines, singular, plural, what in parts:
        listed = list(lines)
        yield from listed[:MOST_TOLD]
        more = len(listed) - MOST_TOLD
        if more > 0:
            yield f"- {more} more {singular if more == 1 else plural} {what}."
        if listed:
            yield ""


def _unmatched(certificate: Certificate) -> Iterator[str]:
    for pair in certificate.unmatched:
        keys = f"'{cell(pair.judge_item)}' against '{cell(pair.people_item)}'"
        hint = f"Judge {cell(pair.judge)} shares no item with people. Check the item keys: {keys}"
        yield f"- {hint}. Ignore this if they saw different items."


def _repeating(certificate: Certificate) -> Iterator[str]:
    for answer in certificate.constant_answers:
        who = "Answers without a named system are" if answer.model is None else f"{cell(answer.model)} is"
        yield f"- {who} the same text in {answer.same} of {answer.prompts} prompts, so it answers none of them."


def _definitions(certificate: Certificate) -> Iterator[str]:
    people, judges = certificate.people, certificate.judges
    occurs = {
        "slices": certificate.slices or certificate.not_sliced,
        "leaving one person out": people and people.leave_one_out,
        "alternative annotator test": any(judge.alternative_annotator for judge in judges),
        "by annotator and confidence": certificate.labels,
        "shown once more": certificate.counts.shown_again,
    }
    for term, meaning in certificate.glossary.items():
        if occurs.get(term, True):
            yield f"- {term}: {meaning}"


def _row(certificate: Certificate, judge: JudgeReport, invalid: Estimate) -> Sequence[str]:
    label, ceiling, length = judge.label, judge.ceiling.get("no_ties"), judge.bias.get(LENGTH)
    place = alone(judge.position.index, "+.2f")
    if judge.position.pairs < FEWEST_ITEMS and judge.position.one_order:
        place = f"{alone(judge.position.one_order, '.1f', percent=True)} first"
    return (
        cell(judge.name),
        percent(judge.headline),
        str(label.by_rule["no_ties"].n) if label else NOTHING,
        _left_out(label) if label else NOTHING,
        alone(label.kappa if label else None, ".2f"),
        points(ceiling.difference if ceiling else None),
        alone(judge.position.consistency, ".1f", percent=True),
        place,
        points(length.asymmetry if length else None),
        alone(invalid, ".1f", percent=True),
        certificate.outcome(judge.name),
    )


def _left_out(label: Agreement) -> str:
    """Items on which one of the two chose no side: 150: 125 tied, 25 unreadable."""
    ties, unreadable = label.left_out
    counts = ((ties, "tied"), (unreadable, "unreadable"))
    reasons = [f"{many} {word}" for many, word in counts if many]
    return (reasons or ["0"])[0] if len(reasons) < 2 else f"{ties + unreadable}: {', '.join(reasons)}"


def _conclusions(certificate: Certificate) -> Iterator[str]:
    for judge in certificate.judges[:MOST_JUDGES]:
        yield f"- {cell(judge.name)}: {' '.join(islice(_sentences(certificate, judge), MOST_SENTENCES))}"
    more = len(certificate.judges) - MOST_JUDGES
    if more > 0:
        yield f"- {more} more {'judge is' if more == 1 else 'judges are'} in the tables only."


def _sentences(certificate: Certificate, judge: JudgeReport) -> Iterator[str]:
    """The sentences, the most important first."""
    gates = {gate.check: gate for gate in certificate.gates if gate.judge == judge.name}
    unread = f"Too many of its votes could not be read: {gates['invalid'].found}."
    if gates["invalid"].outcome == "FAIL":
        yield unread
    if gates["constant"].outcome == "FAIL":
        yield f"It prefers one repeated answer: {gates['constant'].found}."
    if gates["rows"].outcome == "WARN":
        yield f"Check the join first: {gates['rows'].found}."
    if judge.position.contradicts:
        yield (
            f"Its orders may be read the wrong way round: in {_percent(judge.position.turned)} of comparisons it "
            "changes sides when the answers change places, and its two orders contradict each other (kappa "
            f"{judge.position.kappa.value:.2f}). Check coordinates and orders of its file before you believe any "
            "figure here."
        )
        return
    yield _on_position(judge.position)
    among = certificate.people.among if certificate.people else None
    yield _on_agreement(judge, at_chance(among.alpha) if among else "")
    if gates["ties"].outcome == "WARN":
        yield f"It often calls a tie: {gates['ties'].found}."
    yield from _on_length(judge)
    if gates["invalid"].outcome == "WARN":
        yield unread


def _on_position(position: Position) -> str:
    if not position.prefers_first.n:
        return "No displayed order is on record: a judge of single answers has none, a judge of pairs should record it."
    if position.pairs < FEWEST_ITEMS:
        return _on_one_order(position)
    unless = ", if its orders are read correctly: check coordinates and orders first" if position.mostly_turns else ""
    rate, same, ask = bounds(position.rate), bounds(position.consistency), "Ask it in both orders: in"
    if rate and abs(position.index.value) > 0.5 and not rate[0] <= 0 <= rate[1]:
        won, side = (position.primacy, "first") if rate[1] < 0 else (position.recency, "second")
        return f"{ask} {_percent(won / position.pairs)} of comparisons it picks whatever is shown {side}{unless}."
    if same and same[1] < LEAST_CONSISTENT:
        return f"{ask} {_percent(1 - position.consistency.value)} of comparisons its verdict changes with the order."
    same_share = _ranged(position.consistency)
    if same and same[0] >= LEAST_CONSISTENT:
        return f"The displayed order changes little: it says the same in both in {same_share}."
    return f"These data do not show how much the displayed order sways it (the same in {same_share})."


def _on_one_order(position: Position) -> str:
    share = position.one_order
    interval = bounds(share) if share else None
    if share and interval:
        side = "first" if interval[0] > 0.5 else "second" if interval[1] < 0.5 else ""
        wins = f"{_percent(share.value if side != 'second' else 1 - share.value)} of the items"
        if side:
            return f"Ask it in both orders: asked in one order per item, it picks the answer shown {side} in {wins}."
        return f"Asked in one order per item, it shows no position bias: the first shown wins in {wins}."
    if position.one_order_note == CONFOUNDED:
        return f"Position bias is not measured: {CONFOUNDED}."
    return (
        f"Position bias is not measured: {position.pairs} items were read in both orders, and it takes {FEWEST_ITEMS}."
    )


def _on_agreement(judge: JudgeReport, doubt: str) -> str:
    """`doubt` says what is doubtful about people as a measure."""
    label, ceiling = judge.label, judge.ceiling.get("no_ties")
    if label is None or label.items < FEWEST_ITEMS:
        lack = f"it has {label.items if label else 0} of the {FEWEST_ITEMS} required items with a person's vote"
        return f"Agreement with people is not measured: {lack}."
    kappa = bounds(label.kappa)
    if kappa is None:
        return "These data do not show whether it agrees with people better than chance."
    figures = f"kappa {label.kappa.value:.2f}, {kappa[0]:.2f} to {kappa[1]:.2f}"
    if kappa[0] <= 0:
        does = "It agrees" if kappa[1] <= 0 else "These data do not show whether it agrees"
        return f"{does} with people {'no ' if kappa[1] <= 0 else ''}better than chance ({figures})."
    if ceiling is not None:
        return f"Whether it is worse than a person is open: {doubt}." if doubt else _on_ceiling(ceiling.difference)
    agreed, of = label.by_rule["no_ties"], label.by_rule["strict"].n
    both = f"; both choose in {agreed.n} of {of} items" if agreed.n < of else ""
    return f"When it and the majority of people both choose, they choose the same answer in {_ranged(agreed)}{both}."


def _on_ceiling(difference: Estimate) -> str:
    interval = bounds(difference)
    if interval is None:
        return "These data do not show whether it is worse than a person."
    value, low, high = (100 * bound for bound in (difference.value, *interval))
    if high < 0 or low > 0:
        word, (near, far) = "less" if high < 0 else "more", sorted((abs(low), abs(high)))
        figures = f"{abs(value):.1f} points ({near:.1f} to {far:.1f})"
        return f"It agrees with a person {word} than another person does, by {figures}."
    figures = f"({value:+.1f} points, {low:+.1f} to {high:+.1f})"
    if low > -100 * BELOW_CEILING:
        return f"It agrees with a person about as well as another person does {figures}."
    return f"These data do not show whether it is worse than a person {figures}."


def _on_length(judge: JudgeReport) -> Iterator[str]:
    asymmetry = judge.bias[LENGTH].asymmetry if LENGTH in judge.bias else None
    interval = bounds(asymmetry) if asymmetry else None
    if asymmetry and interval and not interval[0] <= 0 <= interval[1]:
        side, opposite = ("longer", "shorter") if asymmetry.value > 0 else ("shorter", "longer")
        low, high = sorted(100 * abs(bound) for bound in interval)
        figures = f"{100 * abs(asymmetry.value):.1f} points ({low:.1f} to {high:.1f})"
        yield f"It errs towards the {side} answer more often than towards the {opposite}, by {figures}."


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _ranged(share: Estimate) -> str:
    """98 % (94 to 100)."""
    interval = bounds(share)
    return _percent(share.value) + (f" {between(interval, '.0f')}" if interval else "")
