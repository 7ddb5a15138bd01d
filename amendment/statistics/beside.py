"""A judge beside people on the same items: how often they agree, beyond chance too, and what that shows.

A rater's side of an item is +1 (the first answer), -1 (the second) or 0 (a tie, or nothing that can be read). Two
raters agree on it by (1 + x y) / 2: 1 where they choose the same, 0 where they choose differently, and one half where
either chooses nothing, as a coin in its place would on average. With E the mean over items,

    agreement = (1 + E[x y]) / 2,   kappa = (E[x y] - E[x] E[y]) / (1 - E[x] E[y])  (Cohen 1960).

Every figure is a mean of one value per item (kappa of its linearisation), so that its error follows from clusters of
items. What is shown is shown one-sided, by Student's t after one more cluster is added whose value is the worst one:
a sample in which nothing went wrong has no error of its own, and would otherwise prove anything
(`benchmarks/conclusions.py` measures both). Not covered: whether people are right.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.results import Estimate
from amendment.statistics.intervals import FEWEST_ITEMS, Codes, Floats, clustered_error, json_values

FEWEST_TOGETHER = 5
"""Items from which two people weigh as much as any other two."""


class Shown(NamedTuple):
    """A mean over items, and how far it is known."""

    value: float
    error: float
    """Its standard error over clusters; 0 where nothing varies."""
    items: int
    clusters: float
    """The effective number, as in `Layout`."""
    least: float
    most: float
    """The values that an item can have."""

    def p_above(self, bound: float) -> float:
        """Return the one-sided p of the hypothesis that the true value is `bound` or less."""
        return self._p(bound, self.least, 1)

    def p_below(self, bound: float) -> float:
        """Return the one-sided p of the hypothesis that the true value is `bound` or more."""
        return self._p(bound, self.most, -1)

    def at_least(self, p: float) -> float:
        """Return the bound that the true value exceeds but for a chance of `p`; nan with fewer than two clusters."""
        return self._bound(p, self.least, -1)

    def at_most(self, p: float) -> float:
        return self._bound(p, self.most, 1)

    def estimate(self, level: float) -> Estimate:
        """Return the value with its two-sided interval; without one below two clusters."""
        half = (1 - level) / 2
        low = min(self.at_least(half), self.value)
        high = max(self.at_most(half), self.value)
        method = "clustered t with one more cluster"
        if not self.items:
            return Estimate(math.nan, math.nan, math.nan, 0, 0, method, "no rows")
        return Estimate(self.value, low, high, self.items, round(self.clusters), method)

    def to_json(self) -> object:
        return json_values(self.estimate(0.95))

    def with_one_more(self, worst: float) -> tuple[float, float]:
        """Mean and error after one more cluster of this value."""
        n = self.clusters
        squares = self.error**2 * n * (n - 1) + n / (n + 1) * (worst - self.value) ** 2
        return (n * self.value + worst) / (n + 1), math.sqrt(squares / (n * (n + 1)))

    def _p(self, bound: float, worst: float, sign: int) -> float:
        from scipy.special import stdtr

        if not self.clusters > 1 or math.isnan(self.value):
            return 1.0
        mean, error = self.with_one_more(worst)
        if not error:
            return 0.0 if sign * (mean - bound) > 0 else 1.0
        return float(stdtr(self.clusters - 1, sign * (bound - mean) / error))

    def _bound(self, p: float, worst: float, sign: int) -> float:
        from scipy.special import stdtrit

        if not self.clusters > 1 or math.isnan(self.value):
            return math.nan
        mean, error = self.with_one_more(worst)
        return min(max(mean + sign * float(stdtrit(self.clusters - 1, 1 - p)) * error, self.least), self.most)


class ItemSides(NamedTuple):
    """What a judge and people say of items; one entry per item that the judge and a person spoke of."""

    judge: Floats
    """+1, 0 or -1."""
    total: Floats
    """The sum of people's sides."""
    squares: Floats
    """The sum of their squares: people who chose one."""
    people: Floats
    """How many of them."""
    weight: Floats
    """1 / the chance with which the item was drawn for labelling."""
    cluster: Codes

    def where(self, mask: NDArray[np.bool_]) -> ItemSides:
        return ItemSides._make(column[mask] for column in self)

    @property
    def mean(self) -> Floats:
        """Return the mean side of people, by item."""
        mean: Floats = self.total / self.people
        return mean

    @property
    def among(self) -> Floats:
        """Return the mean product of two different people's sides, by item; needs two people on each."""
        among: Floats = (self.total**2 - self.squares) / (self.people * (self.people - 1))
        return among


class PeopleLabels(NamedTuple):
    """What people say, one entry per label."""

    item: Codes
    rater: Codes
    side: Floats
    """+1, 0 or -1."""

    def where(self, mask: NDArray[np.bool_]) -> PeopleLabels:
        """Return those of the items that `mask` has."""
        return PeopleLabels._make(column[mask[self.item]] for column in self)


class Beside(NamedTuple):
    """A judge and people on the items of two people or more."""

    judge: Shown
    """Agreement of the judge with one of the people."""
    people: Shown
    """Agreement of two people."""
    gap: Shown
    """judge - people."""
    judge_kappa: Shown
    people_kappa: Shown


def beside(sides: ItemSides) -> Beside:
    """Return all figures on the items with two people or more."""
    both = sides.where(sides.people > 1)
    with_judge, among = both.judge * both.mean, both.among
    return Beside(
        judge=average(both, (1 + with_judge) / 2, 0, 1),
        people=average(both, (1 + among) / 2, 0, 1),
        gap=average(both, (with_judge - among) / 2, -1, 1),
        judge_kappa=kappa_with_people(both),
        people_kappa=_kappa(both, among, both.mean, both.mean),
    )


def kappa_with_people(sides: ItemSides) -> Shown:
    """Return the judge's kappa with single people, on all items."""
    return _kappa(sides, sides.judge * sides.mean, sides.judge, sides.mean)


def average(sides: ItemSides, values: Floats, least: float, most: float) -> Shown:
    """Return the weighted mean of one value per item."""
    return shown_mean(values, sides.weight, sides.cluster, (least, most))


def shown_mean(values: Floats, weight: Floats, cluster: Codes, ends: tuple[float, float]) -> Shown:
    """Return the weighted mean of one value per item; `ends` are the least and the most that an item can have."""
    if not values.size:
        return Shown(math.nan, math.nan, 0, 0, *ends)
    total = float(weight.sum())
    mean = float(weight @ values) / total
    error, clusters = clustered_error(weight * (values - mean) / total, cluster, weight)
    return Shown(mean, error if clusters > 1 else math.nan, values.size, clusters, *ends)


def even_gap(judge: Floats, labels: PeopleLabels, weight: Floats, cluster: Codes) -> Shown:
    """Return the gap where annotators, and pairs of them, count the same, and within each of them all items; `judge`,
    `weight` and `cluster` have an entry per item.

    A label weighs 1 / (labels of its item), divided by the sum of that over its rater's labels; so do pairs of labels.
    So the gap is that of `beside` where everybody labelled everything, and where other people got other items, it does
    not rest on who labelled most. A rater of fewer than `FEWEST_ITEMS` items, and a pair of fewer than
    `FEWEST_TOGETHER`, weigh less in proportion.
    """
    order = np.argsort(labels.item, kind="stable")
    item, rater, side = labels.item[order], labels.rater[order], labels.side[order]
    _, rater, own = np.unique(rater, return_inverse=True, return_counts=True)
    count = np.bincount(item, minlength=judge.size)
    first, second = pairs_within(item)
    pair = np.minimum(rater[first], rater[second]) * own.size + np.maximum(rater[first], rater[second])
    _, pair, together = np.unique(pair, return_inverse=True, return_counts=True)
    if not first.size:
        return Shown(math.nan, math.nan, 0, 0, -1, 1)
    full = np.minimum(own / FEWEST_ITEMS, 1)  # of a rater
    of_item = weight / np.maximum(count, 1)
    with_judge = _evenly(of_item[item], rater) * full[rater]
    of_pairs = 2 * weight / np.maximum(count * (count - 1), 1)
    among = _evenly(of_pairs[item[first]], pair) * np.minimum(together[pair] / FEWEST_TOGETHER, 1)
    among *= full[rater[first]] * full[rater[second]]
    with_judge, among = with_judge / with_judge.sum(), among / among.sum()
    agreed = judge[item] * side
    same = side[first] * side[second]
    e_judge = float(with_judge @ agreed)
    e_people = float(among @ same)
    influence = np.bincount(item, with_judge * (agreed - e_judge), judge.size)
    influence -= np.bincount(item[first], among * (same - e_people), judge.size)
    in_item = np.bincount(item[first], among, judge.size).astype(np.float64)
    error, clusters = clustered_error(influence / 2, cluster, in_item)
    value = (e_judge - e_people) / 2
    items = np.unique(item[first]).size
    return Shown(value, error if clusters > 1 else math.nan, items, clusters, -1, 1)


def pairs_within(item: Codes) -> tuple[Codes, Codes]:
    """Return the positions of each two entries of one item; `item` is sorted."""
    first: list[Codes] = []
    second: list[Codes] = []
    for apart in range(1, int(np.bincount(item).max(initial=0))):
        same = np.flatnonzero(item[apart:] == item[:-apart])
        first.append(same)
        second.append(same + apart)
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *first]), np.concatenate([none, *second])


def _evenly(weight: Floats, group: Codes) -> Floats:
    """Return the weights, divided by the sum over their group."""
    evenly: Floats = weight / np.bincount(group, weight)[group]
    return evenly


def _kappa(sides: ItemSides, product: Floats, x: Floats, y: Floats) -> Shown:
    """Return Kappa of two raters whose sides have this product, by the derivatives of (m - a b) / (1 - a b)."""
    if not product.size:
        return average(sides, product, -1, 1)
    w = sides.weight / sides.weight.sum()
    m, a, b = float(w @ product), float(w @ x), float(w @ y)
    beyond = 1 - a * b
    if beyond < 1e-12:  # both always say the same: chance alone would agree always
        return Shown(0.0, 0.0, product.size, 0, -1, 1)
    value = (m - a * b) / beyond
    moved = (product - m) / beyond - (1 - m) / beyond**2 * (b * (x - a) + a * (y - b))
    return average(sides, value + moved, -1, 1)
