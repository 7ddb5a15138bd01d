"""What a column holds, told by its cells: words, keys or texts, how many different ones, and the parts of its name."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain, islice, repeat
from typing import Any, NamedTuple

from amendment.pipeline.runfile.verdict_files import word_of
from amendment.tables import Row
from amendment.terminal import plain

__all__ = ["ROWS", "Profile", "profiles", "tokens", "vocabulary"]

CELLS = 300_000
"""At most so many cells are looked at, in as many whole rows, and at least `FEWEST` rows."""
FEWEST = 30
ROWS = 1000
WORD = 200
"""Characters; a longer value is no word."""
SAMPLES = 3
SPACE = re.compile(r"\s")
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?(e[-+]?\d+)?", re.IGNORECASE)


class Profile(NamedTuple):
    """One column."""

    name: str
    filled: int
    """Cells that are not empty."""
    total: int
    words: Counter[str]
    """Different values that are short enough for a word."""
    distinct: int
    typical: int
    """Median of characters."""
    longest: int
    spaced: float
    """Share of the values that hold white space."""
    is_nested: bool
    """Whether a cell holds a list or an object."""
    samples: list[str]

    @property
    def tokens(self) -> list[str]:
        """The parts of its name."""
        return tokens(self.name)

    def is_called(self, words: Collection[str]) -> bool:
        """Whether a part of its name is one of these."""
        return any(token in words for token in self.tokens)

    @property
    def is_number(self) -> bool:
        """Whether all values are numbers."""
        return bool(self.words) and self.distinct == len(self.words) and all(map(NUMBER.fullmatch, self.words))

    @property
    def is_text(self) -> bool:
        """Long values, or mostly different ones of several words."""
        if self.is_nested:
            return True
        many = self.distinct > 20 or self.distinct >= min(self.filled, max(3, self.filled / 5))
        return many and (self.typical >= 40 or (self.spaced > 0.5 and self.typical >= 8))

    @property
    def has_few(self) -> bool:
        """Two to five different short words."""
        return not self.is_nested and 2 <= self.distinct <= 5 and self.longest <= 24

    def line(self) -> str:
        """The column in a line: its name, up to three values, how many different ones there are."""
        name = plain(self.name, longest=40)
        if not self.samples:
            return f"{name}: (empty)"
        shown = " / ".join(plain(text, longest=50 if self.distinct == 1 else 30) for text in self.samples)
        if self.distinct == 1:
            return f"{name}: {shown}" + (" (in all rows)" if self.total > 1 and self.filled == self.total else "")
        return f"{name}: {shown} ({self.distinct:,} different)"


def profiles(rows: Sequence[Row], columns: Collection[str]) -> list[Profile]:
    """A profile of each column by the first rows."""
    looked_at = rows[: min(ROWS, max(FEWEST, CELLS // max(1, len(columns))))]
    return [_profile(name, [row.values.get(name) for row in looked_at]) for name in columns]


def _profile(name: str, cells: Sequence[Any]) -> Profile:
    texts = Counter(text for cell in cells if (text := _text(cell)))
    filled = texts.total()
    lengths = sorted(chain.from_iterable(repeat(len(text), count) for text, count in texts.items()))
    return Profile(
        name=name,
        filled=filled,
        total=len(cells),
        words=Counter({text: count for text, count in texts.items() if len(text) <= WORD}),
        distinct=len(texts),
        typical=lengths[filled // 2] if texts else 0,
        longest=lengths[-1] if texts else 0,
        spaced=sum(count for text, count in texts.items() if SPACE.search(text)) / max(1, filled),
        is_nested=any(isinstance(cell, list | dict) for cell in cells),
        samples=list(islice(texts, SAMPLES)),
    )


def _text(cell: Any) -> str:
    if isinstance(cell, list | dict):
        return json.dumps(cell, ensure_ascii=False, default=str) if cell else ""
    return word_of(cell)


def tokens(name: str) -> list[str]:
    """The parts of a name in small letters, parted by signs, digits and capitals.

    >>> tokens("replyText_L2")
    ['reply', 'text', 'l', '2']
    """
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|_", " ", name[:WORD])
    parted = "".join(f" {c}" if c.isupper() and i and spaced[i - 1].islower() else c for i, c in enumerate(spaced))
    return re.findall(r"\w+", parted.casefold())


def vocabulary(words: str) -> frozenset[str]:
    """The words of a text, parted by white space."""
    return frozenset(words.split())
