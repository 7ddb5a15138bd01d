"""The sample of a spot check: which comparisons people see, each with the probability of being drawn.

Covered: stratified samples of fixed size for estimates; the most uncertain comparisons for debugging, which have no
probability; the block that every annotator sees; hidden repeats; the sealed part. All follow from the seed and from
names that are hashes of content: where a few comparisons are judged anew, the others keep their places, and labels
that people have given stay useful. Not covered: who sees what next.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amendment.calibration.inclusion import (
    conditional_inclusion,
    inclusion_probabilities,
    pareto_sample,
    whole_counts,
)
from amendment.calibration.samples import Purpose, SampledItem
from amendment.calibration.strata import Exported, strata_of
from amendment.hashing import HASH_PREFIX, content_id
from amendment.statistics.intervals import Floats

__all__ = ["LEAST_UNIFORM", "Sample", "SampleSettings", "StratumCounts", "draw_sample"]

LEAST_UNIFORM = 0.5
"""Below this share rare items weigh so much that intervals no longer hold (60 % coverage of 95 % at a share of 0.1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleSettings:
    """What a spot check takes."""

    items: int = 200
    """Comparisons; all of them where there are no more."""
    overlap: int = 50
    """Of these, how many every annotator sees."""
    repeats: float = 0.1
    """Share of the items that are shown twice."""
    uniform: float = 0.8
    """Share of the probability that is the same for all; the rest follows the judge's uncertainty."""
    sealed: float = 0.5
    """Probability of a prompt to be sealed."""
    purpose: Purpose = "estimate"

    def __post_init__(self) -> None:
        if self.items < 1 or self.overlap < 0:
            raise ValueError(f"expected items from 1 and an overlap from 0, found {self}")
        if not LEAST_UNIFORM <= self.uniform <= 1:
            raise ValueError(f"uniform: expected {LEAST_UNIFORM} to 1, found {self.uniform}")
        if not (0 <= self.repeats <= 1 and 0 <= self.sealed <= 1):
            raise ValueError(f"expected shares of repeats and sealed prompts from 0 to 1, found {self}")


class StratumCounts(NamedTuple):
    """Comparisons of a stratum."""

    population: int
    drawn: int


class Sample(NamedTuple):
    """What people are asked about."""

    items: list[SampledItem]
    """In random order: whoever stops half way has labelled a random half."""
    population: int
    """Comparisons that it was drawn from."""
    strata: dict[str, StratumCounts]
    """By name, also those of which nothing was drawn."""

    @property
    def is_all(self) -> bool:
        """Whether every comparison was taken."""
        return len(self.items) == self.population


def draw_sample(population: Sequence[Exported], settings: SampleSettings, *, seed: int) -> Sample:
    """Draw the items of a spot check. The order of the population does not count.

    For estimates: inclusion probabilities (`inclusion_probabilities`), strata that expect two items or more, a whole
    number of items for each that is the expected one on average, and Pareto sampling inside. For debugging: first those
    whose two orders disagree, then all others, by the entropy of the judge's P.
    """
    ordered = sorted(population, key=lambda one: one.comparison.id)
    if settings.purpose == "debug":
        chance = np.full(len(ordered), min(1.0, settings.items / max(len(ordered), 1)))
        drawn = _most_uncertain(ordered, settings.items)
    else:
        chance = inclusion_probabilities([one.p_a for one in ordered], settings.items, uniform=settings.uniform)
        drawn = []
    names = strata_of(ordered, chance.tolist())
    if settings.purpose == "estimate":
        drawn = _stratified(ordered, names, chance, seed)
    counts, taken = Counter(names), Counter(names[place] for place in drawn)
    strata = {name: StratumCounts(counts[name], taken[name]) for name in sorted(counts)}
    found = [_item(ordered[place], names[place], chance[place], settings.purpose) for place in drawn]
    found.sort(key=lambda item: _number("place", seed, item.comparison_id))
    return Sample(_marked(found, settings, seed), len(ordered), strata)


def _item(one: Exported, stratum: str, chance: float, purpose: Purpose) -> SampledItem:
    return SampledItem(
        **one.comparison._asdict(),
        p_a=one.p_a,
        consistent=one.consistent,
        stratum=stratum,
        purpose=purpose,
        inclusion=float(chance) if purpose == "estimate" else None,
    )


def _most_uncertain(ordered: Sequence[Exported], items: int) -> list[int]:
    """Entropy falls with the distance of P from one half."""
    return sorted(
        range(len(ordered)), key=lambda place: (ordered[place].consistent is not False, abs(ordered[place].p_a - 0.5))
    )[:items]


def _stratified(ordered: Sequence[Exported], names: Sequence[str], chance: Floats, seed: int) -> list[int]:
    by_stratum: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(names):
        by_stratum[name].append(place)
    strata = [np.array(by_stratum[name]) for name in sorted(by_stratum)]
    numbers = np.array([_number("spot check", seed, one.comparison.id) for one in ordered])
    counts = whole_counts([chance[places].sum() for places in strata], _number("rounding", seed, ""))
    drawn: list[int] = []
    for places, count in zip(strata, counts.tolist(), strict=True):
        inside = conditional_inclusion(chance[places], count)
        drawn += places[pareto_sample(inside, numbers[places], count)].tolist()
    return drawn


def _marked(items: Sequence[SampledItem], settings: SampleSettings, seed: int) -> list[SampledItem]:
    """Overlap, repeats and the seal. The overlap lies behind the seal as far as there is room: how far people agree is
    for the certificate, and nothing that is fitted needs it. Repeats stand on both sides in proportion."""
    sealed = _sealed({item.prompt_id for item in items}, settings, seed)
    sides = [[item.comparison_id for item in items if (item.prompt_id in sealed) is side] for side in (True, False)]
    behind, before = (_least(side, len(side), "overlap", seed) for side in sides)
    shared = {*[*behind, *before][: settings.overlap]}
    again = _some_of(sides, round(settings.repeats * len(items)), "repeat", seed)
    marks = (
        {
            "in_overlap": item.comparison_id in shared,
            "is_repeated": item.comparison_id in again,
            "is_sealed": item.prompt_id in sealed,
        }
        for item in items
    )
    return [item.model_copy(update=mark) for item, mark in zip(items, marks, strict=True)]


def _sealed(prompts: Collection[str], settings: SampleSettings, seed: int) -> set[str]:
    """A prompt is sealed for good: by its own number, whatever else was drawn, so that no label that has been looked
    at becomes a sealed one when comparisons are judged anew. Of two prompts or more one at least is on each side."""
    share = settings.sealed if settings.purpose == "estimate" else 0.0
    ranked = sorted((_number("seal", seed, prompt), prompt) for prompt in prompts)
    count = sum(number < share for number, _ in ranked)
    if len(ranked) > 1 and 0 < share < 1:
        count = min(max(count, 1), len(ranked) - 1)
    return {prompt for _, prompt in ranked[:count]}


def _some_of(sides: Iterable[Sequence[str]], count: int, what: str, seed: int) -> set[str]:
    """So many of the first side and the second, in proportion, those with the least numbers."""
    first, second = sides
    total = len(first) + len(second)
    of_first = round(count * len(first) / total) if total else 0
    return {*_least(first, of_first, what, seed), *_least(second, count - of_first, what, seed)}


def _least(names: Sequence[str], count: int, what: str, seed: int) -> list[str]:
    return sorted(names, key=lambda name: _number(what, seed, name))[:count]


def _number(what: str, seed: int, name: str) -> float:
    """A permanent random number between 0 and 1, neither of which it can be."""
    digits = content_id([what, seed, name]).removeprefix(HASH_PREFIX)
    return (int(digits[:12], 16) + 0.5) / 2**48
