"""A certificate in words and tables: Markdown that reads well in a terminal, the overview first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.calibration._details import details
from amendment.calibration._figures import NOTHING, number, percent, points
from amendment.calibration.certificate import Certificate, Judge
from amendment.markdown import cell, table
from amendment.statistics import Estimate

__all__ = ["certificate_lines"]

OVERVIEW = (
    "judge",
    "items",
    "agreement, no ties",
    "kappa",
    "vs ceiling",
    "consistent",
    "position",
    "longer",
    "invalid",
    "gates",
)
READING = (
    "Agreement and kappa: with the majority of people, one call. Vs ceiling: agreement with single people minus that "
    "of two people, points. Consistent: same verdict in both displayed orders. Position: -1 the first shown wins, +1 "
    "the second. Longer: how much oftener it errs towards the longer answer than towards the shorter, points. Invalid: "
    "votes that could not be read. Gates: what did not pass; else what did. All terms are defined at the end."
)
STARRED = "\\* A fallback, few prompts, or no interval at all: the JSON says which, figure by figure."


def certificate_lines(certificate: Certificate) -> list[str]:
    """The whole certificate, a line each, without line ends."""
    lines = ["# Audit", "", _opening(certificate), "", *_overview(certificate), *details(certificate)]
    lines += ["## Definitions", "", STARRED, ""]
    return [*lines, *(f"- {term}: {meaning}" for term, meaning in certificate.how.items())]


def _opening(certificate: Certificate) -> str:
    counts = certificate.counts
    raters = " and ".join(
        f"{many} {word if many == 1 else words}"
        for many, word, words in ((counts.judges, "judge", "judges"), (counts.people, "person", "people"))
        if many
    )
    repeated = f", {counts.repeated_votes} of them repeated" if counts.repeated_votes else ""
    return (
        f"{raters} on {counts.items} items of {counts.prompts} prompts; {counts.votes} votes{repeated}. Items "
        f"with a person's vote: {counts.with_people}, with two people's: {counts.with_two_people}. "
        f"Intervals: {100 * certificate.level:g} %, clustered by prompt."
    )


def _overview(certificate: Certificate) -> Iterator[str]:
    if not certificate.judges:
        yield from ("No judge voted: what follows is about people alone.", "")
        return
    invalid = {rater.name: rater.invalid for rater in certificate.counts.raters}
    rows = [_row(certificate, judge, invalid[judge.name]) for judge in certificate.judges]
    yield from (*table([OVERVIEW, *rows]), "", READING, "")


def _row(certificate: Certificate, judge: Judge, invalid: Estimate) -> Sequence[str]:
    agreed, ceiling, length = judge.one_call, judge.ceiling.get("no_ties"), judge.length
    voted = next(rater.items for rater in certificate.counts.raters if rater.name == judge.name)
    return (
        cell(judge.name),
        str(agreed.items if agreed else voted),
        percent(agreed.by_rule["no_ties"] if agreed else None),
        number(agreed.kappa.value) if agreed else NOTHING,
        points(ceiling.difference if ceiling else None),
        number(100 * judge.order.consistency.value, ".1f", " %"),
        number(judge.order.index.value, "+.2f"),
        number(100 * length.asymmetry.value, "+.1f") if length and length.asymmetry else NOTHING,
        number(100 * invalid.value, ".1f", " %"),
        _outcomes(certificate, judge),
    )


def _outcomes(certificate: Certificate, judge: Judge) -> str:
    """The checks that did not pass, worst first; where all that could be measured did, which these were."""
    passed = [gate.check for gate in certificate.gates if gate.judge == judge.name and gate.outcome == "PASS"]
    return ", ".join(certificate.not_passed(judge.name)) or f"PASS {', '.join(passed) or 'nothing'}"
