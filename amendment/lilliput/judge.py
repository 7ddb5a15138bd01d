"""The simulated judge: a noisy, biased look at the attributes that a principle speaks about.

log-odds that the first answer is better = sharpness * (gain * weighted attribute differences
    + position + length per word + style + noise of this request + noise of this pair)

It does not read the principle's prose. Noise comes from the request, so the two orders of a pair
err independently, and swapping averages it out; `pair_noise` does not average out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import lru_cache

from amendment.lilliput.dice import chance, dice_for, logistic, pick
from amendment.lilliput.persona import Persona
from amendment.lilliput.principles import targets
from amendment.lilliput.truth import Attributes, truth
from amendment.lilliput.world import knows

__all__ = ["label_logprobs", "prefer", "word_verdict"]

_REASONS = ("keeps the principle better.", "is the better one here.", "has fewer flaws.")
_UNREADABLE = ("Both answers have their merits.", "Verdict: A\nVerdict: B", "I cannot compare these.")
_ELSEWHERE = 1e-3
"""Probability that a label's first token is none of the labels."""


def prefer(
    prompt: str,
    first: str,
    second: str,
    *,
    principles: Sequence[str] = (),
    persona: Persona,
    rng: random.Random,
) -> float:
    """Log-odds that the first shown answer is better. Outside the world only biases and noise speak."""
    drawn = tuple(principles)
    seen = persona.gain * _difference(prompt, first, second, _attention(drawn, persona.leak))
    biases = (
        persona.position_bias
        + persona.length_bias * (_n_words(first) - _n_words(second))
        + persona.style_bias * (first.startswith("sure") - second.startswith("sure"))
    )
    noise = persona.noise * rng.gauss(0.0, 1.0)
    if persona.pair_noise:
        noise += persona.pair_noise * _pair_error(prompt, first, second, drawn, persona.pair_noise_source)
    return persona.sharpness * (seen + biases + noise)


@lru_cache(maxsize=1 << 10)
def _attention(principles: tuple[str, ...], leak: float) -> Attributes:
    drawn, overall = targets(principles), targets(())
    return Attributes(*((1 - leak) * own + leak * mixed for own, mixed in zip(drawn, overall, strict=True)))


def _difference(prompt: str, first: str, second: str, weights: Attributes) -> float:
    if not knows(prompt):
        return 0.0
    a, b = truth(prompt, first).attributes, truth(prompt, second).attributes
    return sum(w * (x - y) for w, x, y in zip(weights, a, b, strict=True))


def _n_words(text: str) -> int:
    return text.count(" ") + 1


def _pair_error(prompt: str, first: str, second: str, principles: tuple[str, ...], source: str) -> float:
    """A standard normal draw that belongs to the pair and turns its sign with the order."""
    error = dice_for(source, prompt, *sorted((first, second)), *principles).gauss(0.0, 1.0)
    return error if first <= second else -error


def label_logprobs(log_odds: float, labels: Sequence[str]) -> dict[str, float]:
    """Natural log-probability of each label as first token: the first label stands for the first shown answer.

    Labels beyond the second (a tie) share what the two leave over.
    """
    p_first = logistic(log_odds)
    kept = 1 - _ELSEWHERE
    shares = [kept * p_first, kept * (1 - p_first), *[_ELSEWHERE / len(labels)] * (len(labels) - 2)]
    return {label: math.log(max(share, 1e-15)) for label, share in zip(labels, shares, strict=False)}


def word_verdict(log_odds: float, *, temperature: float, persona: Persona, rng: random.Random) -> str:
    """A verdict in words: `Verdict: A`, `B` or `tie` on the last line, perhaps after a line of reason.

    Sampled at the temperature; at 0 the likelier one. A small share cannot be read.
    """
    if chance(rng, persona.unreadable):
        return pick(rng, _UNREADABLE)
    if abs(log_odds) < persona.tie_width:
        return "Verdict: tie"
    label = "A" if _says_first(log_odds, temperature, rng) else "B"
    reason = f"Answer {label} {pick(rng, _REASONS)}\n" if chance(rng, persona.explains) else ""
    return f"{reason}Verdict: {label}"


def _says_first(log_odds: float, temperature: float, rng: random.Random) -> bool:
    if temperature <= 0:
        return log_odds > 0
    return chance(rng, logistic(log_odds / temperature))
