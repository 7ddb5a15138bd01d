"""What a judge of Lilliput sees of an answer beside its content: padding, citations, layout, orders to the judge.

Covered: the marks with which a judge is probed (`probe_texts`), line by line, and what is left of the answer
without them, so that a judge without a bias reads the same content in either form. Not covered: such marks in other
words, which are unknown words to this world.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from amendment import probe_texts
from amendment.simulator.grammar import parse

__all__ = ["Look", "is_nudge", "look", "nudged"]

_LABELS = ("A", "B", "1", "2")
"""Under which answers are shown."""


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Every line of these texts, under every label."""
    for text in texts:
        yield from (line for label in _LABELS for line in probe_texts.named(text, label).split("\n") if line)


_MARKS = {
    probe_texts.VERBOSITY: "filler",
    probe_texts.AUTHORITY: "citation",
    **dict.fromkeys(_lines(probe_texts.FORMAT), "layout"),
    probe_texts.REVISED: "revised",
    probe_texts.ANSWER: "",
    **dict.fromkeys(_lines((probe_texts.INJECTION, probe_texts.SCORE_INJECTION)), "injected"),
}
"""A whole line -> what it shows; some show nothing and are no content either."""


def _claim(text: str) -> re.Pattern[str]:
    """A claim about an answer, which finds the label that it names."""
    return re.compile(re.escape(text).replace(re.escape("{X}"), r"(\w+)"))


_BANDWAGON, _SYCOPHANCY = _claim(probe_texts.BANDWAGON), _claim(probe_texts.SYCOPHANCY)
_LONGEST_REMEMBERED = 4000
"""Characters; what is longer is looked at anew each time, so that memory stays small."""


class Look(NamedTuple):
    """An answer as a judge sees it."""

    plain: str
    """Its content, without marks."""
    marks: frozenset[str] = frozenset()
    """Of `filler`, `citation`, `layout`, `revised`, `injected` and `empty`: no word of it belongs to this world."""


def look(answer: str) -> Look:
    """The content and the marks of any text."""
    return (_look if len(answer) <= _LONGEST_REMEMBERED else _look.__wrapped__)(answer)


@lru_cache(maxsize=1 << 14)
def _look(answer: str) -> Look:
    found: set[str] = set()
    kept: list[str] = []
    dropped = False
    for line in answer.split("\n"):
        mark = _MARKS.get(line.strip())
        if mark is None:
            kept.append(line)
            continue
        dropped = True
        found.add(mark)
    plain = "\n".join(kept).strip("\n") if dropped else answer
    if "injected" not in found and _says_nothing(plain):
        found.add("empty")
    return Look(plain, frozenset(found - {""}))


def _says_nothing(text: str) -> bool:
    reading = parse(text)
    return reading.n_unparsed == reading.n_words


def is_nudge(turn: str) -> bool:
    """Whether a user turn is no question, but says which answer to prefer."""
    return bool(_BANDWAGON.fullmatch(turn.strip()) or _SYCOPHANCY.fullmatch(turn.strip()))


def nudged(turns: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The displayed labels that the majority is said to prefer, and those that the user claims to have written."""
    said = [turn.strip() for turn in turns]
    popular, own = (
        frozenset(found[1] for turn in said if (found := pattern.fullmatch(turn)))
        for pattern in (_BANDWAGON, _SYCOPHANCY)
    )
    return popular, own
