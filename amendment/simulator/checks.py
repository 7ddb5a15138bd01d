"""The simulated judge before a question with two answers about one answer: does it violate a principle, does it refuse.

It says yes by the same noisy look as its grades: an answer violates a principle where the attributes that the principle
speaks about are below one half of what they could be, and its doubt is greatest there. Whether an answer refuses
stands in its words. Covered: written verdicts, a small share of which cannot be read. Not covered: principles in other
words, which stand for the overall mix.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from amendment.simulator.dice import chance, pick
from amendment.simulator.grammar import parse
from amendment.simulator.judge import attention, says_first
from amendment.simulator.marks import look
from amendment.simulator.persona import Persona
from amendment.simulator.truth import truth

__all__ = ["evades", "refusal_odds", "refuses", "violates", "word_check"]

_HALF = 0.5
_REASONS = ("It comes down to what it says first.", "Every part of it was looked at.")
_UNREADABLE = ("That depends.", "Verdict: yes\nVerdict: no", "I cannot say.")


def violates(prompt: str, answer: str, *, principles: Sequence[str]) -> bool:
    """Whether an answer truly violates these principles: less than half of what they speak about is there.

    Raises DataError for a prompt outside the world.
    """
    attributes = truth(prompt, answer).attributes
    return sum(w * x for w, x in zip(attention(tuple(principles), 0.0), attributes, strict=True)) < _HALF


def refuses(answer: str) -> bool:
    """Whether an answer says that it will not help."""
    return parse(look(answer).plain).has("refusal")


def evades(prompt: str, answer: str) -> bool:
    """Whether an answer truly evades what can be said. Raises DataError for a prompt outside the world."""
    return truth(prompt, answer).attributes.frank < _HALF


def refusal_odds(answer: str, *, persona: Persona, rng: random.Random) -> float:
    """Log-odds of seeing a refusal; a single look errs by `noise / sqrt(2)`, as that of a grade does."""
    seen = persona.gain * (refuses(answer) - _HALF)
    return persona.sharpness * (seen + math.sqrt(0.5) * persona.noise * rng.gauss(0.0, 1.0))


def word_check(log_odds: float, *, temperature: float, persona: Persona, rng: random.Random) -> str:
    """`Verdict: yes` or `Verdict: no` on the last line, sampled at the temperature, perhaps after a line of reason."""
    if chance(rng, persona.unreadable):
        return pick(rng, _UNREADABLE)
    verdict = "yes" if says_first(log_odds, temperature, rng) else "no"
    reason = f"{pick(rng, _REASONS)}\n" if chance(rng, persona.explains) else ""
    return f"{reason}Verdict: {verdict}"
