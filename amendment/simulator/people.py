"""People of Lilliput: those who compare two answers, and one who says which rule people seem to follow.

Each compares with weights of their own, none without error. A model of a panel, not of people: every number of the
kind "so many labels suffice" is conditional on it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from amendment.simulator.dice import chance, dice_for, logistic, pick
from amendment.simulator.persona import Persona
from amendment.simulator.truth import ATTRIBUTES, TRUTHS, Attributes, truth
from amendment.simulator.world import knows


def panel(
    prompt: str, a: str, b: str, *, seed: int, raters: int = 3, sharpness: float = 18.0, jitter: float = 0.5
) -> tuple[Literal["A", "B"], ...]:
    """One vote per rater: which of two answers to a prompt of the world is better.

    P(A) is logistic in `sharpness` times the difference of utility under the rater's own weights, which
    are the balanced truth's times exp(jitter * N(0, 1)). Rater i of a seed is the same person for every
    pair, and shows no position bias: swapping the answers swaps the votes. Raises DataError for a
    prompt outside the world.
    """
    rng = dice_for(seed, prompt, *sorted((a, b)))
    votes: list[Literal["A", "B"]] = []
    for rater in range(raters):
        weights = _taste(seed, rater, jitter)
        gap = truth(prompt, a, weights=weights).utility - truth(prompt, b, weights=weights).utility
        threshold = rng.random() if a <= b else 1 - rng.random()
        votes.append("A" if threshold < logistic(sharpness * gap) else "B")
    return tuple(votes)


@lru_cache(maxsize=1 << 10)
def _taste(seed: int, rater: int, jitter: float) -> Attributes:
    rng = dice_for(seed, rater)
    return Attributes(*(weight * math.exp(jitter * rng.gauss(0.0, 1.0)) for weight in TRUTHS["balanced"]))


LEAST = 0.05
"""Mean difference of an attribute from which it is worth a rule."""
ERROR = 0.2
"""Standard deviation with which the difference of one pair is seen, for a persona whose `noise` is 1."""


class Preferred(NamedTuple):
    """What people preferred, by its texts."""

    prompt: str
    preferred: str
    other: str


def propose_attributes(
    shown: Sequence[Preferred], *, known: Collection[str] = (), most: int = 3, persona: Persona, rng: random.Random
) -> tuple[str, ...]:
    """The attributes by which the preferred answers are better, the clearest first, `most` at most.

    `known` are those of which a rule stands already: each is noticed as such with probability `skill`, and then left
    out. A pair's differences are noticed with probability `skill` too, and seen with an error that grows with `noise`.
    With probability `false_alarms` an attribute is named that nothing speaks for. Pairs outside the world say nothing.
    """
    sums = dict.fromkeys(ATTRIBUTES, 0.0)
    seen = 0
    for one in shown:
        if not knows(one.prompt) or not chance(rng, persona.skill):
            continue
        seen += 1
        better, worse = (truth(one.prompt, text).attributes for text in (one.preferred, one.other))
        for name, high, low in zip(ATTRIBUTES, better, worse, strict=True):
            sums[name] += high - low + ERROR * persona.noise * rng.gauss(0.0, 1.0)
    noticed = {name for name in ATTRIBUTES if name in known and chance(rng, persona.skill)}
    means = {name: total / seen for name, total in sums.items() if seen and name not in noticed}
    found = sorted((name for name in means if means[name] > LEAST), key=lambda name: -means[name])
    if chance(rng, persona.false_alarms) and (wrong := [name for name in ATTRIBUTES if name not in found]):
        found.insert(0, pick(rng, wrong))
    return tuple(found[:most])
