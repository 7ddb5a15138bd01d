"""Items and votes as arrays of codes: the one table that every section of a certificate is computed from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.audit.votes import KINDS, VALUES, Item, Vote
from amendment.errors import DataError, Problem
from amendment.records import RaterKind
from amendment.terminal import plain

__all__ = ["INVALID", "NONE", "TIE", "A", "B", "Codes", "Flags", "Numbers", "Rater", "Table", "Votes", "table_of"]

Codes = NDArray[np.int64]
Numbers = NDArray[np.float64]
Flags = NDArray[np.bool_]

A, TIE, B, INVALID, NONE = range(5)
"""Classes of a verdict. The first three are what agreement is about, NONE is the absence of a vote."""
CLASS = {"A": A, "tie": TIE, "both_bad": TIE, "B": B, "invalid": INVALID}
ARGUES = {"A": A, "B": B, None: NONE}
ORDER = {"A": 0, "B": 1, None: 2}
"""Which answer was shown first; 2 where nobody knows."""
SHOWN = 20
"""Problems told one by one; the rest is counted."""


class Rater(NamedTuple):
    """Somebody or something that votes."""

    name: str
    kind: RaterKind

    @property
    def is_person(self) -> bool:
        return self.kind == "person"


class Votes(NamedTuple):
    """The votes, one entry each, sorted by rater, item and order."""

    rater: Codes
    item: Codes
    order: Codes
    value: Codes
    """A, TIE, B or INVALID."""
    p: Numbers
    """P(A is better): the rater's own, otherwise 1, 0.5 and 0; nan where invalid."""
    both_bad: NDArray[np.bool_]
    principle: Codes
    """-1 without one."""
    sample: Codes
    """Numbered in their own order."""
    argues: Codes
    """A, B, or NONE where no reasoning says which answer is the better one."""
    confidence: Numbers
    """nan where the rater gave none."""
    again: Flags

    def where(self, mask: Flags) -> Votes:
        return Votes._make(column[mask] for column in self)


@dataclass(frozen=True)
class Table:
    """Items, raters and votes; every array over items is in the order of the items given."""

    items: tuple[str, ...]
    prompt: Codes
    """The cluster of each item."""
    without_prompt: int
    """Items whose prompt is not known."""
    category: Codes
    """-1 without one; so are the models."""
    categories: tuple[str, ...]
    model_a: Codes
    model_b: Codes
    models: tuple[str, ...]
    answer_a: Codes
    """Which text it is, counted over both sides; -1 where it is not known."""
    answer_b: Codes
    longer: Codes
    """A, B, TIE for equal lengths, NONE where a length is missing."""
    apart: Numbers
    """Length of the first answer minus that of the second; nan where one is missing."""
    marks: dict[str, Numbers]
    """By name, how much more of it the first answer carries than the second; nan where a text is not known."""
    raters: tuple[Rater, ...]
    """People first, then by name."""
    votes: Votes
    """Those that count: what a person said when shown an item once more does not."""
    cast: Votes
    """All of them."""
    principles: tuple[str, ...]


def table_of(items: Mapping[str, Item], votes: Iterable[Vote]) -> Table:
    """Encode; DataError names every vote that cannot be used, and says so where no vote is usable."""
    rows, known = list(votes), list(items.values())
    _check(items, rows)
    raters = tuple(sorted({Rater(vote.rater, vote.kind) for vote in rows}, key=lambda one: (not one.is_person, *one)))
    categories = _names(item.category for item in known)
    models = _names(name for item in known for name in (item.model_a, item.model_b))
    answers = _names(name for item in known for name in (item.answer_a, item.answer_b))
    principles = _names(vote.principle for vote in rows)
    clusters = [("item", name) if item.prompt is None else ("prompt", item.prompt) for name, item in items.items()]
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    cast = _encode(rows, tuple(items), raters, principles)
    return Table(
        items=tuple(items),
        prompt=np.array([numbers[cluster] for cluster in clusters], np.int64),
        without_prompt=sum(item.prompt is None for item in known),
        category=_codes((item.category for item in known), categories),
        categories=categories,
        model_a=_codes((item.model_a for item in known), models),
        model_b=_codes((item.model_b for item in known), models),
        models=models,
        answer_a=_codes((item.answer_a for item in known), answers),
        answer_b=_codes((item.answer_b for item in known), answers),
        longer=np.fromiter((_longer(item) for item in known), np.int64, len(known)),
        apart=np.fromiter((_apart(item) for item in known), np.float64, len(known)),
        marks=_marks(known),
        raters=raters,
        votes=_counting(cast, sum(rater.is_person for rater in raters)),
        cast=cast,
        principles=principles,
    )


def _encode(
    rows: Sequence[Vote], items: tuple[str, ...], raters: tuple[Rater, ...], principles: tuple[str, ...]
) -> Votes:
    samples = {sample: number for number, sample in enumerate(sorted({vote.sample for vote in rows}))}
    value = np.fromiter((CLASS[vote.value] for vote in rows), np.int64, len(rows))
    given = np.array([math.nan if vote.p_a is None else vote.p_a for vote in rows], np.float64)
    p = np.where(np.isnan(given), np.array([1, 0.5, 0, math.nan])[value], given)
    return _sorted(
        Votes(
            rater=_codes((vote.rater for vote in rows), [rater.name for rater in raters]),
            item=_codes((vote.item for vote in rows), items),
            order=np.fromiter((ORDER[vote.first] for vote in rows), np.int64, len(rows)),
            value=value,
            p=np.where(value == INVALID, math.nan, p),
            both_bad=np.fromiter((vote.value == "both_bad" for vote in rows), np.bool_, len(rows)),
            principle=_codes((vote.principle for vote in rows), principles),
            sample=np.fromiter((samples[vote.sample] for vote in rows), np.int64, len(rows)),
            argues=np.fromiter((ARGUES[vote.argues] for vote in rows), np.int64, len(rows)),
            confidence=np.array([math.nan if vote.confidence is None else vote.confidence for vote in rows]),
            again=np.fromiter((vote.again for vote in rows), np.bool_, len(rows)),
        )
    )


def _sorted(votes: Votes) -> Votes:
    """In one order whatever order they arrived in: sums of floats depend on it in their last digits."""
    said = votes.argues, votes.p, votes.both_bad, votes.value, votes.principle
    within = votes.again, votes.confidence, votes.sample, *said
    row = np.lexsort((*within, votes.order, votes.item, votes.rater))
    return Votes._make(column[row] for column in votes)


def _counting(votes: Votes, people: int) -> Votes:
    """Without repeats: of each person and item what was said the first time, or again where only that could be read.

    `people` is their number; they stand first among raters.
    """
    if not votes.again.any():
        return votes
    rank = votes.again + 2 * (votes.value == INVALID)
    _, group = np.unique(votes.rater * (int(votes.item.max()) + 1) + votes.item, return_inverse=True)
    first = np.full(int(group.max()) + 1, 3)
    np.minimum.at(first, group, rank)
    return votes.where((votes.rater >= people) | (votes.again == first[group] % 2))


def _names(found: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(sorted({name for name in found if name is not None}))


def _codes(found: Iterable[str | None], names: Sequence[str]) -> Codes:
    number: dict[str | None, int] = {name: place for place, name in enumerate(names)}
    return np.array([number.get(name, -1) for name in found], np.int64)


def _longer(item: Item) -> int:
    if item.length_a is None or item.length_b is None:
        return NONE
    return TIE if item.length_a == item.length_b else A if item.length_a > item.length_b else B


def _apart(item: Item) -> float:
    if item.length_a is None or item.length_b is None:
        return math.nan
    return item.length_a - item.length_b


def _marks(known: Sequence[Item]) -> dict[str, Numbers]:
    """Every mark that any answer carries."""
    names = sorted({name for item in known for side in (item.marks_a, item.marks_b) for name in side or ()})
    return {name: np.fromiter((_more(item, name) for item in known), np.float64, len(known)) for name in names}


def _more(item: Item, name: str) -> float:
    if item.marks_a is None or item.marks_b is None:
        return math.nan
    return item.marks_a.get(name, 0) - item.marks_b.get(name, 0)


def _check(items: Mapping[str, Item], rows: Sequence[Vote]) -> None:
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
        found = f"all {len(rows)} votes are invalid" if rows else "there is no vote"
        raise DataError(f"nothing to audit: {found}; at least one vote must say A, B, tie or both_bad")


def _wrong(vote: Vote, items: Mapping[str, Item], kind: RaterKind) -> list[str]:
    """What is wrong with a vote; an audit starts only when this is nothing for every vote."""
    found = []
    if vote.item not in items:
        found.append(f"its item {plain(vote.item)!r} is not among the items")
    if vote.kind not in KINDS:
        found.append(f"kind: expected one of {', '.join(KINDS)}, found {plain(str(vote.kind))!r}")
    elif vote.kind != kind:
        found.append(f"kind: {vote.kind} here and {kind} in an earlier vote; give one of the two raters another name")
    if vote.value not in CLASS:
        found.append(f"value: expected one of {', '.join(VALUES)}, found {plain(str(vote.value))!r}")
    if vote.first not in ORDER:
        found.append(f"first: expected A, B or nothing, found {plain(str(vote.first))!r}")
    if vote.argues not in ARGUES:
        found.append(f"argues: expected A, B or nothing, found {plain(str(vote.argues))!r}")
    if vote.p_a is not None and not 0 <= vote.p_a <= 1:
        found.append(f"p_a: expected a probability from 0 to 1, found {vote.p_a}")
    if vote.confidence is not None and not 0 <= vote.confidence <= 1:
        found.append(f"confidence: expected a number from 0 to 1, found {vote.confidence}")
    return found
