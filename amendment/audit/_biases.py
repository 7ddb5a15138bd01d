"""The sections of a certificate about what sways judges."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from amendment.audit._figures import NOTHING, measured_points, number, percent, points
from amendment.audit.certificate import Certificate, Judge
from amendment.audit.controlled import FEW_COMPARISONS, MOST, ControlledBy
from amendment.audit.family import Tested
from amendment.audit.groups import MOST_LISTED
from amendment.markdown import cell
from amendment.statistics.length_difficulty import FEWEST_SYSTEMS

__all__ = ["bias_sections"]

Rows = Sequence[Sequence[str]]
LISTED = f"fewer than {FEW_COMPARISONS} comparisons, or not among the {MOST} with most"
MOST_SHOWN = 10
"""Items of one judge that are named; the JSON names more."""


def repetitions(certificate: Certificate) -> Rows:
    head = ("judge", "asked twice", "same verdict", "two draws agree", "of different orders", "order alone, points")
    rows = [
        (
            cell(judge.name),
            str(found.groups),
            percent(found.stability),
            percent(found.same_order),
            percent(found.other_order),
            points(found.bias_share),
        )
        for judge in certificate.judges
        if (found := judge.bias.repetition)
    ]
    return [head, *rows]


def marks(certificate: Certificate) -> Rows:
    head = ("judge", "mark", "items", "judge prefers more", "people do", "asymmetry, points")
    rows = [
        (
            cell(judge.name),
            cell(one.mark),
            str(one.items),
            percent(one.judge),
            percent(one.people),
            measured_points(one.asymmetry),
        )
        for judge in certificate.judges
        for one in judge.bias.marks
    ]
    return [head, *rows]


def owns(certificate: Certificate) -> Rows:
    head = ("judge", "own model", "items", "prefers own, without people", "beside people, points")
    rows = [
        (
            cell(judge.name),
            cell(found.model),
            str(found.items),
            percent(found.without_people),
            measured_points(found.preference),
        )
        for judge in certificate.judges
        if (found := judge.bias.own)
    ]
    return [head, *rows]


def rationales(certificate: Certificate) -> Rows:
    head = ("judge", "compared", "argue for the other answer", "share", "items")
    rows = [
        (cell(judge.name), str(found.share.n), str(found.contradicting), percent(found.share), _named(found.items))
        for judge in certificate.judges
        if (found := judge.bias.rationales)
    ]
    return [head, *rows]


def _named(items: Sequence[str]) -> str:
    shown = ", ".join(cell(item) for item in items[:MOST_SHOWN])
    return f"{shown} and {len(items) - MOST_SHOWN} more" if len(items) > MOST_SHOWN else shown or NOTHING


def families(certificate: Certificate) -> Rows:
    """Of many judges only what was rejected."""
    is_short = len(certificate.judges) <= MOST_LISTED
    head = ("judge", "bias", "effect, points", "p", "adjusted p", "found")
    rows = [
        _test(judge, one) for judge in certificate.judges for one in judge.bias.family.tests if is_short or one.rejected
    ]
    return [head, *rows]


def _test(judge: Judge, one: Tested) -> Sequence[str]:
    told = "not tested" if math.isnan(one.p) else "yes" if one.rejected else "no"
    return cell(judge.name), cell(one.name), points(one.effect), number(one.p, ".2g"), number(one.adjusted, ".2g"), told


def systems(certificate: Certificate) -> Rows:
    head = ("model", "judge", "wins", "wins at equal lengths", "slope", "caution")
    rows = [
        (
            cell(one.model),
            cell(one.judge),
            percent(one.raw),
            percent(one.controlled),
            f"{one.slope:+.2f}",
            one.warning or NOTHING,
        )
        for one in certificate.controlled
    ]
    return [head, *rows]


def _made(one: ControlledBy) -> str:
    votes = "by its probabilities" if one.is_soft else "by its verdicts, since it gives no probabilities"
    fitted = (
        f"difficulty of the prompts fitted over {one.systems} systems against {cell(one.opponent)}, which has no line"
        if one.opponent
        else f"without the difficulty of the prompts, which takes {FEWEST_SYSTEMS} systems against one on its prompts"
    )
    missing = f"; {one.not_listed} of {one.systems} systems are not listed ({LISTED})" if one.not_listed else ""
    return f"- {cell(one.judge)}: {votes}; {fitted}{missing}"


def bias_sections(cut: Callable[[Rows], Iterator[str]]) -> dict[str, Callable[[Certificate], Iterator[str]]]:
    """Titles and what stands under them; `cut` makes lines of rows."""
    tables: dict[str, Callable[[Certificate], Rows]] = {
        "Biases as one family of tests": families,
        "Asked again": repetitions,
        "What answers carry": marks,
        "Own answers": owns,
        "Reasoning and verdict": rationales,
    }

    def section(rows: Callable[[Certificate], Rows]) -> Callable[[Certificate], Iterator[str]]:
        return lambda certificate: cut(rows(certificate))

    def at_equal_lengths(certificate: Certificate) -> Iterator[str]:
        yield from (_made(one) for one in certificate.controlled_by)
        yield from ("", *cut(systems(certificate))) if certificate.controlled else ()

    return {**{title: section(rows) for title, rows in tables.items()}, "Who wins at equal lengths": at_equal_lengths}
