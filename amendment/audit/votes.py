"""Votes in, arrays out: the one table that every section of a certificate is computed from.

What each rater says after all, per displayed order and then over orders, and what most people say, follow the rule of
`amendment.preference.aggregate`, evaluated once for each combination of classes that can occur. Votes that could not be
read are left out where another vote of the same order could be; an order with nothing readable is invalid, and so is
then the item for this rater. What a person said of an item that was shown once more counts as a repeat only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from amendment.errors import DataError, Problem
from amendment.preference.aggregate import majority_side, side_in_order, side_over_orders
from amendment.records import LABELLERS, RaterKind, VoteValue
from amendment.statistics.sides import HALF
from amendment.text import plain

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

A, TIE, B, INVALID, NONE = range(5)
"""Classes of a verdict. The first three are what agreement is about, NONE is the absence of a vote."""
CLASS = {"A": A, "tie": TIE, "both_bad": TIE, "B": B, "invalid": INVALID}
ORDER = {"A": 0, "B": 1, None: 2}
"""Which answer was shown first; 2 where nobody knows."""
LABEL_SOURCE = "spot check"
"""The source of a verdict that was a label of a page, where later samples of a person are hidden repeats."""
SHOWN = 20
"""Problems told one by one; the rest is counted."""


class Vote(NamedTuple):
    """One rater's verdict about one item, in content coordinates: "A" is the item's first answer whatever was shown
    first."""

    item: str
    """Names the comparison."""
    rater: str
    kind: RaterKind
    value: VoteValue
    first: Literal["A", "B"] | None = None
    """Which answer was displayed first; None where that is not on record."""
    p_a: float | None = None
    """P(A is better), in content coordinates too, where the rater gives one."""
    principle: str | None = None
    sample: int = 0
    """The draw's number where one question was put several times."""
    confidence: float | None = None
    """How sure the rater says to be, from 0 to 1, where asked: of people 1/3, 2/3 or 1."""
    again: bool = False
    """Of a person who was shown the item once more, unannounced: the first time counts, and this says how consistent
    the person is."""


class ComparisonInfo(NamedTuple):
    """The facts about a comparison other than its verdicts."""

    prompt: str | None
    """What intervals are clustered by, together with the texts; an item without both is a cluster by itself."""
    category: str | None = None
    model_a: str | None = None
    model_b: str | None = None
    length_a: int | None = None
    """Characters of the first answer."""
    length_b: int | None = None
    marks_a: Mapping[str, float] | None = None
    """How much of what the first answer carries, by name, such as what `count_marks` finds in its text; None where its
    text is not known."""
    marks_b: Mapping[str, float] | None = None
    answer_a: str | None = None
    """A name of what the first answer says, which equal answers share; None where its text is not known."""
    answer_b: str | None = None
    inclusion: float | None = None
    """The chance with which it was drawn for labelling, where that is recorded; 0 where it could not be drawn."""
    texts: tuple[str, ...] | None = None
    """Prompt and answers, or names of them: copies of an item have the same and count as one cluster. None where they
    are not known."""


class Rater(NamedTuple):
    """Somebody or something that votes."""

    name: str
    kind: RaterKind

    @property
    def is_person(self) -> bool:
        """Return whether judges are compared with it: a person, or a rater that is declared to know the truth."""
        return self.kind in LABELLERS


class VoteColumns(NamedTuple):
    """Votes, one entry each, sorted by rater, item and order."""

    rater: Codes
    item: Codes
    order: Codes
    value: Codes
    """A, TIE, B or INVALID."""
    p: Numbers
    """P(A is better): the rater's own, otherwise 1, 0.5 and 0; nan where invalid."""
    both_bad: Flags
    principle: Codes
    """-1 without one."""
    sample: Codes
    """Numbered in their own order."""
    confidence: Numbers
    """nan where the rater gave none."""
    again: Flags

    def of(self, rater: int) -> VoteColumns:
        low, high = np.searchsorted(self.rater, [rater, rater + 1])
        return VoteColumns._make(column[low:high] for column in self)

    def where(self, mask: Flags) -> VoteColumns:
        return VoteColumns._make(column[mask] for column in self)


class Verdicts(NamedTuple):
    """Votes combined over samples, one entry each, sorted by rater, item and order."""

    rater: Codes
    item: Codes
    order: Codes
    value: Codes

    def of(self, rater: int) -> Verdicts:
        low, high = np.searchsorted(self.rater, [rater, rater + 1])
        return Verdicts._make(column[low:high] for column in self)

    def where(self, mask: Flags) -> Verdicts:
        return Verdicts._make(column[mask] for column in self)

    @property
    def readable(self) -> Flags:
        return np.less(self.value, INVALID)

    @property
    def decided(self) -> Flags:
        return np.isin(self.value, (A, B))


@dataclass(frozen=True)
class AuditData:
    """Items, raters and votes; every array over items is in the order of the items given."""

    items: tuple[str, ...]
    prompt: Codes
    """The cluster of each item."""
    without_prompt: int
    """Items whose prompt is not known."""
    copies: int
    """Items with the same texts as an earlier one."""
    weight: Numbers
    """1 / the chance with which each item was drawn for labelling; 1 where that is not recorded, and 0 where it could
    not be drawn."""
    category: Codes
    """-1 without one; so are the models."""
    categories: tuple[str, ...]
    model_a: Codes
    model_b: Codes
    models: tuple[str, ...]
    answer_a: Codes
    """Which text it is, counted over both sides; -1 where it is not known."""
    answer_b: Codes
    length_difference: Numbers
    """Length of the first answer minus that of the second; nan where one is missing."""
    marks: dict[str, Numbers]
    """By name, how much more of it the first answer carries than the second; nan where a text is not known."""
    raters: tuple[Rater, ...]
    """People first, then by name."""
    principles: tuple[str, ...]
    all_votes: VoteColumns
    """All votes."""
    votes: VoteColumns
    """Those that count: what a person said when shown an item once more does not."""
    calls: Verdicts
    """One per rater, item and displayed order."""
    verdicts: Verdicts
    """One per rater and item; `order` is 1 where both orders were asked, otherwise 0."""
    people: Codes
    """Readable verdicts of people: a row per item, columns A, tie and B."""
    majority: Codes
    """Of people, per item; NONE where no person could be read."""

    @property
    def judges(self) -> list[tuple[int, Rater]]:
        return [(number, rater) for number, rater in enumerate(self.raters) if not rater.is_person]

    @property
    def persons(self) -> list[tuple[int, Rater]]:
        return [(number, rater) for number, rater in enumerate(self.raters) if rater.is_person]

    @property
    def labels(self) -> Verdicts:
        """People's readable verdicts, one per person and item; people stand first among raters."""
        return self.verdicts.where((self.verdicts.rater < len(self.persons)) & self.verdicts.readable)

    def prompts(self, item: Codes) -> Codes:
        """Return the prompts of items, by which intervals are clustered."""
        return self.prompt[item]

    def by_item(self, verdicts: Verdicts, order: int | None = None) -> Codes:
        """Return one rater's values as an array over all items, NONE where there is none."""
        values = np.full(len(self.items), NONE)
        chosen = verdicts if order is None else verdicts.where(verdicts.order == order)
        values[chosen.item] = chosen.value
        return values

    def counted(self, verdicts: Verdicts) -> Codes:
        """Counts of these verdicts in the shape of `people`: a row per item, columns A, tie and B."""
        read = verdicts.where(verdicts.readable)
        return np.bincount(read.item * 3 + read.value, minlength=3 * len(self.items)).reshape(-1, 3)

    def read_in_both(self, calls: Verdicts) -> tuple[Codes, Codes, Codes]:
        """Return one rater's items, the verdict with A shown first, the verdict with B shown first."""
        first = self.by_item(calls, 0)
        second = self.by_item(calls, 1)
        items = np.flatnonzero((first < INVALID) & (second < INVALID))
        return items, first[items], second[items]

    def only(self, mask: Flags) -> AuditData:
        """Return the same of the votes of `mask` alone."""
        parts = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return AuditData(**{**parts, **_together(self.votes.where(mask), len(self.items), len(self.persons))})


def audit_data(items: Mapping[str, ComparisonInfo], votes: Iterable[Vote]) -> AuditData:
    """Encode; DataError names every vote that cannot be used, and says so where no vote is usable."""
    rows, described = list(votes), list(items.values())
    _check(items, rows)
    raters = tuple(sorted({Rater(vote.rater, vote.kind) for vote in rows}, key=lambda one: (not one.is_person, *one)))
    people = sum(rater.is_person for rater in raters)
    categories = _names(item.category for item in described)
    models = _names(name for item in described for name in (item.model_a, item.model_b))
    answers = _names(name for item in described for name in (item.answer_a, item.answer_b))
    principles = _names(vote.principle for vote in rows)
    texts = [item.texts for item in described if item.texts is not None]
    marks = sorted({name for item in described for side in (item.marks_a, item.marks_b) for name in side or ()})
    all_votes = _encode(rows, tuple(items), raters, principles)
    counting = _counting(all_votes, people)
    return AuditData(
        items=tuple(items),
        prompt=_clusters(items),
        without_prompt=sum(item.prompt is None for item in described),
        copies=len(texts) - len(set(texts)),
        weight=np.array(
            [1 / item.inclusion if item.inclusion else item.inclusion is None for item in described], np.float64
        ),
        category=_codes((item.category for item in described), categories),
        categories=categories,
        model_a=_codes((item.model_a for item in described), models),
        model_b=_codes((item.model_b for item in described), models),
        models=models,
        answer_a=_codes((item.answer_a for item in described), answers),
        answer_b=_codes((item.answer_b for item in described), answers),
        length_difference=np.array([_difference(item.length_a, item.length_b) for item in described], np.float64),
        marks={
            name: np.array([_difference(_mark(item.marks_a, name), _mark(item.marks_b, name)) for item in described])
            for name in marks
        },
        raters=raters,
        principles=principles,
        all_votes=all_votes,
        votes=counting,
        **_together(counting, len(items), people),
    )


def _clusters(items: Mapping[str, ComparisonInfo]) -> Codes:
    """Return the cluster of each item: items with the same prompt or the same texts are in one, as are those that
    further items connect."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    prompts = [("item", name) if item.prompt is None else ("prompt", item.prompt) for name, item in items.items()]
    number: dict[tuple[object, ...], int] = {}
    prompt = [number.setdefault(key, len(number)) for key in prompts]
    texts = [
        number.setdefault(("texts", *item.texts), len(number)) if item.texts else own
        for item, own in zip(items.values(), prompt, strict=True)
    ]
    edges = coo_array((np.ones(len(prompt)), (prompt, texts)), shape=(len(number), len(number)))
    _, cluster = connected_components(edges, directed=False)
    codes: Codes = cluster[prompt].astype(np.int64)
    return codes


def combined(keys: Codes, value: Codes, p: Numbers) -> tuple[Codes, Codes]:
    """Combine the votes of each key: the keys, sorted and distinct, and a class for each."""
    unique, group = np.unique(keys, return_inverse=True)
    readable = value < INVALID
    count = np.bincount(group[readable], minlength=unique.size)
    mean = np.bincount(group[readable], p[readable], unique.size) / np.maximum(count, 1)
    least = np.full(unique.size, B)
    most = np.full(unique.size, A)
    np.minimum.at(least, group[readable], value[readable])
    np.maximum.at(most, group[readable], value[readable])
    leaning = np.where(mean > 0.5 + HALF, A, np.where(mean < 0.5 - HALF, B, TIE))
    return unique, np.where(count == 0, INVALID, _IN_ORDER[least, most, leaning])


def majority_classes(counts: Codes) -> Codes:
    """Return the most frequent of A, tie and B in each row of counts; a draw is a tie, NONE where nothing was
    counted."""
    rows, which = np.unique(counts, axis=0, return_inverse=True)
    sides = [majority_side(a, tie, b) for a, tie, b in rows.tolist()]
    classes = np.array([NONE if side is None else 1 - side for side in sides], np.int64)
    return classes[which.reshape(-1)]


def _together(votes: VoteColumns, items: int, people: int) -> dict[str, Any]:
    """Votes put together per order, over orders and over people, of whom there are so many."""
    unique, value = combined((votes.rater * items + votes.item) * 3 + votes.order, votes.value, votes.p)
    calls = Verdicts(unique // (3 * items), unique // 3 % items, unique % 3, value)
    verdicts = _over_orders(calls, items)
    labels = verdicts.where((verdicts.rater < people) & verdicts.readable)
    counts = np.bincount(labels.item * 3 + labels.value, minlength=3 * items).reshape(-1, 3)
    return {"calls": calls, "verdicts": verdicts, "people": counts, "majority": majority_classes(counts)}


def _over_orders(calls: Verdicts, items: int) -> Verdicts:
    unique, group = np.unique(calls.rater * items + calls.item, return_inverse=True)
    seen = np.full((unique.size, 3), NONE)
    seen[group, calls.order] = calls.value
    value = _OVER_ORDERS[seen[:, 0], seen[:, 1], seen[:, 2]]
    orders = np.bincount(group[calls.order < 2], minlength=unique.size)
    return Verdicts(unique // items, unique % items, (orders == 2).astype(np.int64), value)


def _class_over_orders(classes: Sequence[int]) -> int:
    side = side_over_orders([None if code == INVALID else 1 - code for code in classes if code != NONE])
    return INVALID if side is None else 1 - side


# a class is 1 - side; by the least and the greatest class of an order's votes and the class of their mean
_IN_ORDER = np.array(
    [1 - side_in_order((1 - least, 1 - most), (2 - mean) / 2) for least, most, mean in product(range(3), repeat=3)]
).reshape(3, 3, 3)
_OVER_ORDERS = np.array([_class_over_orders(classes) for classes in product(range(5), repeat=3)]).reshape(5, 5, 5)


def _encode(
    rows: Sequence[Vote], items: tuple[str, ...], raters: tuple[Rater, ...], principles: tuple[str, ...]
) -> VoteColumns:
    """Encode votes in one fixed order, since sums of floats depend on the order in their last digits."""
    value = np.array([CLASS[vote.value] for vote in rows], np.int64)
    samples = {sample: number for number, sample in enumerate(sorted({vote.sample for vote in rows}))}
    given = np.array([math.nan if vote.p_a is None else vote.p_a for vote in rows], np.float64)
    p = np.where(np.isnan(given), np.array([1, 0.5, 0, math.nan])[value], given)
    votes = VoteColumns(
        rater=_codes((vote.rater for vote in rows), [rater.name for rater in raters]),
        item=_codes((vote.item for vote in rows), items),
        order=np.array([ORDER[vote.first] for vote in rows], np.int64),
        value=value,
        p=np.where(value == INVALID, math.nan, p),
        both_bad=np.array([vote.value == "both_bad" for vote in rows], np.bool_),
        principle=_codes((vote.principle for vote in rows), principles),
        sample=np.array([samples[vote.sample] for vote in rows], np.int64),
        confidence=np.array([math.nan if vote.confidence is None else vote.confidence for vote in rows]),
        again=np.array([vote.again for vote in rows], np.bool_),
    )
    content = votes.p, votes.both_bad, votes.value, votes.principle
    row = np.lexsort((votes.again, votes.confidence, votes.sample, *content, votes.order, votes.item, votes.rater))
    return VoteColumns._make(column[row] for column in votes)


def _counting(votes: VoteColumns, people: int) -> VoteColumns:
    """Without repeats: of each person and item what was said the first time, or again where only that could be read."""
    if not votes.again.any():
        return votes
    rank = votes.again + 2 * (votes.value == INVALID)
    _, group = np.unique(votes.rater * (int(votes.item.max()) + 1) + votes.item, return_inverse=True)
    first = np.full(int(group.max()) + 1, 3)
    np.minimum.at(first, group, rank)
    return votes.where((votes.rater >= people) | (votes.again == first[group] % 2))


def _names(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({name for name in names if name is not None}))


def _codes(values: Iterable[str | None], names: Sequence[str]) -> Codes:
    number: dict[str | None, int] = {name: place for place, name in enumerate(names)}
    return np.array([number.get(name, -1) for name in values], np.int64)


def _mark(marks: Mapping[str, float] | None, name: str) -> float | None:
    return None if marks is None else marks.get(name, 0)


def _difference(a: float | None, b: float | None) -> float:
    return math.nan if a is None or b is None else a - b


def _check(items: Mapping[str, ComparisonInfo], rows: Sequence[Vote]) -> None:
    kinds: dict[str, RaterKind] = {}
    problems = [
        Problem(f"vote {number} of {plain(vote.rater)}", message)
        for number, vote in enumerate(rows, 1)
        for message in _wrong(vote, items, kinds.setdefault(vote.rater, vote.kind))
    ]
    if problems:
        rest = [Problem("", f"and {len(problems) - SHOWN} problems more")] if len(problems) > SHOWN else []
        raise DataError([*problems[:SHOWN], *rest])
    if all(vote.value == "invalid" for vote in rows):
        reason = f"all {len(rows)} votes are invalid" if rows else "there is no vote"
        raise DataError(f"nothing to audit: {reason}; at least one vote must say A, B, tie or both_bad")


def _wrong(vote: Vote, items: Mapping[str, ComparisonInfo], kind: RaterKind) -> Iterator[str]:
    """Yield the problems of a vote; an audit starts only when no vote has any."""
    if vote.item not in items:
        yield f"its item {plain(vote.item)!r} is not among the items"
    if vote.kind in get_args(RaterKind) and vote.kind != kind:
        yield f"kind: {vote.kind} here and {kind} in an earlier vote; give one of the two raters another name"
    allowed = {"kind": get_args(RaterKind), "value": CLASS, "first": ORDER}
    for name, values in allowed.items():
        found = getattr(vote, name)
        if found not in values:
            expected = ", ".join("nothing" if value is None else value for value in values)
            yield f"{name}: expected one of {expected}, found {plain(str(found))!r}"
    for name in ("p_a", "confidence"):
        number = getattr(vote, name)
        if number is not None and not 0 <= number <= 1:
            yield f"{name}: expected a number from 0 to 1, found {number}"
