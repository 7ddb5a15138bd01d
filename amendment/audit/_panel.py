"""What each rater says after all, per displayed order and then over orders, and what most people say.

The rule is that of `amendment.preference.aggregate`, evaluated once for each combination of classes that can occur.
Votes that could not be read are left out where another vote of the same order could be; an order with nothing readable
is invalid, and so is then the item for this rater. What a person said of an item that was shown once more does not
stand in the table's votes, and so nowhere here.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.audit._table import INVALID, NONE, TIE, A, B, Codes, Numbers, Rater, Table
from amendment.preference.aggregate import majority_side, side_in_order, side_over_orders
from amendment.statistics.sides import HALF

__all__ = ["Calls", "Panel", "panel_of", "readings"]


class Calls(NamedTuple):
    """Verdicts, one entry each, sorted by rater, item and order."""

    rater: Codes
    item: Codes
    order: Codes
    value: Codes

    def of(self, rater: int) -> Calls:
        low, high = np.searchsorted(self.rater, [rater, rater + 1])
        return Calls(*(column[low:high] for column in self))

    def where(self, mask: NDArray[np.bool_]) -> Calls:
        return Calls(*(column[mask] for column in self))

    @property
    def readable(self) -> NDArray[np.bool_]:
        return self.value < INVALID


class Panel(NamedTuple):
    """All raters' verdicts on the items of a table."""

    table: Table
    calls: Calls
    """One per rater, item and displayed order."""
    verdicts: Calls
    """One per rater and item; `order` is 1 where both orders were asked, otherwise 0."""
    people: Codes
    """Readable verdicts of people: a row per item, columns A, tie and B."""
    majority: Codes
    """Of people, per item; NONE where no person could be read."""

    @property
    def judges(self) -> list[tuple[int, Rater]]:
        return [(number, rater) for number, rater in enumerate(self.table.raters) if not rater.is_person]

    @property
    def persons(self) -> list[tuple[int, Rater]]:
        return [(number, rater) for number, rater in enumerate(self.table.raters) if rater.is_person]

    @property
    def labels(self) -> Calls:
        """People's readable verdicts, one per person and item."""
        return self.verdicts.where((self.verdicts.rater < len(self.persons)) & self.verdicts.readable)

    def prompts(self, item: Codes) -> Codes:
        """What to cluster by: the prompts of items."""
        return self.table.prompt[item]

    def by_item(self, calls: Calls, order: int | None = None) -> Codes:
        """One rater's values as an array over all items, NONE where there is none."""
        values = np.full(len(self.table.items), NONE)
        chosen = calls if order is None else calls.where(calls.order == order)
        values[chosen.item] = chosen.value
        return values


def panel_of(table: Table, mask: NDArray[np.bool_] | None = None) -> Panel:
    """Put votes together, all of them or those of `mask`."""
    calls = _per_order(table, mask)
    verdicts = _over_orders(calls, len(table.items))
    is_person = np.array([rater.is_person for rater in table.raters])
    heard = verdicts.where(is_person[verdicts.rater] & verdicts.readable)
    people = np.bincount(heard.item * 3 + heard.value, minlength=3 * len(table.items)).reshape(-1, 3)
    return Panel(table, calls, verdicts, people, _majority(people))


def _per_order(table: Table, mask: NDArray[np.bool_] | None) -> Calls:
    votes, items = table.votes, len(table.items)
    keys = (votes.rater * items + votes.item) * 3 + votes.order
    value, p = votes.value, votes.p
    if mask is not None:
        keys, value, p = keys[mask], value[mask], p[mask]
    unique, combined = readings(keys, value, p)
    return Calls(unique // (3 * items), unique // 3 % items, unique % 3, combined)


def readings(keys: Codes, value: Codes, p: Numbers) -> tuple[Codes, Codes]:
    """What votes of one key say together: the keys, each once and sorted, and a class for each."""
    unique, group = np.unique(keys, return_inverse=True)
    readable = value < INVALID
    heard = np.bincount(group[readable], minlength=unique.size)
    mean = np.bincount(group[readable], p[readable], unique.size) / np.maximum(heard, 1)
    least, most = _extremes(group, value, readable, unique.size)
    leaning = np.where(mean > 0.5 + HALF, A, np.where(mean < 0.5 - HALF, B, TIE))
    return unique, np.where(heard == 0, INVALID, IN_ORDER[np.minimum(least, B), np.maximum(most, A), leaning])


def _over_orders(calls: Calls, items: int) -> Calls:
    unique, group = np.unique(calls.rater * items + calls.item, return_inverse=True)
    seen = np.full((unique.size, 3), NONE)
    seen[group, calls.order] = calls.value
    combined = OVER_ORDERS[seen[:, 0], seen[:, 1], seen[:, 2]]
    known = np.bincount(group[calls.order < 2], minlength=unique.size)
    return Calls(unique // items, unique % items, (known == 2).astype(np.int64), combined)


def _extremes(group: Codes, value: Codes, counted: NDArray[np.bool_], groups: int) -> tuple[Codes, Codes]:
    """The least and the greatest value of each group."""
    least, most = np.full(groups, NONE), np.full(groups, -1)
    np.minimum.at(least, group[counted], value[counted])
    np.maximum.at(most, group[counted], value[counted])
    return least, most


def _majority(people: Codes) -> Codes:
    counts, which = np.unique(people, axis=0, return_inverse=True)
    found = [majority_side(a, tie, b) for a, tie, b in counts.tolist()]
    sides = np.array([NONE if side is None else 1 - side for side in found], np.int64)
    return sides[which.reshape(-1)]


def _in_order() -> Codes:
    """By the least and the greatest class of an order's votes and the class of their mean; a class is 1 - side."""
    table = np.empty((3, 3, 3), np.int64)
    for least, most, mean in product((A, TIE, B), repeat=3):
        table[least, most, mean] = 1 - side_in_order((1 - least, 1 - most), (2 - mean) / 2)
    return table


def _over_all_orders() -> Codes:
    """By the class in each of three orders."""
    table = np.empty((5, 5, 5), np.int64)
    for classes in product(range(5), repeat=3):
        side = side_over_orders([None if code == INVALID else 1 - code for code in classes if code != NONE])
        table[classes] = INVALID if side is None else 1 - side
    return table


IN_ORDER, OVER_ORDERS = _in_order(), _over_all_orders()
