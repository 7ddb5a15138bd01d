"""Diversity of sets of texts, measured at the same size, so that they can be compared.

Covered: the figures of `measures` over many seeded draws of equally many texts that are cut to equally many words, or
characters; their intervals; ratios to one of the sets, and how well each set predicts a text that was held out. Every
figure moves with the size alone: of more text a smaller share is new, and a longer text compresses better. At one size
what is left is the texts' own.
Not covered: what the texts say. A set can be varied and wrong, or alike and right.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from math import inf, isfinite, nan, sqrt
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np

from amendment.audit.refusal_phrases import refusal_phrase
from amendment.curation.measures import (
    WordModel,
    compression_ratio,
    distinct,
    effective_number,
    hashed_features,
    self_repetition,
    tail_coverage,
    tail_words,
    vendi_score,
)
from amendment.results import Estimate, Figure
from amendment.text import words

NGRAMS = (1, 2, 3)
DRAWS = 20
T = 2.093
"""The 97.5 % point of Student's t with 19 degrees of freedom."""
MOST_ANSWERS = 500
"""In one draw; more make it slower and hardly steadier."""
LONGEST = 4_000
"""Characters of one text that are looked at."""
OPENING = 3
"""Words of an opening."""
COMPRESSION, REPETITION, VENDI = "compression ratio", "self-repetition", "Vendi score"
OPENINGS, REFUSALS, TAIL, CROSS_ENTROPY = "openings", "kinds of refusal", "tail coverage", "cross-entropy"
SHARES = (REPETITION, TAIL, *(f"distinct-{n}" for n in NGRAMS))

Texts = Mapping[str, str] | Sequence[str]
"""Texts by the id of what each answers, such as its prompt; a list where no two sets answer the same."""
Embed = Callable[[list[str]], np.ndarray[Any, Any]]
"""A unit vector for each text, as a row."""


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
    sets: dict[str, dict[str, Estimate]]
    """By set, then by measure."""
    baseline: str | None = None
    """The set that others are compared with."""
    ratios: dict[str, dict[str, Estimate]] = field(default_factory=dict)
    """By other set, then by measure: its diversity over the baseline's, turned so that below 1 is less varied. Of
    self-repetition these are the shares of texts without it. Cross-entropy has differences in `rises`."""
    rises: dict[str, Estimate] = field(default_factory=dict)
    """By other set: cross-entropy of the held-out text less the baseline's, in nats per word."""

    def figures(self, label: str, **of: str) -> Iterator[Figure]:
        """Yield the sizes, and the figures of each set, whose name stands under `label`; a figure that no text was long
        enough for is not a number."""
        sizes = {"answers": self.answers, "words": round(self.words, 1), "characters": round(self.characters, 1)}
        for name, size in {**sizes, "draws": self.draws}.items():
            yield Figure(name=f"diversity_{name}", value=size, of=of)
        for figure, sets in (("diversity", self.sets), ("ratio", self.ratios)):
            for name, measures in sets.items():
                for measure, value in measures.items():
                    yield Figure(name=figure, value=_rounded(value), of={**of, "measure": measure, label: name})
        for name, rise in self.rises.items():
            yield Figure(name="rise", value=_rounded(rise), of={**of, label: name})


def _rounded(estimate: Estimate) -> Estimate:
    value, low, high = (round(number, 4) for number in estimate[:3])
    return estimate._replace(value=value, low=low, high=high)


def measure_diversity(
    sets: Mapping[str, Texts],
    *,
    baseline: str | None = None,
    held_out: Texts | None = None,
    embed: Embed | None = None,
    seed: int = 0,
) -> Diversity | None:
    """Return every figure of each set, at the same number of texts and of words, or characters.

    Each draw takes, of every set and without replacement, half as many texts as the smallest set has, at most
    500. Then the set with the fewest words stays whole, and of the others the longest texts are cut until they have as
    many; likewise with characters, for the compression ratio. Texts without words are left out, and of very long ones
    the first 4,000 characters count. None where a set has too few texts with words.

    With `baseline`, one of the sets, others are compared with it in each draw, and predict a text that people wrote:
    half of `held_out`, or of the baseline where there is none. No draw takes a text that answers the same as a
    held-out one. `embed` gives the vectors of the Vendi score in place of hashed n-grams.

    Intervals come from the variance over the draws by the delete-d jackknife (Shao and Wu 1989): a bootstrap with
    replacement would repeat texts, and repetition is what is measured. Those of ratios are wider than they need be
    where the sets have more than twice as many texts as a draw.
    """
    kept = {name: _Kept(name, texts) for name, texts in sets.items()}
    source = _Kept("", {}) if baseline is None else kept[baseline] if held_out is None else _Kept("held out", held_out)
    n_held_out = min(MOST_ANSWERS, len(source.keys) // 2)
    room = [len(texts.keys) - min(n_held_out, len(texts.keys & source.keys)) for texts in kept.values()]
    answers = min([MOST_ANSWERS, *((len(texts.keys) + 1) // 2 for texts in kept.values()), *room], default=0)
    if answers < 1 or (baseline and not n_held_out):
        return None
    keys = [
        _Keys.drawn(kept, answers, random.Random(f"{seed}:{draw}"), source, n_held_out)  # noqa: S311 - a sample
        for draw in range(DRAWS)
    ]
    texts = {name: of.read({key for draw in keys for key in draw.of[name]}) for name, of in kept.items()}
    vectors = {name: dict(zip(of, embed([*of.values()]), strict=True)) for name, of in texts.items()} if embed else {}
    target = source.read({key for draw in keys for key in draw.held_out})
    draws = [_draw(texts, draw, target, vectors) for draw in keys]

    def estimate(values: Sequence[float], factor: float = 1.0) -> Estimate:
        return _estimate(values, factor, answers)

    compared = _compared(draws, baseline, estimate) if baseline else {}
    return Diversity(
        answers=answers,
        words=fmean(draw.words for draw in draws) / answers,
        characters=fmean(draw.characters for draw in draws) / answers,
        draws=DRAWS,
        sets={
            name: {
                measure: estimate(
                    [draw.figures[name][measure] for draw in draws], _factor(answers, len(of.keys))
                ).within(0, 1 if measure in SHARES else inf)
                for measure in draws[0].figures[name]
            }
            for name, of in kept.items()
        },
        baseline=baseline,
        **compared,
    )


class _Kept:
    """The texts with words, which stay where they are: a set may be larger than memory."""

    def __init__(self, name: str, texts: Texts) -> None:
        keyed = texts if isinstance(texts, Mapping) else {f"{name} {number}": text for number, text in enumerate(texts)}
        self._texts = keyed
        self.keys = dict.fromkeys(key for key, text in keyed.items() if words(text)).keys()

    def read(self, keys: Set[str]) -> dict[str, str]:
        """Some of the texts, the first characters of each."""
        return {key: self._texts[key][:LONGEST] for key in self.keys if key in keys}


def _factor(drawn: int, of: int) -> float:
    """By which a deviation over draws of `drawn` texts becomes a standard error of `of` (Shao and Wu 1989, eq. 3.1)."""
    return sqrt(drawn / (of - drawn)) if of > drawn else 1.0


def _estimate(values: Sequence[float], factor: float, answers: int) -> Estimate:
    finite = [value for value in values if isfinite(value)]
    half = T * factor * stdev(finite) if len(finite) == len(values) else nan
    mean, half = fmean(finite) if finite else nan, half or nan  # no variation between draws says nothing
    return Estimate(mean, mean - half, mean + half, answers, answers)


class _Drawn(NamedTuple):
    words: int
    characters: int
    figures: dict[str, dict[str, float]]


class _Keys(NamedTuple):
    """The texts of one draw."""

    held_out: Set[str]
    of: dict[str, list[str]]
    """By set."""

    @classmethod
    def drawn(
        cls, sets: Mapping[str, _Kept], answers: int, rng: random.Random, source: _Kept, n_held_out: int
    ) -> _Keys:
        held_out = set(rng.sample([*source.keys], n_held_out))
        return cls(
            held_out,
            {name: rng.sample([key for key in of.keys if key not in held_out], answers) for name, of in sets.items()},
        )


def _draw(
    sets: Mapping[str, Mapping[str, str]],
    keys: _Keys,
    source: Mapping[str, str],
    vectors: Mapping[str, Mapping[str, Any]],
) -> _Drawn:
    samples = {name: [texts[key] for key in keys.of[name]] for name, texts in sets.items()}
    as_words = {name: [words(text) for text in texts] for name, texts in samples.items()}
    n_words = min(_total(texts) for texts in as_words.values())
    n_characters = min(_total(texts) for texts in samples.values())
    target = [words(source[key]) for key in sorted(keys.held_out)]
    tail = tail_words(target)
    vocabulary = {word for text in target for word in text}
    figures = {}
    for name, texts in samples.items():
        cut = _cut(as_words[name], n_words)
        rows = np.array([vectors[name][key] for key in keys.of[name]]) if vectors else hashed_features(cut)
        figures[name] = {
            **{f"distinct-{n}": distinct(cut, n) for n in NGRAMS},
            COMPRESSION: compression_ratio(_cut(texts, n_characters)),
            REPETITION: self_repetition(cut),
            VENDI: vendi_score(rows),
            OPENINGS: effective_number(tuple(text[:OPENING]) for text in as_words[name]),
            REFUSALS: effective_number(map(refusal_phrase, texts)),
        }
        if target:
            figures[name] |= {
                TAIL: tail_coverage(cut, tail),
                CROSS_ENTROPY: WordModel(cut, vocabulary).cross_entropy(target),
            }
    return _Drawn(n_words, n_characters, figures)


def _compared(
    draws: Sequence[_Drawn], baseline: str, estimate: Callable[[Sequence[float]], Estimate]
) -> dict[str, Any]:
    others = [name for name in draws[0].figures if name != baseline]
    measures = [measure for measure in draws[0].figures[baseline] if measure != CROSS_ENTROPY]
    ratios = {
        name: {
            measure: estimate([_ratio(measure, draw.figures[name], draw.figures[baseline]) for draw in draws]).within(0)
            for measure in measures
        }
        for name in others
    }
    rises = {
        name: estimate([draw.figures[name][CROSS_ENTROPY] - draw.figures[baseline][CROSS_ENTROPY] for draw in draws])
        for name in others
    }
    return {"ratios": ratios, "rises": rises}


def _ratio(measure: str, of: Mapping[str, float], to: Mapping[str, float]) -> float:
    ours, theirs = of[measure], to[measure]
    if measure == REPETITION:
        ours, theirs = 1 - ours, 1 - theirs
    elif measure == COMPRESSION:
        ours, theirs = theirs, ours
    return ours / theirs if theirs else nan


def _total(texts: Iterable[Sequence[Any]]) -> int:
    return sum(map(len, texts))


def _cut(texts: Sequence[Any], total: int) -> list[Any]:
    """Return the texts with the longest cut to one length, so that together they have `total` parts."""
    kept = _level([len(text) for text in texts], total)
    return [text[:length] for text, length in zip(texts, kept, strict=True)]


def _level(lengths: Sequence[int], total: int) -> list[int]:
    """Return the lengths under the highest common cap that keeps their sum within `total`, what is missing spread by
    one.

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
