"""The judge beside the people who set the ceiling: who they are, how often all agree, and where.

Covered: annotators under alarm and copies of verdicts, which set no ceiling; figures on any part of the items, by any
column. Not covered: what follows from them, which `conclusion` decides.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from amendment.audit.votes import INVALID, AuditData, Codes, Flags, Numbers
from amendment.statistics import quotient
from amendment.statistics.beside import (
    Beside,
    ItemSides,
    PeopleLabels,
    Shown,
    average,
    beside,
    even_gap,
    kappa_with_people,
    shown_mean,
)
from amendment.statistics.intervals import FEWEST_ITEMS
from amendment.statistics.planning import Bar
from amendment.statistics.shares import Corrected, holm

MARGIN = 0.05
"""How far a judge's agreement with people may lie below theirs with each other, unless a study says otherwise."""
LEAST_KAPPA = 0.2
"""Agreement beyond chance that a judge, and people, have to exceed: "slight" ends there (Landis and Koch 1977)."""
LARGE = 0.1
"""Share of the items from which a category has to be shown above chance by itself."""
IDENTICAL = 0.97
"""Agreement above which two raters are nearly identical, where nobody else can tell whether one copied the other."""
EXCESS = 0.05
"""The least excess of E[x y] over what the others imply that is called a copy."""
WITHOUT = "without a category"
EVENLY = "all annotators count the same"
MOST_LISTED = 50
MOST_COMPARED = 30
"""Annotators that are compared pair by pair, those with most items."""

Standing = Literal["above chance", "below chance", "too few labels"]


class Requirements(NamedTuple):
    """What a study asks of a judge, and declares about its labels."""

    margin: float = MARGIN
    """How far the judge's agreement with people may lie below theirs."""
    min_agreement: float | None = None
    """With labels that are the truth, the share of items that the judge has to get right."""
    looks: int = 1
    """How often conclusions are drawn before all labels are in, and then."""
    copies_allowed: bool = False
    """Raters may agree on nearly everything."""
    drawn: bool = False
    """The labelled items were drawn at random, or with recorded chances."""
    guessed: tuple[str, ...] = ()
    """Judges of whose replies more than a few percent are unread, by a pattern that nobody confirmed."""

    def bar(self, judges: int) -> Bar:
        """Return what has to be shown of each of so many judges; their levels, at all looks, add up to 1 %
        (Bonferroni)."""
        return Bar(self.margin, LEAST_KAPPA, 0.01 / (max(1, judges) * self.looks))


class Copies(NamedTuple):
    """Two raters who agree more than their agreement with the others explains."""

    first: str
    second: str
    agreement: Shown
    is_certain: bool
    """False where there is nobody else to tell; then two honest raters may look the same."""


class ColumnValue(NamedTuple):
    """One value of a column."""

    code: int
    name: str
    share: float
    """Of the judge's items."""
    is_large: bool
    """Whether that may be a tenth: plain "Use" has to be shown in it."""
    figures: Beside
    kappa: Shown
    """The judge's with people, on all labelled items of the part."""
    standing: Standing


@dataclass(frozen=True, kw_only=True)
class Look:
    """A judge, those it is compared with, and what has to be shown of it, on the items of `where`."""

    data: AuditData
    number: int
    """The judge among the raters."""
    judge: Numbers
    """Its side of every item; nan where it was not asked."""
    labels: PeopleLabels
    with_copies: PeopleLabels | None
    """The same with those who were left out since they agree with another person more than the others imply: they may
    err alike. None where there are none."""
    people: tuple[str, ...]
    """Who sets the ceiling, or knows the truth."""
    left_out: tuple[str, ...]
    """Why others do not."""
    copied: Copies | None
    """Two raters who may be copies, where nobody else can tell."""
    is_truth: bool
    asked: Requirements
    bar: Bar
    """`bar.p` is the level of each part, for all judges and looks together."""
    where: Flags
    orders_agree: bool
    """Whether `where` holds only those items on which both orders choose the same answer."""

    @cached_property
    def sides(self) -> ItemSides:
        return match_sides(self.data, self.judge, self.labels, self.where)

    @cached_property
    def figures(self) -> Beside:
        return beside(self.sides)

    @cached_property
    def with_labels(self) -> Shown:
        """Return the judge's agreement with one annotator, or with the truth, on all labelled items."""
        return average(self.sides, (1 + self.sides.judge * self.sides.mean) / 2, 0, 1)

    @cached_property
    def kappa(self) -> Shown:
        """Return the same beyond chance."""
        return kappa_with_people(self.sides)

    @cached_property
    def gaps(self) -> dict[str, Shown]:
        """Return the gap as the sentence has it, and under other assumptions: a conclusion depends neither on who
        labelled how much nor on whether two people copy or err alike."""
        asked = self.asked_items
        gaps = {"": self.figures.gap, EVENLY: self._even(self.labels.where(asked))}
        if self.with_copies is not None:
            labels = self.with_copies.where(asked)
            gaps["nobody is left out"] = beside(match_sides(self.data, self.judge, labels)).gap
            gaps[f"nobody is left out and {EVENLY}"] = self._even(labels)
        return gaps

    def _even(self, labels: PeopleLabels) -> Shown:
        return even_gap(self.judge, labels, self.data.weight, self.data.prompt)

    @property
    def parts(self) -> dict[str, tuple[Sequence[Shown], float]]:
        """By the gate of each part, the figures and what they have to exceed."""
        chance = {"chance": ((self.kappa,), self.bar.kappa)}
        if not self.is_truth:
            people = (self.figures.people_kappa,), self.bar.kappa
            return {"people": people, **chance, "ceiling": (tuple(self.gaps.values()), -self.bar.margin)}
        bar = 1.0 if self.asked.min_agreement is None else self.asked.min_agreement
        return {**chance, "bar": ((self.with_labels,), bar)}

    def p_above(self, part: str) -> float:
        """Return the one-sided p of the hypothesis that the judge is at the bound of this part or below."""
        figures, bound = self.parts[part]
        return max(shown.p_above(bound) for shown in figures)

    def p_below(self, part: str) -> float:
        figures, bound = self.parts[part]
        return max(shown.p_below(bound) for shown in figures)

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the parts that are not shown."""
        return tuple(part for part in self.parts if not self.p_above(part) < self.bar.p)

    @property
    def says_one_thing(self) -> bool:
        """Return whether all its verdicts, of `FEWEST_ITEMS` or more, choose the same side or none."""
        said = self.judge[self.asked_items]
        return said.size >= FEWEST_ITEMS and bool((said == said[0]).all())

    @property
    def disputed(self) -> int:
        """Items on which labels that are the truth contradict each other."""
        sides = self.sides
        return int((np.abs(sides.total) < sides.squares).sum()) if self.is_truth else 0

    @property
    def labels_say_one_thing(self) -> bool:
        """Return whether all labels, of `FEWEST_ITEMS` items or more, choose the same side: a judge that always does
        cannot be told from a good one."""
        total = self.sides.total
        return total.size >= FEWEST_ITEMS and bool(
            (np.abs(total) == self.sides.people).all() and abs(total.sum()) == self.sides.people.sum()
        )

    @property
    def asked_items(self) -> Flags:
        asked: Flags = self.where & ~np.isnan(self.judge)
        return asked

    @property
    def labelled(self) -> float:
        """Share of the judge's items that those who set the ceiling labelled."""
        asked = int(self.asked_items.sum())
        return len(self.sides.judge) / asked if asked else math.nan

    @cached_property
    def confidence(self) -> Numbers:
        """The judge's mean P of the answer that it prefers, by item; one half where nothing can be read."""
        votes = self.data.votes.of(self.number)
        read = votes.value < INVALID
        count, p = (np.bincount(votes.item[read], by, len(self.judge)) for by in (None, votes.p[read]))
        return np.abs(p / np.maximum(count, 1) - 0.5) * (count > 0) + 0.5

    @property
    def coverage(self) -> float:
        """Share of the items that the judge was asked about that are among these and for which it chooses an answer."""
        asked = ~np.isnan(self.judge)
        return float((self.judge[self.where & asked] != 0).sum() / asked.sum()) if asked.any() else math.nan

    def within(self, parts: Sequence[ColumnValue], among: int) -> Look:
        """Return the same on the items of these categories, which were chosen among so many by the same labels.

        Any choice of categories might have been tested. A choice of m among k gets the level p / (k C(k, m)), so that
        all of them add up to p (Bonferroni).
        """
        codes = [part.code for part in parts]
        p = self.bar.p / (among * math.comb(among, len(parts)))
        where = self.where & np.isin(self.data.category, codes)
        return replace(self, where=where, bar=replace(self.bar, p=p))


def look_at(
    data: AuditData, number: int, *, alarmed: Mapping[str, str], asked: Requirements, where: Flags | None = None
) -> Look:
    """Judge `number` and those it is compared with: the truth, where a rater knows it, else all people but those whose
    labels raise an alarm, which `alarmed` gives a reason for, and those who copied somebody."""
    judge = judge_sides(data, number)
    truth = [other for other, rater in data.persons if rater.kind == "truth"]
    people, left_out = (truth, []) if truth else _without_alarm(data, alarmed)
    name = data.raters[number].name
    copied = None if truth or asked.copies_allowed else first_copy(data, judge, name, people)
    together = people
    while copied is not None and copied.is_certain:
        people = [other for other in people if data.raters[other].name != copied.second]
        if copied.first == name:
            together = [other for other in together if data.raters[other].name != copied.second]
        left_out.append(f"{copied.second} agrees with {copied.first} more than the others imply")
        copied = first_copy(data, judge, name, people)
    return Look(
        data=data,
        number=number,
        judge=judge,
        labels=gather_labels(data, people),
        with_copies=gather_labels(data, together) if len(together) > len(people) else None,
        people=tuple(data.raters[other].name for other in people),
        left_out=tuple(left_out),
        copied=copied,
        is_truth=bool(truth),
        asked=asked,
        bar=asked.bar(len(data.judges)),
        where=np.ones(len(data.items), np.bool_) if where is None else where,
        orders_agree=where is not None,
    )


def _without_alarm(data: AuditData, alarmed: Mapping[str, str]) -> tuple[list[int], list[str]]:
    """People, and why others are left out: whoever is under alarm, the worst first, and does not agree with those who
    are left more than chance either."""
    people = [number for number, _ in data.persons]
    why = []
    number_of = {rater.name: number for number, rater in data.persons}
    for name in alarmed:
        if name in number_of:
            others = [other for other in people if other != number_of[name]]
            own = match_sides(data, judge_sides(data, number_of[name]), gather_labels(data, others))
            if not kappa_with_people(own).p_above(0) < 0.01:
                people = others
                why.append(f"{name} is left out: {alarmed[name]}")
    if len(people) < 2:  # nobody is left who could tell whose labels are wrong
        return [number for number, _ in data.persons], []
    return people, why


def by_category(look: Look, tested: Mapping[str, float]) -> tuple[tuple[ColumnValue, ...], dict[str, Corrected]]:
    """Return the judge's categories, and the tests that reject it with those of `tested`, p by gate, as one family at 5
    %.

    A category is above chance where that is shown by itself, since all large ones have to be; it is below chance where
    that holds for the whole family.
    """
    parts = list(by_column(look, look.data.category, look.data.categories))
    below = {f"category {part.name}": part.kappa.p_below(0) for part in parts}
    family = holm({**tested, **below}, 5 * look.bar.p)
    return tuple(
        part._replace(standing="below chance") if family[f"category {part.name}"].rejected else part for part in parts
    ), family


def by_column(look: Look, codes: Codes, names: Sequence[str]) -> Iterator[ColumnValue]:
    """Yield the judge's agreement with people by the values of a column, at most `MOST_LISTED` of them, those with most
    items; nothing where it has one value alone."""
    asked = look.asked_items
    values, count = np.unique(codes[asked], return_counts=True)
    listed = values[np.argsort(-count, kind="stable")[:MOST_LISTED]]
    for code in sorted(listed.tolist()) if values.size > 1 else ():
        part = replace(look, where=look.where & (codes == code))
        is_above = part.kappa.p_above(0) < look.bar.p
        share = float((codes[asked] == code).mean())
        is_large = share + 3.09 * math.sqrt(share * (1 - share) / asked.sum()) >= LARGE
        name = names[code] if code >= 0 else WITHOUT
        yield ColumnValue(
            code, name, share, is_large, part.figures, part.kappa, "above chance" if is_above else "too few labels"
        )


def category_name(data: AuditData, code: int) -> str:
    return data.categories[code] if code >= 0 else WITHOUT


def gather_labels(data: AuditData, raters: Collection[int]) -> PeopleLabels:
    """Return what these people say, one entry per person and item; what could not be read is no choice."""
    verdicts = data.verdicts.where(np.isin(data.verdicts.rater, list(raters)))
    return PeopleLabels(verdicts.item, verdicts.rater, _sides(verdicts.value))


def judge_sides(data: AuditData, number: int) -> Numbers:
    """Return what a judge says of every item; nan where it was not asked."""
    verdicts = data.verdicts.of(number)
    sides = np.full(len(data.items), np.nan)
    sides[verdicts.item] = _sides(verdicts.value)
    return sides


def match_sides(data: AuditData, judge: Numbers, labels: PeopleLabels, where: Flags | None = None) -> ItemSides:
    """Judge and people on the items that both spoke of, or on those of `where` among them."""
    count = len(data.items)
    people = np.bincount(labels.item, minlength=count).astype(np.float64)
    both = (people > 0) & ~np.isnan(judge) & (True if where is None else where)
    return ItemSides(
        judge[both],
        np.bincount(labels.item, labels.side, count).astype(np.float64)[both],
        np.bincount(labels.item, labels.side**2, count).astype(np.float64)[both],
        people[both],
        data.weight[both],
        data.prompt[both],
    )


def between(first: Look, second: Look) -> Shown:
    """Return how much more often the first judge agrees with one annotator than the second, item by item, over the
    labelled items that both judged. Positive: the first is better."""
    both: Flags = ~np.isnan(first.judge) & ~np.isnan(second.judge)
    own, others = (match_sides(first.data, look.judge, first.labels, both) for look in (first, second))
    return average(own, (own.judge - others.judge) * own.mean / 2, -1, 1)


def first_copy(data: AuditData, judge: Numbers, name: str, people: Sequence[int]) -> Copies | None:
    """Return the judge and a person, or two people, who agree most beyond what the others imply; None where nobody
    does.

    Where raters err independently, E[x y] = r_x r_y, so that with others o and o': E[x y] E[o o'] = E[x o] E[y o']
    (Spearman's tetrads, 1904). The excess of the left side is shown at 1 % for all pairs together (Holm). With two
    people nobody is left to tell. Then a pair is named that agrees on nearly everything, and the person whom the judge
    agrees with more than with the other one, and more than the two people agree.
    """
    counts = [(int((data.verdicts.rater == number).sum()), number) for number in people]
    compared = [number for _, number in sorted(counts, key=lambda entry: (-entry[0], entry[1]))[:MOST_COMPARED]]
    names = [name, *(data.raters[number].name for number in compared)]
    columns = np.stack([judge, *(judge_sides(data, number) for number in compared)])
    if len(compared) < 3:
        return _among_three(data, columns, names) if len(compared) == 2 else None
    pairs = list(combinations(range(len(names)), 2))
    tested = {(x, y): _excess(data, columns, x, y) for x, y in pairs}
    rejected = holm({f"{x} {y}": excess.p_above(0) for (x, y), excess in tested.items() if excess}, 0.01)
    found = [
        (excess.value, x, y)
        for x, y in pairs
        if (excess := tested[x, y]) and excess.value > EXCESS and rejected[f"{x} {y}"].rejected
    ]
    if not found:
        return None
    _, x, y = max(found)
    return Copies(names[x], names[y], _agreement(data, columns[x], columns[y]), is_certain=True)


def _sides(values: Codes) -> Numbers:
    sides: Numbers = np.where(values < INVALID, 1.0 - values, 0.0)
    return sides


def _known_mean(data: AuditData, values: Numbers, least: float, most: float) -> Shown:
    """Return the weighted mean of a value per item, where it is not nan."""
    known: Flags = ~np.isnan(values)
    return shown_mean(values[known], data.weight[known], data.prompt[known], (least, most))


def _agreement(data: AuditData, x: Numbers, y: Numbers) -> Shown:
    return _known_mean(data, (1 + x * y) / 2, 0, 1)


def _among_three(data: AuditData, columns: Numbers, names: Sequence[str]) -> Copies | None:
    pairs = {(x, y): _agreement(data, columns[x], columns[y]) for x, y in combinations(range(3), 2)}
    for (x, y), agreement in pairs.items():
        if agreement.items >= FEWEST_ITEMS and agreement.at_least(0.2) >= IDENTICAL:
            return Copies(names[x], names[y], agreement, is_certain=False)
    for person, other in ((1, 2), (2, 1)):
        judge, own, others = columns[0], columns[person], columns[other]
        closer = [_known_mean(data, (judge * own - product) / 2, -1, 1) for product in (judge * others, own * others)]
        if all(difference.p_above(0) < 0.05 and difference.value > EXCESS / 2 for difference in closer):
            return Copies(names[0], names[person], pairs[0, person], is_certain=False)
    return None


def _excess(data: AuditData, columns: Numbers, x: int, y: int) -> Shown | None:
    """E[x y] - E[x o] E[y o'] / E[o o']; None where too few items tell one of the four."""
    others = [row for row in range(len(columns)) if row not in (x, y)]
    known = ~np.isnan(columns[others])
    sides = np.nan_to_num(columns[others])
    count = known.sum(0, dtype=np.float64)
    total = sides.sum(0)
    mean = quotient(total, count)
    among = quotient(total**2 - (sides**2).sum(0), count * (count - 1))
    products = columns[x] * columns[y], among, columns[x] * mean, columns[y] * mean
    parts: list[Flags] = [~np.isnan(product) for product in products]
    if min(int(part.sum()) for part in parts) < FEWEST_ITEMS:
        return None
    means = [
        float(np.average(product[part], weights=data.weight[part]))
        for product, part in zip(products, parts, strict=True)
    ]
    pair, rest, of_x, of_y = means
    if rest <= LEAST_KAPPA**2:  # the others hardly agree with each other: they imply nothing
        return None
    values = np.zeros(len(data.items))
    for product, part, value, slope in zip(
        products, parts, means, (1, of_x * of_y / rest**2, -of_y / rest, -of_x / rest), strict=True
    ):
        share = data.weight[part].sum() / data.weight.sum()
        values[part] += slope * (product[part] - value) / share
    spoken = np.logical_or.reduce(parts)
    moved = (pair - of_x * of_y / rest) + values * spoken.mean()
    return _known_mean(data, np.where(spoken, moved, np.nan), -2, 2)
