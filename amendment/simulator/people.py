"""People of Lilliput who compare two answers: each with weights of their own, none without error.

A model of a panel, not of people: every number of the kind "so many labels suffice" is conditional on it.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

from amendment.simulator.dice import dice_for, logistic
from amendment.simulator.truth import TRUTHS, Attributes, truth

__all__ = ["panel"]


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
