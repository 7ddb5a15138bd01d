"""A matrix of principles as Markdown that reads as well in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.markdown import cell, table
from amendment.preference.principles import PrincipleAgreement, PrincipleCoverage, PrincipleMatrix
from amendment.statistics import Estimate, bounds

__all__ = ["matrix_lines"]


def matrix_lines(matrix: PrincipleMatrix) -> list[str]:
    """Two tables, agreement and coverage, and a line for every two principles that are redundant or conflict."""
    if not matrix.principles:
        return ["no verdict names a principle"]
    return [*_agreements(matrix), "", *_remarks(matrix.agreements), *_coverage(matrix.coverage)]


def _agreements(matrix: PrincipleMatrix) -> list[str]:
    """Percent of the comparisons that both decided, and how many these were; principles are numbered in the head."""
    known = {(each.first, each.second): each.agreement for each in matrix.agreements}
    names = matrix.principles
    rows = [["agreement", *(str(number) for number in range(1, len(names) + 1))]]
    for number, name in enumerate(names, start=1):
        others = [_percent(known.get((name, other) if name < other else (other, name))) for other in names]
        rows.append([f"{number} {cell(name)}", *others])
    return table(rows)


def _percent(agreement: Estimate | None) -> str:
    return "" if agreement is None else f"{agreement.value:.0%} of {agreement.n}"


def _remarks(agreements: Sequence[PrincipleAgreement]) -> Iterator[str]:
    for each in agreements:
        known = bounds(each.agreement)
        if known is None or not (each.is_redundant or each.is_conflicting):
            continue
        told = "say the same, one may do" if each.is_redundant else "pull against each other"
        pair = f"{cell(each.first)} and {cell(each.second)}"
        interval = f"{known[0]:.0%} to {known[1]:.0%}"
        yield f"{pair} {told}: they agree in {each.agreement.value:.0%} ({interval}) of {each.agreement.n} comparisons."
        yield ""


def _coverage(coverage: Sequence[PrincipleCoverage]) -> list[str]:
    rows = [["principle", "category", "comparisons", "decided", "invalid verdicts"]]
    for each in coverage:
        names = [cell(each.principle), cell(each.category or "none")]
        rows.append([*names, str(each.comparisons), f"{each.decided_share:.0%}", f"{each.invalid} of {each.verdicts}"])
    return table(rows)
