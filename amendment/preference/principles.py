"""How principles relate: which agree so well that one of them would do, which pull against each other, and on which
prompts each was asked at all.

Covered: agreement of every two principles over the comparisons that both decided, with an interval clustered by prompt;
each principle by category of prompt, with what could not be read and what was a tie. Several raters of one principle
are put together first.

Not covered: why two principles agree. A judge with one taste whatever it is asked, or one asked in a single displayed
order with a liking for it, makes all principles look alike. No correction is made for the number of pairs that are
looked at.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any, NamedTuple

from amendment.preference.aggregate import cells_of
from amendment.preference.readings import by_comparison, readings_of
from amendment.records import Comparison, Prompt, Verdict
from amendment.statistics import Estimate, bounds, share
from amendment.statistics.sides import side_of
from amendment.text import cell, table

REDUNDANT = 0.95
"""Two principles whose agreement is surely above it say the same, as far as this judge can tell."""
CONFLICTING = 0.5
"""Two principles whose agreement is surely below it pull against each other."""
ENOUGH = 30
"""Comparisons that both decided, below which no two principles are called redundant."""


class PrincipleAgreement(NamedTuple):
    """Of two principles, over the comparisons that both decided."""

    first: str
    second: str
    """References, `constitution/principle`."""
    agreement: Estimate
    """The share in which both prefer the same answer; its rows are comparisons, its clusters prompts."""

    @property
    def is_redundant(self) -> bool:
        """Whether the interval lies above 0.95, on 30 comparisons or more."""
        known = bounds(self.agreement)
        return known is not None and known[0] > REDUNDANT and self.agreement.n >= ENOUGH

    @property
    def is_conflicting(self) -> bool:
        """Whether the interval lies below 0.5."""
        known = bounds(self.agreement)
        return known is not None and known[1] < CONFLICTING

    def to_json(self) -> dict[str, Any]:
        """JSON values under the names of the fields, and both flags."""
        flags = {"redundant": self.is_redundant, "conflicting": self.is_conflicting}
        return {"first": self.first, "second": self.second, "agreement": self.agreement.to_json(), **flags}


class PrincipleCoverage(NamedTuple):
    """What one principle was asked about prompts of one category."""

    principle: str
    category: str | None
    comparisons: int = 0
    """In which the principle was asked."""
    decided: int = 0
    """Comparisons in which it preferred an answer."""
    tied: int = 0
    """Comparisons in which it preferred none; the rest could not be read."""
    verdicts: int = 0
    invalid: int = 0
    """Verdicts that could not be read."""

    @property
    def decided_share(self) -> float:
        """Of the comparisons in which the principle was asked."""
        return self.decided / self.comparisons if self.comparisons else 0.0


class PrincipleMatrix(NamedTuple):
    """Every two principles that judged a comparison together, and each of them by category of prompt."""

    principles: tuple[str, ...]
    """References, in the order of their names."""
    agreements: tuple[PrincipleAgreement, ...]
    coverage: tuple[PrincipleCoverage, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        return {
            "principles": list(self.principles),
            "agreements": [each.to_json() for each in self.agreements],
            "coverage": [each._asdict() for each in self.coverage],
        }


def principle_matrix(verdicts: Iterable[Verdict], prompts: Iterable[Prompt]) -> PrincipleMatrix:
    """The matrix of all verdicts of a run; those that name no principle do not count."""
    by_prompt: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_prompt[verdict.prompt_id].append(verdict)
    categories = {prompt.id: prompt.category for prompt in prompts}
    tally = PrincipleTally()
    for prompt_id in sorted(by_prompt):  # sums of floats depend on their order in the last digits
        tally.add(by_prompt[prompt_id], category=categories.get(prompt_id))
    return tally.matrix()


class PrincipleTally:
    """The same, prompt by prompt: what is kept of a comparison is a few bytes for every two principles."""

    def __init__(self) -> None:
        self._prompts = 0
        self._agreed: dict[tuple[str, str], tuple[array[int], array[int]]] = {}
        """Whether both preferred the same answer, and the number of the prompt."""
        self._counts: dict[tuple[str, str | None], Counter[str]] = defaultdict(Counter)

    def add(self, verdicts: Iterable[Verdict], *, category: str | None = None) -> None:
        """Count all verdicts about one prompt; those that name no principle are left out."""
        named = [verdict for verdict in verdicts if verdict.principle_id]
        for verdict in named:
            counts = self._counts[verdict.principle_id or "", category]
            counts.update(verdicts=1, invalid=int(verdict.invalid is not None))
        found = by_comparison(named)
        for comparison in sorted(found):
            self._compare(comparison, found[comparison], category)
        self._prompts += 1

    def _compare(self, comparison: Comparison, verdicts: Iterable[Verdict], category: str | None) -> None:
        readings = readings_of(verdicts, comparison)
        found: dict[str, list[float]] = defaultdict(list)
        for answer in cells_of(readings, orders="asked"):
            found[answer.principle].append(answer.p)
        sides = {principle: side_of(fmean(p)) for principle, p in sorted(found.items())}
        for principle in {reading.principle for reading in readings}:
            side = sides.get(principle)
            read = {} if side is None else {"decided" if side else "tied": 1}
            self._counts[principle, category].update(comparisons=1, **read)
        for pair in combinations([principle for principle, side in sides.items() if side], 2):
            agreed, prompts = self._agreed.setdefault(pair, (array("b"), array("q")))
            agreed.append(sides[pair[0]] == sides[pair[1]])
            prompts.append(self._prompts)

    def matrix(self) -> PrincipleMatrix:
        """What was counted so far."""
        keys = sorted(self._counts, key=lambda key: (key[0], key[1] is not None, key[1] or ""))
        return PrincipleMatrix(
            principles=tuple(sorted({principle for principle, _ in keys})),
            agreements=tuple(
                PrincipleAgreement(first=first, second=second, agreement=share(agreed, prompts))
                for (first, second), (agreed, prompts) in sorted(self._agreed.items())
            ),
            coverage=tuple(_coverage(*key, self._counts[key]) for key in keys),
        )


def _coverage(principle: str, category: str | None, counts: Mapping[str, int]) -> PrincipleCoverage:
    fields = ("comparisons", "decided", "tied", "verdicts", "invalid")
    return PrincipleCoverage(principle, category, *(counts.get(name, 0) for name in fields))


def matrix_lines(matrix: PrincipleMatrix) -> list[str]:
    """Two tables, agreement and coverage, and a line for every two principles that are redundant or conflict."""
    if not matrix.principles:
        return ["no verdict names a principle"]
    return [*_agreements(matrix), "", *_remarks(matrix.agreements), *_coverage_lines(matrix.coverage)]


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


def _coverage_lines(coverage: Sequence[PrincipleCoverage]) -> list[str]:
    rows = [["principle", "category", "comparisons", "decided", "invalid verdicts"]]
    for each in coverage:
        names = [cell(each.principle), cell(each.category or "none")]
        rows.append([*names, str(each.comparisons), f"{each.decided_share:.0%}", f"{each.invalid} of {each.verdicts}"])
    return table(rows)
