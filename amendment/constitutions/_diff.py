"""Two constitutions side by side: what was added, removed, renamed, moved, and changed field by field.

Parents are merged in before, so that two files that say the same are the same. No difference is found exactly where
the content hashes are equal.
Not covered: whether a change of words is a change of meaning.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Any, NamedTuple

from amendment.constitutions._models import Constitution, Principle
from amendment.hashing import canonical_json

__all__ = ["Change", "ConstitutionDiff", "Edit", "Move", "diff"]

MOST_COMPARISONS = 1_000_000
"""Of entries of two lists; beyond it they are told apart by their places."""

_HEADER = ("id", "version", "title", "license", "source")
_TEXTS = ("statement", "text", "critique", "revise", "compare")


class Change(NamedTuple):
    """One value that differs; JSON values, and None where there is none."""

    field: str
    """Such as `weight` or `critique[1]`, counted from 0; of what was removed its place before, else its place after."""
    before: Any
    after: Any


class Edit(NamedTuple):
    """A principle that stands in both, under one id or another."""

    before: str
    """Its id before."""
    after: str
    """Its id after."""
    changes: tuple[Change, ...]


class Move(NamedTuple):
    """A principle that stands elsewhere among those that both have."""

    id: str
    """Its id after."""
    before: int
    """Its place before, counted from 1 over all principles."""
    after: int
    """Its place after."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConstitutionDiff:
    """What leads from one constitution to another."""

    before: str
    """`id@version#hash` of the first."""
    after: str
    """`id@version#hash` of the second."""
    header: tuple[Change, ...] = ()
    """Of id, version, title, license and source."""
    added: tuple[Principle, ...] = ()
    """Principles of the second alone."""
    removed: tuple[Principle, ...] = ()
    """Principles of the first alone."""
    renamed: tuple[Edit, ...] = ()
    """Principles whose texts stand under another id; other fields of them may have changed."""
    changed: tuple[Edit, ...] = ()
    """Principles that stand under the same id and say something else."""
    moved: tuple[Move, ...] = ()
    """The fewest principles whose moving explains the new order."""
    examples: tuple[Change, ...] = ()
    """Of the worked examples: `critique[0]`, `compare[2].answer`."""

    @property
    def is_empty(self) -> bool:
        """Whether both say the same."""
        parts = (self.header, self.added, self.removed, self.renamed, self.changed, self.moved, self.examples)
        return not any(parts)

    def to_json(self) -> dict[str, Any]:
        """JSON values under the names of the fields, and `is_empty`."""
        told = {name: _jsonable(getattr(self, name)) for name in self.__dataclass_fields__}
        return {"is_empty": self.is_empty, **told}


def _jsonable(value: Any) -> Any:
    match value:
        case Principle():
            return value.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        case Change() | Edit() | Move():
            return {name: _jsonable(each) for name, each in value._asdict().items()}
        case tuple():
            return [_jsonable(each) for each in value]
    return value


def diff(a: Constitution, b: Constitution) -> ConstitutionDiff:
    """What leads from `a` to `b`."""
    before = {principle.id: principle for principle in a.principles}
    after = {principle.id: principle for principle in b.principles}
    renames = _renames(before, after)
    ids = {id: renames.get(id, id) for id in before if id in after or id in renames}
    edits = [Edit(old, new, tuple(_changes(_fields(before[old]), _fields(after[new])))) for old, new in ids.items()]
    return ConstitutionDiff(
        before=a.reference,
        after=b.reference,
        header=tuple(_changes(_header(a), _header(b))),
        added=tuple(one for one in b.principles if one.id not in ids.values()),
        removed=tuple(one for one in a.principles if one.id not in ids),
        renamed=tuple(edit for edit in edits if edit.before != edit.after),
        changed=tuple(edit for edit in edits if edit.before == edit.after and edit.changes),
        moved=tuple(_moves(list(before), list(after), ids)),
        examples=tuple(_changes(_values(a.few_shot), _values(b.few_shot))),
    )


def _values(part: Any) -> dict[str, Any]:
    """A part as JSON, with its defaults, so that a change from one is told."""
    values: dict[str, Any] = part.model_dump(mode="json", exclude_none=True)
    return values


def _header(constitution: Constitution) -> dict[str, Any]:
    values = _values(constitution)
    return {name: values[name] for name in _HEADER}


def _fields(principle: Principle) -> dict[str, Any]:
    values = _values(principle)
    del values["id"]
    return values


def _renames(before: Mapping[str, Principle], after: Mapping[str, Principle]) -> dict[str, str]:
    """New ids of principles whose old id is gone and whose texts stand under an id that is new."""
    unused: dict[bytes, list[str]] = {}
    for id, principle in after.items():
        if id not in before:
            unused.setdefault(_texts(principle), []).append(id)
    gone = {id: unused.get(_texts(principle), []) for id, principle in before.items() if id not in after}
    return {id: same.pop(0) for id, same in gone.items() if same}


def _texts(principle: Principle) -> bytes:
    return canonical_json([_fields(principle).get(name) for name in _TEXTS])


def _changes(before: Any, after: Any, field: str = "") -> Iterator[Change]:
    """What differs between two JSON values, at the innermost place that both have."""
    match before, after:
        case dict(), dict():
            for key in dict.fromkeys([*before, *after]):
                yield from _changes(before.get(key), after.get(key), f"{field}.{key}" if field else str(key))
        case list(), list():
            yield from _list_changes(before, after, field)
        case _ if before != after:
            yield Change(field, before, after)


def _list_changes(before: Sequence[Any], after: Sequence[Any], field: str) -> Iterator[Change]:
    for start, end, new_start, new_end in _differing([*map(canonical_json, before)], [*map(canonical_json, after)]):
        for old, new in zip_longest(range(start, end), range(new_start, new_end)):
            place = f"{field}[{old if new is None else new}]"
            yield from _changes(_at(before, old), _at(after, new), place)


def _differing(before: Sequence[bytes], after: Sequence[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """The stretches of two lists that differ; of very long lists one stretch, between what both have at their ends."""
    shorter = min(len(before), len(after))
    head = next((index for index in range(shorter) if before[index] != after[index]), shorter)
    rest = shorter - head
    tail = next((index for index in range(rest) if before[-1 - index] != after[-1 - index]), rest)
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) * len(new) > MOST_COMPARISONS:
        yield head, head + len(old), head, head + len(new)
        return
    for kind, *ends in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            start, end, new_start, new_end = (head + place for place in ends)
            yield start, end, new_start, new_end


def _at(values: Sequence[Any], index: int | None) -> Any:
    return None if index is None else values[index]


def _moves(before: Sequence[str], after: Sequence[str], ids: Mapping[str, str]) -> Iterator[Move]:
    """Those outside a longest run of principles that kept their order."""
    old_places = {id: place for place, id in enumerate(before, start=1)}
    places = {id: place for place, id in enumerate(after, start=1)}
    order = [places[new] for new in ids.values()]
    kept = _longest_rise(order)
    for old, new in ids.items():
        if places[new] not in kept:
            yield Move(new, old_places[old], places[new])


def _longest_rise(numbers: Sequence[int]) -> set[int]:
    """A longest increasing subsequence of different numbers, by patience sorting."""
    tops: list[int] = []
    behind: dict[int, int | None] = {}
    for number in numbers:
        pile = bisect_left(tops, number)
        behind[number] = tops[pile - 1] if pile else None
        tops[pile : pile + 1] = [number]
    kept: set[int] = set()
    last = tops[-1] if tops else None
    while last is not None:
        kept.add(last)
        last = behind[last]
    return kept
