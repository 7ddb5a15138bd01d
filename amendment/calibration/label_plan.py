"""How many labels buy which interval, and with what probability a judge passes the gate, before anybody has labelled.

Both by the normal approximation. Covered: comparisons of one prompt that go together, unequal probabilities of being
drawn. Not covered: ties, which the gate drops; a sample that is a large part of all comparisons, whose intervals are
a little narrower than planned.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from amendment.calibration.samples import SampledItem
from amendment.statistics.sampling import effective_rows

__all__ = [
    "GAPS",
    "PLANNED_LABELS",
    "Design",
    "GateChances",
    "LabelPlan",
    "PlanAssumptions",
    "PlanRow",
    "design_of",
    "difference_variance",
    "gate_chances",
    "half_width",
    "label_plan",
    "labels_needed",
]

PLANNED_LABELS = (50, 100, 200, 400, 800, 1600)
GAPS = (0.0, 0.02, 0.05, 0.10)
"""How far a judge's agreement with people lies below that of two people."""
WIDTHS = (0.10, 0.075, 0.05, 0.03)
"""Half widths of intervals."""
ROUNDS = 30
"""Of finding a size whose design effect is its own; each brings it several times nearer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanAssumptions:
    """What is not known before people have labelled."""

    agreement: float = 0.75
    """Of the judge with people."""
    ceiling: float = 0.75
    """Of two people with each other."""
    together: float = 0.23
    """How much comparisons of one prompt go together (intraclass correlation of being right). The default is that of
    PandaLM-7B against the majority of three people on PandaLM's test set: 999 comparisons, 170 prompts, design effect
    2.40."""
    below_ceiling: float = 0.05
    """The gate's margin."""
    level: float = 0.95
    """Of the intervals."""
    annotators: int = 2
    """Who see an item that counts for the gate."""

    def __post_init__(self) -> None:
        bounds = {"agreement": (0.5, 0.99), "ceiling": (0.6, 0.99), "together": (0, 1), "below_ceiling": (0, 0.5)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: expected {low} to {high}, found {getattr(self, name)}")
        if not 0 < self.level < 1 or self.annotators < 1:
            raise ValueError(f"expected a level between 0 and 1 and annotators from 1, found {self}")


class Design(NamedTuple):
    """What a sample is like, as far as it makes intervals wider."""

    labels: int
    """Labelled comparisons."""
    per_prompt: float = 1.0
    """Comparisons of a prompt, seen from a comparison: sum of squares over sum."""
    weights: float = 1.0
    """Effect of unequal weights: n sum(w^2) / sum(w)^2 (Kish 1965, section 11.7)."""

    def effect(self, together: float) -> float:
        """The design effect: (1 + (per_prompt - 1) together) weights (Gabler, Haeder and Lahiri 1999, eq. 2)."""
        return (1 + (self.per_prompt - 1) * together) * self.weights


class GateChances(NamedTuple):
    """Probabilities of the gate's outcomes."""

    passes: float
    """The whole interval of judge - people lies above the margin."""
    fails: float
    """None of it does. What is left is WARN: the data cannot tell."""


class PlanRow(NamedTuple):
    """What so many labels buy."""

    design: Design
    effect: float
    half_width: float
    """Of the interval of agreement, where every comparison has one label or more."""
    gate: dict[float, GateChances]
    """By the gap between judge and people, where every comparison has the labels of two people or more."""

    def to_json(self) -> dict[str, Any]:
        gate = [{"below_people": gap, **chances._asdict()} for gap, chances in self.gate.items()]
        return {**self.design._asdict(), "design_effect": self.effect, "half_width": self.half_width, "gate": gate}


class LabelPlan(NamedTuple):
    """The two tables."""

    assumptions: PlanAssumptions
    rows: tuple[PlanRow, ...]
    needed: dict[float, int | None]
    """Labels by half width, each at the design effect of a sample of that size; None where there are not so many."""


def label_plan(designs: Sequence[Design], assumptions: PlanAssumptions, *, most: int | None = None) -> LabelPlan:
    """What each of these samples, at least one, would buy; `most` is how many comparisons there are to label."""
    rows = tuple(
        PlanRow(
            design,
            design.effect(assumptions.together),
            half_width(design, assumptions),
            {gap: gate_chances(design, gap, assumptions) for gap in GAPS},
        )
        for design in designs
    )
    needed = {width: labels_needed(width, designs, assumptions) for width in WIDTHS}
    told = {width: count if most is None or count <= most else None for width, count in needed.items()}
    return LabelPlan(assumptions, rows, told)


def design_of(items: Sequence[SampledItem]) -> Design:
    """What drawn items are like. Those of a debug sample, which has no weights, count as drawn with equal ones."""
    prompts = np.array(list(Counter(item.prompt_id for item in items).values()), np.float64)
    if not items:
        return Design(0)
    unequal = len(items) / effective_rows([1 / item.chance for item in items])
    return Design(len(items), float(prompts @ prompts) / float(prompts.sum()), unequal)


def half_width(design: Design, assumptions: PlanAssumptions) -> float:
    """h = z sqrt(p (1 - p) deff / n) at agreement p."""
    p, effect = assumptions.agreement, design.effect(assumptions.together)
    return _z(assumptions) * math.sqrt(p * (1 - p) * effect / design.labels) if design.labels else math.inf


def labels_needed(width: float, designs: Sequence[Design], assumptions: PlanAssumptions) -> int:
    """n = z^2 p (1 - p) deff / h^2, rounded, for the half width h, with the design effect of a sample of n.

    That effect is read between the sizes of `designs`, and before and behind them is theirs. At p = 0.75, h = 0.05 and
    deff 1: 3.8415 * 0.1875 / 0.0025 = 288.
    """
    p = assumptions.agreement
    alone = _z(assumptions) ** 2 * p * (1 - p) / width**2
    ranked = sorted(designs)
    sizes, effects = [one.labels for one in ranked], [one.effect(assumptions.together) for one in ranked]
    found = alone
    for _ in range(ROUNDS):
        found = alone * float(np.interp(found, sizes, effects))
    return max(1, round(found))


def gate_chances(design: Design, gap: float, assumptions: PlanAssumptions) -> GateChances:
    """With what probability the gate `judge - people` passes, and fails, for a judge that lies `gap` below people.

    With SE = sqrt(v deff / n), v the variance of one comparison (`difference_variance`) and the margin M:
    P(pass) = P(estimate - z SE > -M) = Phi((M - gap) / SE - z), P(fail) = Phi(-(M - gap) / SE - z).
    """
    if not design.labels or assumptions.annotators < 2:
        return GateChances(0.0, 0.0)
    variance = difference_variance(assumptions.ceiling, gap, annotators=assumptions.annotators)
    error = math.sqrt(variance * design.effect(assumptions.together) / design.labels)
    away, normal = (assumptions.below_ceiling - gap) / error, NormalDist()
    return GateChances(normal.cdf(away - _z(assumptions)), normal.cdf(-away - _z(assumptions)))


def difference_variance(ceiling: float, gap: float, *, annotators: int) -> float:
    """The variance, over comparisons, of the judge's agreement with people minus that of people with each other.

    One of two answers is better. Each person says so with probability c, independently, where two agree with
    probability `ceiling` = c^2 + (1 - c)^2; the judge with the probability q that makes its agreement with one of them
    q c + (1 - q)(1 - c) = ceiling - gap. Of a comparison with k of m people right the difference is k / m or
    (m - k) / m, minus (k (k - 1) + (m - k)(m - k - 1)) / (m (m - 1)).
    """
    c = (1 + math.sqrt(2 * ceiling - 1)) / 2
    q = (ceiling - gap - (1 - c)) / (2 * c - 1)
    if not 0 <= q <= 1:
        raise ValueError(f"no judge agrees in {ceiling - gap:.2f} with people who agree in {ceiling:.2f}")
    m, first, second = annotators, 0.0, 0.0
    for k in range(m + 1):
        people = (k * (k - 1) + (m - k) * (m - k - 1)) / (m * (m - 1))
        for agrees, chance in ((k / m, q), ((m - k) / m, 1 - q)):
            weight = comb(m, k) * c**k * (1 - c) ** (m - k) * chance
            first += weight * (agrees - people)
            second += weight * (agrees - people) ** 2
    return second - first**2


def _z(assumptions: PlanAssumptions) -> float:
    return NormalDist().inv_cdf(0.5 + assumptions.level / 2)
