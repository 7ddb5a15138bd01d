"""A rater's P(a) by one principle, samples and orders put together: what judgements are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from amendment.preference.readings import Reading

__all__ = ["Cell", "Needs", "cells_of"]

Needs = Literal["both", "asked", "any"]


class Cell(NamedTuple):
    """One rater's by one principle."""

    rater: str
    principle: str
    """Empty where there is none."""
    by_order: Mapping[str, float]
    """Mean P(a) over samples by what was seen first."""

    @property
    def p(self) -> float:
        """P(a is better), orders weighing alike."""
        return fmean(self.by_order.values())

    @property
    def in_both(self) -> bool:
        """Whether it was read in both displayed orders."""
        return "a" in self.by_order and "b" in self.by_order


def cells_of(readings: Iterable[Reading], *, needs: Needs) -> list[Cell]:
    """Every rater's by every principle, in the order of their names, but those that are not read as far as it needs.

    both: in both displayed orders, or without any; asked: in every order in which it was asked; any: in one.
    """
    read: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for reading in readings:
        values = read[reading.rater, reading.principle][reading.seen]
        if reading.p_a is not None:
            values.append(reading.p_a)
    cells = (Cell(*key, _means(orders)) for key, orders in sorted(read.items()) if _is_read(orders, needs))
    return [cell for cell in cells if needs != "both" or cell.in_both or "alone" in cell.by_order]


def _is_read(orders: Mapping[str, Sequence[float]], needs: Needs) -> bool:
    return all(orders.values()) if needs == "asked" else any(orders.values())


def _means(orders: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Sorted, since sums of floats depend on their order in the last digits."""
    return {seen: fmean(sorted(orders[seen])) for seen in sorted(orders) if orders[seen]}
