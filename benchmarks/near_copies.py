"""Recall and precision of near copies, with time and memory: 200,000 texts, a tenth of them planted near-copies.

python benchmarks/near_copies.py                       rensa, as `clean` uses it
python benchmarks/near_copies.py --by datasketch  the same with datasketch (pip install datasketch)

The texts are our own: sentences of a small grammar over invented words, 30 to 120 words each. A planted copy repeats an
earlier text with 1, 2 or 4 % of its words replaced, deleted or doubled, in equal shares. Truth is exact: a copy counts
if its Jaccard similarity to its original is at least 0.8. A text found is right if it has that similarity to the text
that it is said to copy. One process, one thread.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

from amendment.curation.near_copies import HASHES, NearCopies, make_shingles, words_and_figures

TEXTS, PLANTED, STRENGTHS, THRESHOLD = 200_000, 0.1, (0.01, 0.02, 0.04), 0.8
Find = Callable[[str, str], str | None]
"""The name of the earlier text that a new one copies, from its own name and its words."""


class Planted(NamedTuple):
    """A near-copy."""

    original: int
    strength: float


def corpus(count: int, seed: int) -> tuple[list[str], dict[int, Planted]]:
    """Texts in random order, and which of them are copies of which earlier one."""
    rng = random.Random(seed)  # noqa: S311 - a corpus
    letters = "bcdfghklmnprstvw"
    stems = [f"{a}{v}{b}{e}" for a in letters for v in "aeiou" for b in letters for e in ("a", "er", "ing", "ol")]
    weights = [1 / (rank + 10) for rank in range(len(stems))]
    rng.shuffle(stems)
    pool = rng.choices(stems, weights, k=2_000_000)
    texts: list[str] = []
    planted: dict[int, Planted] = {}
    is_copied = set[int]()
    for place in range(count):
        if place > 100 and rng.random() < PLANTED:
            original = rng.randrange(place)
            while original in planted or original in is_copied:
                original = rng.randrange(place)
            is_copied.add(original)
            planted[place] = Planted(original, STRENGTHS[len(planted) % len(STRENGTHS)])
            texts.append(edited(texts[original], planted[place].strength, rng))
        else:
            start = rng.randrange(len(pool) - 120)
            sample = pool[start : start + rng.randint(30, 120)]
            rng.shuffle(sample)
            texts.append(" ".join(sample))
    return texts, planted


def edited(text: str, strength: float, rng: random.Random) -> str:
    """The text with a share of its words replaced, deleted or doubled; at least one."""
    in_words = text.split()
    for _ in range(max(1, round(strength * len(in_words)))):
        place = rng.randrange(len(in_words))
        match rng.randrange(3):
            case 0:
                in_words[place] = rng.choice(in_words)
            case 1:
                del in_words[place]
            case _:
                in_words.insert(place, in_words[place])
    return " ".join(in_words)


def by_rensa() -> Find:
    """As a run does it."""
    seen = NearCopies(THRESHOLD)

    def find(name: str, text: str) -> str | None:
        copy = seen.add(name, text)
        return copy.name if copy else None

    return find


def by_datasketch() -> Find:
    """The same bands, shingles and confirmation with datasketch."""
    datasketch = import_module("datasketch")

    index = datasketch.MinHashLSH(num_perm=HASHES, params=(20, 6))
    shingles: dict[str, frozenset[int]] = {}

    def find(name: str, text: str) -> str | None:
        own = make_shingles(*words_and_figures(text))
        sketch = datasketch.MinHash(num_perm=HASHES, seed=1)
        sketch.update_batch([shingle.encode() for shingle in own])
        hashed = frozenset(map(hash, own))
        for other in sorted(index.query(sketch), key=int):
            if len(hashed & shingles[other]) >= THRESHOLD * len(hashed | shingles[other]):
                return str(other)
        index.insert(name, sketch)
        shingles[name] = hashed
        return None

    return find


def jaccard(ours: str, theirs: str) -> float:
    """Jaccard similarity of two texts' sets of shingles, in [0, 1]."""
    first, second = (set(make_shingles(*words_and_figures(text))) for text in (ours, theirs))
    return len(first & second) / len(first | second)


def peak() -> float:
    """The most memory that this process has had, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=TEXTS)
    parser.add_argument("--by", choices=("rensa", "datasketch"), default="rensa")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    texts, planted = corpus(options.texts, options.seed)
    before, load = peak(), os.getloadavg()[0]
    find = by_rensa() if options.by == "rensa" else by_datasketch()
    started, worked = time.perf_counter(), time.process_time()
    copies = {place: find(str(place), text) for place, text in enumerate(texts)}
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    memory = peak()
    alike = {place: jaccard(texts[place], texts[copy.original]) for place, copy in planted.items()}
    found = {place: int(name) for place, name in copies.items() if name is not None}
    right = sum(jaccard(texts[place], texts[original]) >= THRESHOLD for place, original in found.items())
    due, met = Counter[float](), Counter[float]()
    for place, copy in planted.items():
        if alike[place] >= THRESHOLD:
            due[copy.strength] += 1
            met[copy.strength] += place in found
    print(f"{options.by}: {len(texts):,} texts, {len(planted):,} planted, seed {options.seed}")
    for strength in STRENGTHS:
        of = sum(copy.strength == strength for copy in planted.values())
        share = met[strength] / due[strength] if due[strength] else float("nan")
        print(f"  {strength:.0%} of the words edited: {due[strength]:,} of {of:,} at Jaccard 0.8; recall {share:.4f}")
    print(f"  recall {sum(met.values()) / sum(due.values()):.4f}, precision {right / len(found):.4f} of {len(found):,}")
    print(f"  {seconds:.1f} s ({cpu:.1f} s of CPU, load {load:.1f} at the start)")
    print(f"  peak memory {memory:.2f} GB, of which {before:.2f} GB before the search")


if __name__ == "__main__":
    main()
