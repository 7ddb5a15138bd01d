"""What labels can decide, in words: how many are needed for what, and what a sample will do, before anybody labels.

Judge and people err independently, and every item has a prompt of its own; otherwise more items are needed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from amendment.audit.ceiling import MARGIN, Requirements
from amendment.audit.figures import NOTHING, rounded
from amendment.statistics import Estimate
from amendment.statistics.intervals import FEWEST_ITEMS
from amendment.statistics.planning import (
    CHANCE,
    chance_of_use,
    expect_figures,
    items_for_gap,
    items_for_use,
    items_for_width,
    scaled,
)

RIGHT = (0.95, 0.9, 0.85, 0.8, 0.75)
"""How often people are right, by column."""
USUALLY = 0.9
"""The same of the people whom a sample is planned for."""
NUMBERS = {2: "two", 3: "three"}
GAPS, WIDTHS = (0.1, 0.05), (0.05, 0.03)
"""Differences between judge and people, and how far the bounds of an interval lie from the figure."""


def plan_lines(judges: int, asked: Requirements) -> Iterator[str]:
    """Yield the labelled items that so many judges need, as a table for a terminal."""
    bar = asked.bar(judges)
    level = f"{100 * (1 - 5 * bar.p):.4g} %"
    often = rounded(CHANCE)
    agreements = [right**2 + (1 - right) ** 2 for right in RIGHT]
    yield f"Items to label for {_count(judges, 'judge')} and {_count(asked.looks, 'look')} at the labels"
    yield ""
    yield _row("if people are right on", "", map(rounded, RIGHT))
    yield _row("and two of them agree on", "", map(rounded, agreements))
    for annotators, number in NUMBERS.items():
        needed = [items_for_use(expect_figures(right, right, annotators), bar) for right in RIGHT]
        yield _row('"Use" for a judge as good as people', f"{number} people", map(_items, needed))
    for gap in GAPS:
        # agreement is r q + (1 - r) (1 - q), so that the difference is (2 r - 1) (q - r)
        own = [right - gap / (2 * right - 1) for right in RIGHT]
        for annotators, number in NUMBERS.items():
            figures = [expect_figures(right, judge, annotators) for right, judge in zip(RIGHT, own, strict=True)]
            needed = [items_for_gap(those, 2.5 * bar.p) for those in figures]
            yield _row(f"a judge {100 * gap:g} points below, shown to be so", f"{number} people", map(_items, needed))
    for width in WIDTHS:
        needed = [items_for_width(agreement, 2 * width, 1 - 5 * bar.p) for agreement in agreements]
        yield _row(f"its agreement within ± {100 * width:g} points", "one person", map(_items, needed))
    yield ""
    margin = f"{100 * bar.margin:g} points"
    yield f'"Use" has a margin of {margin}. A judge is shown to be below people where the {level} interval'
    yield f"of the difference lies below 0. Both happen in {often} of samples. The last two rows are {level} intervals"
    yield "for a judge as good as people. Each item has a prompt of its own, and judge and people err independently;"
    yield "otherwise more may be needed."


def outlook(items: int, annotators: int, *, judges: int, asked: Requirements) -> str:
    """Return how often a judge as good as people gets "Use" from a sample of which so many annotators label so many
    items."""
    if annotators < 2 or not items:
        alone = 'No item is labelled by two people: no judge can get "Use" from this sample'
        return f"{alone}: set `annotators: 2` and `overlap`."
    figures = expect_figures(USUALLY, USUALLY, annotators)
    bar = asked.bar(judges)
    chance = chance_of_use(scaled(figures, items), bar)
    needed = items_for_use(figures, bar)
    people = f"{_count(items, 'item')} labelled by {NUMBERS.get(annotators, annotators)} people"
    within = "" if asked.margin == MARGIN else f" with a margin of {100 * asked.margin:g} points"
    enough = "" if chance >= CHANCE or not needed else f"; with {needed:,} items, in {rounded(CHANCE)}"
    return (
        f'If people are right on {rounded(USUALLY)} of the items, a judge as good as they are gets "Use"{within} in '
        f"{rounded(chance)} of samples of {people}{enough}."
    )


def still_needed(agreement: Estimate, annotators: int, *, judges: int, asked: Requirements) -> str | None:
    """Return how many items a judge as good as these people needs for "Use", by how often two of them agree so far;
    None on fewer than 30 items, which say too little."""
    if agreement.n < FEWEST_ITEMS or annotators < 2:
        return None
    so_far = f"On {agreement.n:,} items with two people, two agree in {rounded(agreement.value)}."
    right = (1 + math.sqrt(max(2 * agreement.value - 1, 0))) / 2
    needed = items_for_use(expect_figures(right, right, annotators), asked.bar(judges))
    if not needed:
        return f'{so_far} People who agree so little decide nothing: no number of items gives a judge "Use".'
    more = f"{needed - agreement.n:,} more" if needed > agreement.n else "no more"
    return (
        f'{so_far} A judge as good as they are gets "Use" in {rounded(CHANCE)} of samples of {needed:,} such items: '
        f"{more} are needed."
    )


def _row(words: str, labelled_by: str, cells: Iterable[str]) -> str:
    return f"{words:<47}{labelled_by:<12}" + "".join(f"{cell:>8}" for cell in cells)


def _items(needed: int | None) -> str:
    return f"{needed:,}" if needed else NOTHING


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
