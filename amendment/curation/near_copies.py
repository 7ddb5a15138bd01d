"""Texts that are copies or near copies of earlier ones: MinHash proposes, exact Jaccard similarity decides.

Covered: which earlier text a text copies. The first in order stays, so the same texts in the same order give the same
answer on any machine. Texts with different figures or signs of arithmetic are never copies of each other: with other
numbers a task is another task.
Not covered: paraphrases, which share few words.
"""

from __future__ import annotations

import re
import zlib
from array import array
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from amendment.libraries import need
from amendment.text import folded, words

SHINGLE = 3
"""Words of a shingle; a shorter text is one shingle."""
HASHES, BANDS = 120, 20
"""Six hashes a band propose a pair of Jaccard similarity 0.8 with probability 1 - (1 - 0.8^6)^20 = 0.998, one of 0.5
with 0.27, one of 0.2 with 0.001 (Leskovec et al. 2020, Mining of Massive Datasets, section 3.4)."""
MARGIN = 0.15
"""An estimate of similarity that is lower than the threshold by this, four standard deviations, is not looked at
exactly; texts of one template propose each other in great numbers."""
LEAST = 0.5
"""The lowest threshold for which the bands above are made."""
_FIGURES = re.compile(r"\d+|[+*/=<>^%×÷]|(?<![^\W\d_])-(?![^\W\d_])")


class Copy(NamedTuple):
    """The earlier text that a text copies."""

    name: str
    similarity: float
    """Jaccard similarity of the sets of shingles, in [0, 1]; of several parts the lowest. 1.0 for the same words in the
    same order, and only then where `is_exact`."""
    is_exact: bool


class NearCopies:
    """The texts kept so far. `add` keeps a new text, or says which of them it copies."""

    def __init__(self, threshold: float) -> None:
        """`threshold` is the lowest Jaccard similarity of a near copy, in [0.5, 1]. Raises MissingExtra
        without rensa."""
        need("clean", "rensa")
        from rensa import RMinHashLSH

        self._threshold = threshold
        self._index = RMinHashLSH(threshold=threshold, num_perm=HASHES, num_bands=BANDS)
        self._digests = np.empty((1024, HASHES), dtype=np.uint32)
        """The sketches of the texts taken; rows beyond their number are not in use."""
        self._names: list[str] = []
        self._shingles: list[list[array[int]]] = []
        self._exact: dict[bytes, str] = {}

    def add(self, name: str, *parts: str) -> Copy | None:
        """Take a text of one or more parts, unless it copies one taken before: then that one is returned.

        It copies a text if each of its parts copies the same part of that text, so a pair with the prompt of another
        pair and other answers is no copy.
        """
        from rensa import RMinHash

        in_words = [words_and_figures(part) for part in parts]
        exact = blake2b(repr(in_words).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if earlier := self._exact.get(exact):
            return Copy(earlier, 1.0, is_exact=True)
        shingles = [make_shingles(*part) for part in in_words]
        sketch = RMinHash(num_perm=HASHES, seed=1)
        sketch.update([f"{part} {shingle}" for part, found in enumerate(shingles) for shingle in found])
        hashed = RMinHash.hash_token_sets(shingles)
        digest = np.array(sketch.digest(), dtype=np.uint32)
        proposed = np.array(sorted(self._index.query(sketch)), dtype=np.intp)
        alike = (self._digests[proposed] == digest).mean(axis=1) if len(proposed) else np.empty(0)
        for place in proposed[alike >= self._threshold - MARGIN]:
            similarity = min(map(_jaccard, hashed, self._shingles[place]))
            if similarity >= self._threshold:
                return Copy(self._names[place], similarity, is_exact=False)
        self._index.insert(len(self._names), sketch)
        if len(self._names) == len(self._digests):
            self._digests = np.concatenate([self._digests, np.empty_like(self._digests)])
        self._digests[len(self._names)] = digest
        self._names.append(name)
        self._shingles.append([array("Q", part) for part in hashed])
        self._exact[exact] = name
        return None


def words_and_figures(text: str) -> tuple[list[str], list[str]]:
    """Return what two exact copies share: the words in lower case, without punctuation, and the figures and signs of
    arithmetic. A text without words is its own."""
    text = folded(text)
    return words(text) or [text.strip()], _FIGURES.findall(text)


def make_shingles(in_words: list[str], figures: list[str]) -> list[str]:
    """Return the different runs of three words of a text, each marked by the figures of the whole text."""
    mark = zlib.crc32(" ".join(figures).encode()) if figures else 0
    starts = range(max(1, len(in_words) - SHINGLE + 1))
    return list({f"{mark} {' '.join(in_words[start : start + SHINGLE])}" for start in starts})


def _jaccard(ours: list[int], theirs: array[int]) -> float:
    shared = len(set(ours).intersection(theirs))
    return shared / (len(ours) + len(theirs) - shared)
