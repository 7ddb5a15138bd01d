"""The simulated judge before answers one by one: scores, criteria, yes or no, by the look of its verdicts.

grade = sharpness * (gain * (weighted attributes - 1/2) + leanings + noise of this look + noise of this answer)

A grade is in log-odds above a middling answer. A single look errs by `noise / sqrt(2)`, so that the difference of two
grades errs as one verdict on the pair does; there are no two orders, so nothing averages it out. An answer violates a
principle where the attributes that the principle speaks about are below one half of what they could be; whether it
refuses stands in its words. Covered: scores 1 to
10 as token probabilities or in words, ordered choices. Not covered: position bias between scores
of separate questions, of which there is none.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from amendment.simulator.dice import chance, dice_for, logistic, pick
from amendment.simulator.grammar import parse
from amendment.simulator.judge import attention, leaning, look, says_first
from amendment.simulator.persona import Persona
from amendment.simulator.truth import truth
from amendment.simulator.world import knows

SCORES = tuple(str(score) for score in range(1, 11))
"""First tokens of an answer to a question for a score."""
_SPREAD = 1.0
"""Of the score tokens' probabilities around the score that is meant, in points."""
_ELSEWHERE = 1e-3
"""Probability that the first token is no score."""
_ALONE = math.sqrt(0.5)
"""Share of a pair's noise in a look at one answer."""
_REASONS = ("It keeps the principle in part.", "Its flaws are weighed against what it gives.")
_UNREADABLE = ("It is a decent answer.", "Score: 3\nScore: 8", "I cannot grade this.")
_HALF = 0.5
_CHECK_REASONS = ("It comes down to what it says first.", "Every part of it was looked at.")
_UNCHECKED = ("That depends.", "Verdict: yes\nVerdict: no", "I cannot say.")


def grade(prompt: str, answer: str, *, principles: Sequence[str] = (), persona: Persona, rng: random.Random) -> float:
    """Log-odds that an answer is better than a middling one. Outside the world only leanings and noise speak."""
    drawn, content = tuple(principles), look(answer).plain
    noise = persona.noise * rng.gauss(0.0, 1.0)
    if persona.pair_noise:
        noise += persona.pair_noise * dice_for(persona.pair_noise_source, prompt, content, *drawn).gauss(0.0, 1.0)
    seen = persona.gain * _worth(prompt, content, drawn, persona.leak)
    return persona.sharpness * (seen + leaning(answer, persona) + _ALONE * noise)


def _worth(prompt: str, answer: str, principles: tuple[str, ...], leak: float) -> float:
    """The weighted attributes above one half; 0 outside the world."""
    if not knows(prompt):
        return 0.0
    attributes = truth(prompt, answer).attributes
    return sum(w * x for w, x in zip(attention(principles, leak), attributes, strict=True)) - 0.5


def score_logprobs(grade: float) -> dict[str, float]:
    """Natural log-probability of each score as first token: a bell of one point around 1 + 9 * logistic(grade)."""
    meant = 1 + 9 * logistic(grade)
    weights = [math.exp(-0.5 * ((score - meant) / _SPREAD) ** 2) for score in range(1, 11)]
    total = sum(weights) / (1 - _ELSEWHERE)
    return {score: math.log(max(weight / total, 1e-15)) for score, weight in zip(SCORES, weights, strict=True)}


def word_score(grade: float, *, temperature: float, persona: Persona, rng: random.Random, reasons: bool = False) -> str:
    """A score in words: `Score: N` on the last line, perhaps after a line of reason. A small share cannot be read."""
    if chance(rng, persona.unreadable):
        return pick(rng, _UNREADABLE)
    reason = f"{pick(rng, _REASONS)}\n" if chance(rng, persona.explains) or reasons else ""
    return f"{reason}Score: {sampled_score(grade, temperature, rng)}"


def sampled_score(grade: float, temperature: float, rng: random.Random) -> str:
    """One score, drawn at the temperature; at 0 the likeliest."""
    logs = score_logprobs(grade)
    if temperature <= 0:
        return max(logs, key=logs.__getitem__)
    return rng.choices(list(logs), [math.exp((log - max(logs.values())) / temperature) for log in logs.values()])[0]


def choice_of(grade: float, choices: Sequence[str], *, temperature: float, rng: random.Random) -> str:
    """One of the ordered choices, worst first: the grade's place on the scale, blurred at a temperature above 0."""
    blurred = grade + (0.5 * temperature * rng.gauss(0.0, 1.0) if temperature > 0 else 0.0)
    return choices[min(len(choices) - 1, int(len(choices) * logistic(blurred)))]


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
    return persona.sharpness * (seen + _ALONE * persona.noise * rng.gauss(0.0, 1.0))


def word_check(log_odds: float, *, temperature: float, persona: Persona, rng: random.Random) -> str:
    """`Verdict: yes` or `Verdict: no` on the last line, sampled at the temperature, perhaps after a line of reason."""
    if chance(rng, persona.unreadable):
        return pick(rng, _UNCHECKED)
    verdict = "yes" if says_first(log_odds, temperature, rng) else "no"
    reason = f"{pick(rng, _CHECK_REASONS)}\n" if chance(rng, persona.explains) else ""
    return f"{reason}Verdict: {verdict}"
