"""Figures of a set of texts, each a formula: how varied it is, and what it kept of a text that people wrote.

Promised: nothing here knows where texts come from or how many are fair to compare. All of these move with the number
of texts and of words; see `diversity` for sets at one size. `words` are texts split by `amendment.text.words`.
"""

from __future__ import annotations

import zlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from math import exp, log, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPEATED = 4
"""Words of an n-gram that two texts share by more than chance; Salkar et al. 2022 (Self-Repetition in Abstractive
Neural Summarizers) take four."""
DIMENSIONS = 4096
"""Of hashed n-grams; collisions of two of a text's few hundred are rare."""
TAIL = 0.1
"""The share of a text's words that its rarest words make."""
UNKNOWN = ""
"""Stands for every word that the text to be predicted does not have."""

Words = Sequence[str]


def ngrams(text: Words, n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(text[start:] for start in range(n)), strict=False)


def distinct(texts: Iterable[Words], n: int) -> float:
    """Distinct n-grams among all n-grams of texts given as words, in (0, 1]; nan where no text has n words.

    No n-gram reaches from one text into the next. After Li et al. 2016 (A Diversity-Promoting Objective Function for
    Neural Conversation Models), who divide by the number of words; the number of n-grams makes 1 the highest value
    for every n.
    """
    seen: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        grams = list(ngrams(text, n))
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


def self_repetition(texts: Sequence[Words], n: int = REPEATED) -> float:
    """Return the share of texts, of those with n words, that have an n-gram in common with another one; nan without
    any."""
    holders: Counter[tuple[str, ...]] = Counter()
    grams = [set(ngrams(text, n)) for text in texts]
    for of_text in grams:
        holders.update(of_text)
    long_enough = [of_text for of_text in grams if of_text]
    repeated = sum(any(holders[gram] > 1 for gram in of_text) for of_text in long_enough)
    return repeated / len(long_enough) if long_enough else nan


def effective_number(kinds: Iterable[Hashable]) -> float:
    """exp of the entropy of how often each kind occurs: k where k kinds are equally frequent; nan without any."""
    counts = Counter(kinds)
    total = counts.total()
    return exp(-sum(count / total * log(count / total) for count in counts.values())) if total else nan


def hashed_features(texts: Sequence[Words]) -> NDArray[np.float32]:
    """Return a unit vector for each text, as a row: its words and pairs of words, counted in 4,096 hashed places."""
    rows = np.zeros((len(texts), DIMENSIONS), np.float32)
    for number, text in enumerate(texts):
        grams = [*text, *map(" ".join, ngrams(text, 2))]
        places = [zlib.crc32(gram.encode("utf-8", "replace")) % DIMENSIONS for gram in grams]
        rows[number] = np.bincount(np.array(places, np.intp), minlength=DIMENSIONS)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return rows


def vendi_score(features: NDArray[Any]) -> float:
    """Return the effective number of different texts, from 1 to their number, given a unit vector for each; nan without
    any.

    exp of the entropy of the eigenvalues of K / n, where K holds the cosines of all pairs of texts (Friedman and Dieng
    2023, The Vendi Score, definition 3.1).
    """
    if not len(features):
        return nan
    vectors = np.asarray(features, np.float64)
    eigenvalues = np.linalg.eigvalsh(vectors @ vectors.T / len(vectors))
    positive = eigenvalues[eigenvalues > 1e-12]
    return float(np.exp(-(positive * np.log(positive)).sum()))


def tail_words(texts: Iterable[Words]) -> frozenset[str]:
    """Return the rarest words of texts: those left when the most frequent ones, which make nine tenths of it, are taken
    away.

    Of equally frequent words the first in the alphabet is taken away first.
    """
    counts = Counter(chain.from_iterable(texts))
    left = (1 - TAIL) * counts.total()
    tail = []
    for word, count in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        if left <= 0:
            tail.append(word)
        left -= count
    return frozenset(tail)


def tail_coverage(texts: Iterable[Words], tail: frozenset[str]) -> float:
    """Return the share of the words of `tail` that occur in texts; nan where there is no tail.

    Their mass says less: where a model forgets a rare word it repeats another, so that mass may stay while words go.
    """
    return len(tail.intersection(chain.from_iterable(texts))) / len(tail) if tail else nan


class WordModel:
    """A trigram model of words with Witten-Bell smoothing, over the words of the texts that it is to predict.

    P(w | u, v) = (c(u, v, w) + t(u, v) P(w | v)) / (c(u, v) + t(u, v)), where t(u, v) counts the different words seen
    after u, v, and so on down to the uniform distribution (Chen and Goodman 1999, eq. 15 to 17). Words outside of
    `vocabulary` are one word.
    """

    def __init__(self, texts: Iterable[Words], vocabulary: Iterable[str]) -> None:
        self._known = frozenset(vocabulary)
        self._after: Mapping[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for text in texts:
            for context, word in self._steps(text):
                for start in range(3):
                    self._after[context[start:]][word] += 1
        self._totals = {context: (counts.total(), len(counts)) for context, counts in self._after.items()}

    def _steps(self, text: Words) -> Iterator[tuple[tuple[str, ...], str]]:
        """Return each word with the two before it; a text begins after two line breaks, and ends with one."""
        line = ["\n", "\n", *(word if word in self._known else UNKNOWN for word in text), "\n"]
        return (((first, second), word) for first, second, word in ngrams(line, 3))

    def probability(self, context: tuple[str, ...], word: str) -> float:
        """P(word) after at most two words."""
        p = 1 / (len(self._known) + 2)  # and the unknown word and the end
        for start in range(len(context), -1, -1):
            if seen := self._totals.get(context[start:]):
                total, types = seen
                p = (self._after[context[start:]][word] + types * p) / (total + types)
        return p

    def cross_entropy(self, texts: Iterable[Words]) -> float:
        """Mean of -log P in nats for each word of texts and their ends; nan without texts."""
        steps = [step for text in texts for step in self._steps(text)]
        return -sum(log(self.probability(*step)) for step in steps) / len(steps) if steps else nan
