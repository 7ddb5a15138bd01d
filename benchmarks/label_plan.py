"""What labels buy, by the normal approximation: the table of benchmarks/results/label_plan.md.

`python -m benchmarks.label_plan`
"""

from __future__ import annotations

import math
from math import comb
from statistics import NormalDist
from typing import NamedTuple

from amendment.text import table

GAPS = (0.0, 0.02, 0.05, 0.10)
_Z = NormalDist().inv_cdf(0.975)


class LabelPlan(NamedTuple):
    """What labels buy."""

    half_width: float
    """Of the 95 % interval of agreement, where every comparison has one label or more."""
    passes: float
    """Probability that the gate passes, where every comparison has the labels of two people or more."""
    fails: float
    """Probability that it fails; what is left is WARN: the data cannot tell."""


def label_plan(
    labels: int,
    *,
    gap: float = 0.0,
    agreement: float = 0.75,
    ceiling: float = 0.75,
    margin: float = 0.05,
    per_prompt: float = 1.0,
    together: float = 0.23,
    annotators: int = 2,
) -> LabelPlan:
    """What so many labelled comparisons buy, for a judge that agrees with people `gap` less than two people do.

    `agreement` of judge and people and the `ceiling`, that of two people, are assumed; `margin` is the gate's.
    `per_prompt` comparisons belong to a prompt (sum of squares over sum) and go together as PandaLM-7B's do against
    three people (intraclass correlation 0.23): deff = 1 + (per_prompt - 1) together (Gabler, Haeder and Lahiri 1999).
    Half width: z sqrt(p (1 - p) deff / n). Gate: with SE = sqrt(v deff / n), v by `difference_variance`,
    P(pass) = Phi((margin - gap) / SE - z) and P(fail) = Phi(-(margin - gap) / SE - z).
    """
    effect = 1 + (per_prompt - 1) * together
    error = math.sqrt(difference_variance(ceiling, gap, annotators=annotators) * effect / labels)
    away, normal = (margin - gap) / error, NormalDist()
    half_width = _Z * math.sqrt(agreement * (1 - agreement) * effect / labels)
    return LabelPlan(half_width, normal.cdf(away - _Z), normal.cdf(-away - _Z))


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


def rows() -> list[list[str]]:
    """A row for each number of labels: the interval, and PASS / FAIL by how far the judge is below people."""
    head = ["labels", "interval", "as good as people", *(f"{100 * gap:g} points below people" for gap in GAPS[1:])]
    lines = [head]
    for labels in (50, 100, 200, 400, 800, 1600):
        plans = [label_plan(labels, gap=gap) for gap in GAPS]
        chances = [f"{100 * plan.passes:.0f} % / {100 * plan.fails:.0f} %" for plan in plans]
        lines.append([f"{labels:,}", f"±{100 * plans[0].half_width:.1f} points", *chances])
    return lines


if __name__ == "__main__":
    print("\n".join(table(rows())))
