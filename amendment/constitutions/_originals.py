"""What an import gathers, and the entries of the imported file that our own words would not give back exactly.

An entry is kept as it was only where writing what was read of it gives another entry: odd spaces, keys of somebody's
own, a line at the end. An export puts it back where the constitution still says what the entry says; an entry whose
text was edited since is written anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from amendment.constitutions._models import CompareExample, Constitution, CritiqueExample, Principle, ReviseExample
from amendment.errors import DataError

__all__ = ["Gathered", "only_originals", "originals_of", "restored"]

Item = TypeVar("Item")


class _Entry(NamedTuple):
    """An entry of an imported file."""

    key: Hashable
    value: Any
    written: Any


@dataclass
class Gathered:
    """What was read of foreign files, before it is a constitution."""

    principles: list[Principle] = field(default_factory=list)
    critique: list[CritiqueExample] = field(default_factory=list)
    revise: list[ReviseExample] = field(default_factory=list)
    compare: list[CompareExample] = field(default_factory=list)
    entries: dict[str, list[_Entry]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What a user should know: what was not taken, or is kept for an export alone."""

    def note(self, kind: str, key: Hashable, entry: Any, written: Any) -> None:
        """An entry, what it says by its key, and what an export would write for it."""
        self.entries.setdefault(kind, []).append(_Entry(key, entry, written))

    def originals(self) -> dict[str, tuple[str, ...]]:
        """The entries that must be kept, as JSON, by kind; with one of them all others that say the same."""
        kept = {kind: tuple(map(_as_json, _irregular(entries))) for kind, entries in self.entries.items()}
        return {kind: texts for kind, texts in kept.items() if texts}


def _irregular(entries: Sequence[_Entry]) -> list[Any]:
    odd = {each.key for each in entries if each.value != each.written}
    return [each.value for each in entries if each.key in odd]


def _as_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def restored(
    items: Sequence[Item],
    write: Callable[[Item], Any],
    *,
    originals: Iterable[str],
    key: Callable[[Item], Hashable],
    key_of: Callable[[Any], Hashable],
) -> list[Any]:
    """Each item as its original entry where there is one that says the same by its key, else as `write` makes it."""
    left = _by_key(originals, key_of)
    made = [_taken(left, key(item)) or write(item) for item in reversed(items)]
    return made[::-1]


def only_originals(
    items: Sequence[Item],
    *,
    originals: Iterable[str],
    key: Callable[[Item], Hashable],
    key_of: Callable[[Any], Hashable],
) -> tuple[list[Any], list[Item]]:
    """The original entries of the items that have one, and the items that have none; later items are served first."""
    left = _by_key(originals, key_of)
    entries, others = [], []
    for item in reversed(items):
        entry = _taken(left, key(item))
        if entry is None:
            others.append(item)
        else:
            entries.append(entry)
    return entries[::-1], others[::-1]


def _by_key(originals: Iterable[str], key_of: Callable[[Any], Hashable]) -> dict[Hashable, list[Any]]:
    """The readable originals; one that somebody edited into something else tells nothing any more."""
    left: dict[Hashable, list[Any]] = defaultdict(list)
    for text in originals:
        try:
            entry = json.loads(text)
            left[key_of(entry)].append(entry)
        except (ValueError, RecursionError, DataError):
            continue
    return left


def _taken(left: dict[Hashable, list[Any]], key: Hashable) -> Any:
    return left[key].pop() if left.get(key) else None


def originals_of(constitution: Constitution, kind: str) -> tuple[str, ...]:
    """The kept entries of one kind, as JSON."""
    return constitution.source.originals.get(kind, ())
