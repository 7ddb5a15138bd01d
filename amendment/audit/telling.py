"""A certificate in words and tables: Markdown that reads well in a terminal, the overview first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.audit._conclusions import conclusions
from amendment.audit._details import details
from amendment.audit._figures import NOTHING, alone, percent, points
from amendment.audit.against_people import Agreement
from amendment.audit.apart import Apart
from amendment.audit.certificate import Certificate, Judge
from amendment.audit.constant import ConstantAnswer
from amendment.audit.counts import Counts
from amendment.audit.order import FEWEST_PAIRS, Order
from amendment.markdown import cell, table
from amendment.statistics import Estimate

__all__ = ["certificate_lines"]

OVERVIEW = (
    "judge",
    "agreement",
    "items",
    "left out",
    "kappa",
    "vs ceiling",
    "consistent",
    "position",
    "longer",
    "invalid",
    "gates",
)
READING = (
    "Agreement: the share of items on which the judge's label (all its verdicts combined) and the majority of "
    "people choose the same side, where both choose one. Items: the number of such items. Left out: items that "
    "either calls a tie, or on which the judge is unreadable. Kappa: for the same labels, with ties as a class. Vs "
    "ceiling: the judge's agreement with single people minus the agreement of two people, in points. Consistent: "
    "same verdict in "
    "both displayed orders. Position: -1 if the first shown wins, +1 if the second; for a judge asked in one order, "
    "how often the first shown wins. Longer: how much more often it errs towards the longer answer than towards the "
    "shorter, in points. Invalid: votes that could not be read. Gates: those that fail or warn; otherwise those "
    "that pass and the number not measured. 0.03? has an interval that contains 0, so its sign is open; 0.03* rests "
    "on a fallback or few prompts, or has no interval. All terms are defined at the end."
)
MOST_UNJOINED = MOST_REPEATING = 5
STARRED = "\\* A fallback, few prompts, or no interval: the JSON says which for each figure."


def certificate_lines(certificate: Certificate) -> list[str]:
    """The lines of the certificate, without line ends."""
    lines = [
        "# Audit",
        "",
        _opening(certificate),
        "",
        *_unjoined(certificate.apart),
        *_repeating(certificate.constant_answers),
        *_overview(certificate),
        *details(certificate),
    ]
    lines += ["## Definitions", "", STARRED, ""]
    return [*lines, *_definitions(certificate)]


def _definitions(certificate: Certificate) -> Iterator[str]:
    """The terms that the certificate uses."""
    people, judges = certificate.people, certificate.judges
    occurs = {
        "slices": certificate.slices or certificate.win_shares or certificate.not_sliced,
        "leaving one person out": people and people.leave_one_out,
        "alternative annotator test": any(judge.stand_in for judge in judges),
        "by annotator and confidence": certificate.labels,
        "shown once more": certificate.counts.shown_again,
    }
    for term, meaning in certificate.how.items():
        if occurs.get(term, True):
            yield f"- {term}: {meaning}"


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


def _left_out(agreed: Agreement) -> str:
    """Items on which one of the two chose no side: 150: 125 ties, 25 unreadable."""
    ties, unreadable = agreed.left_out.ties, agreed.left_out.unreadable
    told = ((ties, "tie" if ties == 1 else "ties"), (unreadable, "unreadable"))
    reasons = [f"{many} {word}" for many, word in told if many]
    return (reasons or ["0"])[0] if len(reasons) < 2 else f"{ties + unreadable}: {', '.join(reasons)}"


def _position(order: Order) -> str:
    if order.pairs < FEWEST_PAIRS and order.one_order:
        return f"{alone(order.one_order, '.1f', percent=True)} first"
    return alone(order.index, "+.2f")


def _clusters(counts: Counts) -> str:
    """What intervals are clustered by, and how many clusters there are."""
    if not counts.without_prompt:
        return f"clustered by prompt: {counts.prompts} clusters"
    if counts.without_prompt == counts.items:
        return f"{counts.prompts} clusters: no prompt is known, so each item is its own cluster"
    return (
        f"clustered by prompt: {counts.prompts} clusters, {counts.without_prompt} of them single items without a "
        "known prompt"
    )


def _unjoined(found: Sequence[Apart]) -> Iterator[str]:
    """A line for each of the first judges that share no item with people."""
    for one in found[:MOST_UNJOINED]:
        keys = f"'{cell(one.judge_item)}' against '{cell(one.people_item)}'"
        shown = f"Judge {cell(one.judge)} shares no item with people. Check the item keys: {keys}"
        yield f"- {shown}. Ignore this if they saw different items."
    more = len(found) - MOST_UNJOINED
    if more > 0:
        yield f"- {more} more {'judge shares' if more == 1 else 'judges share'} no item with people."
    if found:
        yield ""


def _repeating(found: Sequence[ConstantAnswer]) -> Iterator[str]:
    """A line for each of the first systems that give one answer to most prompts."""
    for one in found[:MOST_REPEATING]:
        who = "Answers without a named system are" if one.model is None else f"{cell(one.model)} is"
        yield f"- {who} the same text in {one.same} of {one.prompts} prompts, so it answers none of them."
    more = len(found) - MOST_REPEATING
    if more > 0:
        yield f"- {more} more {'system repeats' if more == 1 else 'systems repeat'} an answer."
    if found:
        yield ""


def _overview(certificate: Certificate) -> Iterator[str]:
    if not certificate.judges:
        yield from ("No judge voted: all figures below are about people.", "")
        return
    invalid = {rater.name: rater.invalid for rater in certificate.counts.raters}
    rows = [_row(certificate, judge, invalid[judge.name]) for judge in certificate.judges]
    yield from (*table([OVERVIEW, *rows]), "", *conclusions(certificate), "", READING, "")


def _row(certificate: Certificate, judge: Judge, invalid: Estimate) -> Sequence[str]:
    agreed, ceiling, length = judge.label, judge.ceiling.get("no_ties"), judge.length
    return (
        cell(judge.name),
        percent(judge.headline),
        str(agreed.by_rule["no_ties"].n) if agreed else NOTHING,
        _left_out(agreed) if agreed else NOTHING,
        alone(agreed.kappa if agreed else None, ".2f"),
        points(ceiling.difference if ceiling else None),
        alone(judge.order.consistency, ".1f", percent=True),
        _position(judge.order),
        points(length.asymmetry if length else None),
        alone(invalid, ".1f", percent=True),
        certificate.outcome(judge.name),
    )
