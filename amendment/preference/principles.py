"""Relate principles to each other: the decisions of each, and the share of them on which two prefer the same answer.

Covered: agreement of every two principles over the comparisons that both decided, with an interval clustered by prompt;
several raters of one principle are put together first. Not covered: why two principles agree. A judge with one taste
whatever it is asked, or one asked in a single order with a liking for it, makes all principles look alike. No
correction is made for the number of pairs that are looked at.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from statistics import fmean
from typing import Any

from amendment.preference.aggregate import list_cells
from amendment.preference.readings import by_comparison, make_readings
from amendment.records import Comparison, Verdict
from amendment.statistics import bounds, share
from amendment.statistics.sides import read_side

REDUNDANT = 0.95
"""Two principles whose agreement is surely above it say the same, as far as this judge can tell."""
CONFLICTING = 0.5
"""Two principles whose agreement is surely below it pull against each other."""
ENOUGH = 30
"""Comparisons that both decided, below which no two principles are called redundant."""


class PrincipleTally:
    """Counts of the principles' decisions, updated prompt by prompt; two principles take a few bytes a comparison."""

    def __init__(self) -> None:
        self._prompts = 0
        self._agreed: dict[tuple[str, str], tuple[array[int], array[int]]] = {}
        """For two principles: 1 where both preferred the same answer, and the number of the prompt."""
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, verdicts: Iterable[Verdict]) -> None:
        """Count all verdicts about one prompt; those that name no principle are left out."""
        named = [verdict for verdict in verdicts if verdict.principle_id]
        for verdict in named:
            self._counts[verdict.principle_id or ""].update(verdicts=1, invalid=int(verdict.invalid is not None))
        for comparison, about in sorted(by_comparison(named).items()):
            self._compare(comparison, about)
        self._prompts += 1

    def _compare(self, comparison: Comparison, verdicts: Iterable[Verdict]) -> None:
        readings = make_readings(verdicts, comparison)
        p: dict[str, list[float]] = defaultdict(list)
        for answer in list_cells(readings, orders="asked"):
            p[answer.principle].append(answer.p)
        sides = {principle: read_side(fmean(p[principle])) for principle in sorted(p)}
        for principle in {reading.principle for reading in readings}:
            side = sides.get(principle)
            self._counts[principle].update(comparisons=1, decided=int(bool(side)), tied=int(side == 0))
        for pair in combinations([principle for principle, side in sides.items() if side], 2):
            agreed, prompts = self._agreed.setdefault(pair, (array("b"), array("q")))
            agreed.append(sides[pair[0]] == sides[pair[1]])
            prompts.append(self._prompts)

    def to_json(self) -> dict[str, Any]:
        """`coverage`: of each principle the comparisons that it was asked about, decided or called a tie, the rest
        could not be read, and its verdicts. `agreements`: of every two that decided a comparison together, the share in
        which they prefer the same answer; `redundant` where its interval lies above 0.95 on 30 comparisons or more,
        `conflicting` where it lies below 0.5."""
        fields = ("comparisons", "decided", "tied", "verdicts", "invalid")
        coverage = [
            {"principle": principle, **{field: self._counts[principle][field] for field in fields}}
            for principle in sorted(self._counts)
        ]
        return {"coverage": coverage, "agreements": [self._agreement(*pair) for pair in sorted(self._agreed)]}

    def _agreement(self, first: str, second: str) -> dict[str, Any]:
        agreement = share(*self._agreed[first, second])
        interval = bounds(agreement)
        return {
            "first": first,
            "second": second,
            "agreement": agreement.to_json(),
            "redundant": interval is not None and interval[0] > REDUNDANT and agreement.n >= ENOUGH,
            "conflicting": interval is not None and interval[1] < CONFLICTING,
        }
