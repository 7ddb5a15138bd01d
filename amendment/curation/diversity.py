"""Diversity of sets of texts, measured at the same size, so that they can be compared.

Covered: distinct-n for n = 1, 2, 3 and the compression ratio, over several seeded draws of equally many texts that
are cut to equally many words, or characters. Both figures move with the size alone: of more text a smaller share is
new, and a longer text compresses better. At one size what is left is the texts' own.
Not covered: what the texts say. A set can be varied and wrong, or alike and right.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from amendment.text import words

NGRAMS = (1, 2, 3)
DRAWS = 5
MOST_ANSWERS = 500
"""In one draw; more make it slower and hardly steadier."""
LONGEST = 4_000
"""Characters of one text that are looked at."""


def distinct(texts: Iterable[Sequence[str]], n: int) -> float:
    """Distinct n-grams among all n-grams of texts given as words, in (0, 1]; nan where no text has n words.

    No n-gram reaches from one text into the next. After Li et al. 2016 (A Diversity-Promoting Objective Function for
    Neural Conversation Models), who divide by the number of words; the number of n-grams makes 1 the highest value
    for every n.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        grams = list(zip(*(text[start:] for start in range(n)), strict=False))
        seen.update(grams)
        total += len(grams)
    return len(seen) / total if total else nan


def compression_ratio(texts: Sequence[str]) -> float:
    """Bytes of the texts, a line break between them, over their bytes compressed (zlib, level 9); nan without text.

    The higher, the more of it is repetition. After Shaib et al. 2024 (Standardizing the Measurement of Text
    Diversity), eq. 1, who compress with gzip: the same method with twelve bytes more. Repeats are found over 32 kB.
    """
    raw = "\n".join(texts).encode("utf-8", "replace")
    return len(raw) / len(zlib.compress(raw, 9)) if raw else nan


class Spread(NamedTuple):
    """A figure over several draws."""

    mean: float
    deviation: float
    """Standard deviation over the draws; it says how much the draw matters, and is no interval."""


@dataclass(frozen=True, kw_only=True)
class Diversity:
    """Figures of several sets at one size. The sizes are means over the draws."""

    answers: int
    """Texts of each set in a draw."""
    words: float
    """Words of each text, on average, where n-grams were counted."""
    characters: float
    """Characters of each text, on average, where they were compressed."""
    draws: int
    sets: dict[str, dict[str, Spread]]
    """By set, then by measure: distinct-1, distinct-2, distinct-3, compression ratio."""

    def to_json(self) -> dict[str, Any]:
        """JSON values; a figure that no text was long enough for is null."""
        sets = {
            name: {measure: _spread_json(spread) for measure, spread in measures.items()}
            for name, measures in self.sets.items()
        }
        sizes = {"answers": self.answers, "words": round(self.words, 1), "characters": round(self.characters, 1)}
        return {**sizes, "draws": self.draws, "sets": sets}


def _spread_json(spread: Spread) -> dict[str, float | None]:
    return {name: round(value, 4) if isfinite(value) else None for name, value in spread._asdict().items()}


def measure_diversity(sets: Mapping[str, Sequence[str]], *, seed: int = 0) -> Diversity | None:
    """Distinct-n and compression ratio of each set, at the same number of texts and of words, or characters.

    Each draw takes, of every set and without replacement, half as many texts as the smallest set has, at most
    500: half, so that draws of the smallest set differ too. Then the set with the fewest words stays whole, and of
    the others the longest texts are cut until they have as many; likewise with characters, for the compression
    ratio. Texts without words are left out, and of very long ones the first 4,000 characters count. None where a set
    has no text with words.
    """
    kept = {name: [text[:LONGEST] for text in texts if words(text)] for name, texts in sets.items()}
    smallest = min(map(len, kept.values()), default=0)
    if not smallest:
        return None
    answers = min(MOST_ANSWERS, (smallest + 1) // 2)
    samples = [_draw(kept, answers, random.Random(f"{seed}:{draw}")) for draw in range(DRAWS)]  # noqa: S311 - a sample
    return Diversity(
        answers=answers,
        words=fmean(sample.words for sample in samples) / answers,
        characters=fmean(sample.characters for sample in samples) / answers,
        draws=DRAWS,
        sets={
            name: {
                measure: _spread([sample.measures[name][measure] for sample in samples])
                for measure in samples[0].measures[name]
            }
            for name in kept
        },
    )


class _Drawn(NamedTuple):
    words: int
    characters: int
    measures: dict[str, dict[str, float]]


def _draw(sets: Mapping[str, Sequence[str]], answers: int, rng: random.Random) -> _Drawn:
    samples = {name: rng.sample(texts, answers) for name, texts in sets.items()}
    as_words = {name: [words(text) for text in texts] for name, texts in samples.items()}
    n_words = min(_total(texts) for texts in as_words.values())
    n_characters = min(_total(texts) for texts in samples.values())
    measures = {name: _measures(_cut(as_words[name], n_words), _cut(samples[name], n_characters)) for name in samples}
    return _Drawn(n_words, n_characters, measures)


def _total(texts: Iterable[Sequence[Any]]) -> int:
    return sum(map(len, texts))


def _measures(as_words: Sequence[Sequence[str]], texts: Sequence[str]) -> dict[str, float]:
    shares = {f"distinct-{n}": distinct(as_words, n) for n in NGRAMS}
    return {**shares, "compression ratio": compression_ratio(texts)}


def _cut(texts: Sequence[Any], total: int) -> list[Any]:
    """The texts with the longest cut to one length, so that together they have `total` parts."""
    kept = _level([len(text) for text in texts], total)
    return [text[:length] for text, length in zip(texts, kept, strict=True)]


def _level(lengths: Sequence[int], total: int) -> list[int]:
    """The lengths under the highest common cap that keeps their sum within `total`, what is missing spread by one.

    >>> _level([2, 9, 5], 12)
    [2, 5, 5]
    """
    ranked = sorted(range(len(lengths)), key=lambda index: lengths[index])
    kept = list(lengths)
    left = total
    for done, index in enumerate(ranked):
        kept[index] = min(lengths[index], left // (len(ranked) - done))
        left -= kept[index]
    return kept


def _spread(drawn: Iterable[float]) -> Spread:
    values = [value for value in drawn if isfinite(value)]
    return Spread(fmean(values), pstdev(values)) if values else Spread(nan, nan)
