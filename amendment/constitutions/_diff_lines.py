"""A difference as lines for a terminal: what is gone stands as `[-gone-]`, what is new as `{+new+}`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

from amendment.constitutions._diff import Change, ConstitutionDiff, Edit, Move
from amendment.constitutions._models import Principle
from amendment.terminal import plain

__all__ = ["diff_lines", "marked"]

LONGEST = 2000
"""Characters of a text that are shown."""
MOST_WORDS = 1500
"""Words of a text, after what both have at their ends, that are compared one by one."""
CONTEXT = 12
"""Words and signs around a change that are shown."""

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


def diff_lines(found: ConstitutionDiff) -> list[str]:
    """The difference, one line for each thing that differs."""
    if found.is_empty:
        return [f"no difference: both are {plain(found.before)}"]
    return [
        f"{plain(found.before)} -> {plain(found.after)}",
        *(_change(change, "") for change in found.header),
        *(_principle("-", principle) for principle in found.removed),
        *(_principle("+", principle) for principle in found.added),
        *(line for edit in (*found.renamed, *found.changed) for line in _edit(edit)),
        *map(_move, found.moved),
        *_examples(found.examples),
    ]


def _principle(sign: str, principle: Principle) -> str:
    return f"{sign} {principle.id}: {plain(principle.statement, longest=LONGEST)}"


def _edit(edit: Edit) -> Iterator[str]:
    yield f"~ {edit.before}" + (f" is now called {edit.after}" if edit.after != edit.before else "")
    yield from (_change(change, "    ") for change in edit.changes)


def _move(move: Move) -> str:
    return f"~ {move.id} moved from place {move.before} to {move.after}"


def _examples(changes: Sequence[Change]) -> Iterable[str]:
    return ["~ few_shot", *(_change(change, "    ") for change in changes)] if changes else []


def _change(change: Change, indent: str) -> str:
    field, before, after = plain(change.field), change.before, change.after
    if before is None or after is None:
        sign, value = ("+", after) if before is None else ("-", before)
        return f"{indent}{sign} {field}: {_shown(value)}"
    if isinstance(before, str) and isinstance(after, str):
        return f"{indent}{field}: {marked(before, after)}"
    return f"{indent}{field}: {_shown(before)} -> {_shown(after)}"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain(text, longest=LONGEST)


def marked(before: str, after: str) -> str:
    """The new text in one line, with what is gone and what is new marked word by word.

    >>> marked("Answer at once.", "Answer at length.")
    'Answer at [-once-]{+length+}.'
    """
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle = _spelled(old[head : len(old) - tail], new[head : len(new) - tail])
    return _kept(old[:head], has_before=False) + middle + _kept(old[len(old) - tail :], has_after=False)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many words both have alike at their beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(one), len(other)))


def _spelled(old: Sequence[str], new: Sequence[str]) -> str:
    """The changes between two texts that begin and end differently."""
    if max(len(old), len(new)) > MOST_WORDS:
        return _gone_and_new(old, new)
    told, gone, come = "", list[str](), list[str]()
    for kind, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal" and "".join(old[start:end]).strip():
            told += _gone_and_new(gone, come) + _kept(old[start:end])
            gone, come = [], []
        else:  # also a mere space between two changes, which read better as one
            gone += old[start:end]
            come += new[new_start:new_end]
    return told + _gone_and_new(gone, come)


def _gone_and_new(gone: Sequence[str], come: Sequence[str]) -> str:
    old, new = (plain("".join(words), longest=LONGEST) for words in (gone, come))
    return (f"[-{old}-]" if old else "") + (f"{{+{new}+}}" if new else "")


def _kept(words: Sequence[str], *, has_before: bool = True, has_after: bool = True) -> str:
    """What did not change, around the changes before and after it."""
    first, last = CONTEXT * has_before, CONTEXT * has_after
    if len(words) <= first + last + 2:
        return plain("".join(words), longest=LONGEST)
    beginning = plain("".join(words[:first]), longest=LONGEST)
    end = plain("".join(words[len(words) - last :]), longest=LONGEST)
    return f"{beginning} … {end}".removeprefix(" ").removesuffix(" ")
