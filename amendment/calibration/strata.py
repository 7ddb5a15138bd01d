"""Strata of a spot check: by the principle that decided, how sure the judge is, its two orders, and lengths.

Edges of surety are fixed, so that a comparison's stratum follows from its own judgement, and names mean the same in
every run; lengths are split into thirds of the run's own comparisons. Strata that are too small to be drawn from are
put together: first over lengths, then over orders, surety and principles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from amendment.records import Comparison

__all__ = ["Exported", "strata_of"]

LEAST = 2.0
"""Expected items of a stratum: two are needed for a variance."""
SURE = (0.5, 0.8)
"""Edges of |2P - 1|."""
SURETY = ("unsure", "fairly sure", "sure")
ORDERS = {True: "orders agree", False: "orders disagree", None: "one order"}
LENGTHS = ("lengths alike", "lengths apart", "lengths far apart")
ANY = ("any principle", "any surety", "any order", "any length")
WORDS: tuple[tuple[str, ...], ...] = ((), SURETY, tuple(ORDERS.values()), LENGTHS)
NEAR = 1e-9


class Exported(NamedTuple):
    """A comparison that the dataset would export, as a judge decided it."""

    comparison: Comparison
    p_a: float
    """P(a is better), raw."""
    consistent: bool | None
    """Whether both displayed orders preferred the same answer; None where only one was read."""
    principle: str | None
    """The one that decided, or the only or first one that was asked by."""
    length_ratio: float
    """The longer answer's length over the shorter one's, at least 1."""


class _Stratum(NamedTuple):
    places: list[int]
    size: float


def strata_of(population: Sequence[Exported], expected: Sequence[float]) -> list[str]:
    """The name of each comparison's stratum, such as `rules/kind / unsure / orders agree / lengths alike`.

    `expected` is how many times each is drawn on average. Each stratum expects two or more, as far as there are.
    """
    keys = _keys(population)
    found = _split(list(range(len(keys))), keys, expected, depth=0)
    names = [""] * len(keys)
    for stratum in found:
        name = _name([keys[place] for place in stratum.places], keys)
        for place in stratum.places:
            names[place] = name
    return names


def _keys(population: Sequence[Exported]) -> list[tuple[str, ...]]:
    ratios = np.array([one.length_ratio for one in population])
    edges = np.quantile(ratios, [1 / 3, 2 / 3]) if population else ratios
    thirds = np.searchsorted(edges, ratios, side="left")
    surety = np.searchsorted(SURE, [abs(2 * one.p_a - 1) + NEAR for one in population], side="right")
    return [
        (one.principle or "no principle", SURETY[sure], ORDERS[one.consistent], LENGTHS[third])
        for one, sure, third in zip(population, surety, thirds, strict=True)
    ]


def _split(
    places: list[int], keys: Sequence[tuple[str, ...]], expected: Sequence[float], *, depth: int
) -> list[_Stratum]:
    if depth == len(WORDS):
        return [_Stratum(places, sum(expected[place] for place in places))]
    by_value: dict[str, list[int]] = defaultdict(list)
    for place in places:
        by_value[keys[place][depth]].append(place)
    return list(_pooled([_split(by_value[name], keys, expected, depth=depth + 1) for name in sorted(by_value)]))


def _pooled(children: Sequence[list[_Stratum]]) -> Iterator[_Stratum]:
    """The strata of all children; those that are too small become one, with the next smallest where that takes it."""
    sizes = [sum(stratum.size for stratum in child) for child in children]
    ranked = sorted(range(len(children)), key=lambda index: (sizes[index], index))
    pool = _Stratum([], 0.0)
    rest: list[int] = []
    for index in ranked:
        is_taken = sizes[index] < LEAST - NEAR or (pool.places and pool.size < LEAST - NEAR)
        if is_taken:
            pool = _Stratum(
                [*pool.places, *(p for one in children[index] for p in one.places)], pool.size + sizes[index]
            )
        else:
            rest.append(index)
    for index in sorted(rest):
        yield from children[index]
    if pool.places:
        yield pool


def _name(own: Sequence[tuple[str, ...]], keys: Sequence[tuple[str, ...]]) -> str:
    return " / ".join(
        _value({key[depth] for key in own}, {key[depth] for key in keys}, depth) for depth in range(len(WORDS))
    )


def _value(own: set[str], known: set[str], depth: int) -> str:
    """One value, several in their order, or any."""
    if len(own) == 1:
        return next(iter(own))
    if own == known:
        return ANY[depth]
    return " or ".join(word for word in WORDS[depth] if word in own) or "other principles"
