"""Somebody of Lilliput who is shown what people prefer and says which rule they seem to follow.

Shown are prompts, each with the answer that people preferred and the other one. Looked at is by which attributes these
differ, pair by pair and with errors; named are those that speak for the preferred answers most. Nothing is known of why
people chose, nor of which rule is missing.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import NamedTuple

from amendment.simulator.dice import chance, pick
from amendment.simulator.persona import Persona
from amendment.simulator.truth import ATTRIBUTES, truth
from amendment.simulator.world import knows

__all__ = ["Preferred", "propose_attributes"]

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
