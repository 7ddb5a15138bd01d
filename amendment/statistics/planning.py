"""How many labels a conclusion needs: before anybody labels, and after labels that were too few.

The model: people and judge each say what is true with a probability of their own, independently of each other, and both
sides are right equally often. Then the figures of `beside` have known means and variances, and the chance that all
parts are shown is at least 1 - sum(1 - chance of each part). `benchmarks/conclusions.py` compares that with draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from amendment.statistics.beside import Beside, ItemSides, Shown, beside

CHANCE = 0.8
"""Of "Use", for which items are planned."""
MOST_ITEMS = 1_000_000
SAMPLE = 100_000


@dataclass(frozen=True)
class Bar:
    """What has to be shown of a judge, one-sided at `p` each."""

    margin: float
    """How far its agreement with people may lie below theirs with each other."""
    kappa: float
    """What its kappa with people, and theirs, have to exceed."""
    p: float

    def parts(self, figures: Beside) -> dict[str, tuple[Shown, float]]:
        """Return by name the figure and what it has to exceed."""
        return {
            "people": (figures.people_kappa, self.kappa),
            "chance": (figures.judge_kappa, self.kappa),
            "ceiling": (figures.gap, -self.margin),
        }

    def could_show(self, gap: Shown) -> float:
        """Return the gap at which labels of this kind give "Use" in 80 % of samples, as far as the gap decides."""
        return -self.margin - gap.at_least(self.p) + gap.value + 0.84 * gap.error

    def missing(self, figures: Beside) -> list[str]:
        """Return the parts that are not shown."""
        return [name for name, (shown, bound) in self.parts(figures).items() if shown.p_above(bound) >= self.p]


def expect_figures(people_right: float, judge_right: float, annotators: int) -> Beside:
    """Return the figures of a sample of `SAMPLE` items in which every outcome is as frequent as expected."""
    right = np.arange(annotators + 1)  # of the people on an item
    ways = np.array([float(math.comb(annotators, number)) for number in range(annotators + 1)])
    chance = ways * people_right**right * (1 - people_right) ** (annotators - right)
    often = np.round(SAMPLE / 2 * np.outer([judge_right, 1 - judge_right], chance)).astype(np.int64).ravel()
    judge = np.repeat(np.repeat([1.0, -1.0], annotators + 1), often)  # where the truth is +1
    total = np.repeat(np.tile(2.0 * right - annotators, 2), often)
    count = np.full(2 * judge.size, float(annotators))
    judge, total = (np.concatenate([sides, -sides]) for sides in (judge, total))
    return beside(ItemSides(judge, total, count, count, np.ones(count.size), np.arange(count.size)))


def chance_of_use(figures: Beside, bar: Bar) -> float:
    """Return the chance that a sample with these expected figures shows all that `bar` asks."""
    return max(0.0, 1 - sum(1 - _power(shown, bound, bar.p) for shown, bound in bar.parts(figures).values()))


def _power(shown: Shown, bound: float, p: float) -> float:
    from scipy.special import ndtr, stdtrit

    if not shown.clusters > 1:
        return 0.0
    mean, error = shown.with_one_more(shown.least)
    return float(ndtr((mean - bound) / error - stdtrit(shown.clusters - 1, 1 - p)))


def items_needed(enough: Callable[[int], bool]) -> int | None:
    """Return the fewest items with which `enough` holds, to two digits upwards; None if a million are too few."""
    if not enough(MOST_ITEMS):
        return None
    low, high = 1, MOST_ITEMS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    digits: int = 10 ** max(0, len(str(high)) - 2)
    return math.ceil(high / digits) * digits


def items_for_use(figures: Beside, bar: Bar) -> int | None:
    """Return items that give a judge of these figures a chance of 80 % of "Use"."""
    return items_needed(lambda items: chance_of_use(scaled(figures, items), bar) >= CHANCE)


def items_to_decide(figures: Beside, bar: Bar, p: float) -> tuple[str, int] | None:
    """Return the form that figures like these would decide, Use or Do not use, and the items for it; the latter needs
    the gap shown below the margin at `p`."""
    use = items_for_use(figures, bar)
    if needed := use or items_needed(lambda items: scaled(figures, items).gap.p_below(-bar.margin) < p):
        return "Use" if use else "Do not use", needed
    return None


def items_for_gap(figures: Beside, p: float) -> int | None:
    """Return items that show in 80 % of samples, one-sided at `p`, that this judge agrees with people less than they
    do."""

    def enough(items: int) -> bool:
        gap = scaled(figures, items).gap
        return _power(gap._replace(value=-gap.value), 0, p) >= CHANCE

    return items_needed(enough)


def scaled(figures: Beside, items: int) -> Beside:
    """Return the same figures with the errors that so many items would have."""
    return Beside._make(
        shown._replace(
            error=shown.error * math.sqrt(max(shown.items, 1) / items),
            items=items,
            clusters=shown.clusters * items / max(shown.items, 1),
        )
        for shown in figures
    )


def accuracy_from_agreement(agreement: float) -> float:
    """Return how often each of two equally good raters is right who agree so often: a**2 + (1 - a)**2 = agreement."""
    return (1 + math.sqrt(max(2 * agreement - 1, 0))) / 2


def items_for_width(agreement: float, width: float, level: float) -> int | None:
    """Return labelled items for an interval of the judge's agreement that is so wide from end to end."""

    def enough(items: int) -> bool:
        error = math.sqrt(agreement * (1 - agreement) / items)
        interval = Shown(agreement, error, items, items, 0, 1).estimate(level)
        return interval.high - interval.low <= width

    return items_needed(enough)
