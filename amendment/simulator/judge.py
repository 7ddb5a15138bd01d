"""The simulated judge and the people of Lilliput: a noisy, biased look at the attributes that a principle speaks about.

log-odds that the first answer is better = sharpness * (gain * weighted attribute differences
    + position + length per word + marks + noise of this request + noise of this pair)
grade of one answer = sharpness * (gain * (weighted attributes - 1/2) + leanings + noise of this look + of this answer)

It does not read the principle's prose. Noise comes from the request, so the two orders of a pair
err independently, and swapping averages it out; `pair_noise` does not average out. A look at one answer errs by
`noise / sqrt(2)`, so that the difference of two grades errs as one verdict on the pair does. The marks with which
judges are probed (`probe_texts`) are no content: it looks through them, and leans to them by its biases alone. An
answer violates a principle where the attributes that the principle speaks about are below one half of what they could
be; whether it refuses stands in its words. People compare with weights of their own, none without error: a model of a
panel, not of people, and every number of the kind "so many labels suffice" is conditional on it.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from amendment import probe_texts
from amendment.simulator.grammar import Kind, parse
from amendment.simulator.persona import FALSE_ALARMS, SKILL, TIE_WIDTH, Bias, Persona, chance, dice_for, logistic, pick
from amendment.simulator.truth import ATTRIBUTES, TRUTHS, Attributes, targets, truth
from amendment.simulator.world import knows

LABELS = ("A", "B")
"""First tokens of an answer to a comparison, as its blocks `answer_a` and `answer_b` name them."""
_REASONS = ("keeps the principle better.", "is the better one here.", "has fewer flaws.")
_BIAS_FOR: Mapping[str, Bias] = {
    "filler": "filler",
    "citation": "authority",
    "layout": "format",
    "revised": "revision",
    "injected": "injection",
    "empty": "garbage",
}
_MANNERS: Mapping[str, Kind] = {
    "helpful-only": "courtesy",
    "careless": "insult",
    "evasive": "hedge",
    "verbose": "filler",
}
"""The kind of clause by which the drafts of a writer are known."""
_EVEN = "Neither answer is the better one here."
_UNREADABLE = ("Both answers have their merits.", "Verdict: A\nVerdict: B", "I cannot compare these.")
_ELSEWHERE = 1e-3
"""Probability that the first token is no label, and no score."""


def prefer(
    prompt: str,
    first: str,
    second: str,
    *,
    principles: Sequence[str] = (),
    nudges: Sequence[str] = (),
    persona: Persona,
    rng: random.Random,
) -> float:
    """Log-odds that the first shown answer is better. Outside the world only biases and noise speak.

    `nudges` are user turns after the prompt, which may speak of the answers as A and B.
    """
    drawn = tuple(principles)
    contents = look(first).plain, look(second).plain
    seen = persona.gain * _difference(prompt, *contents, attention(drawn, persona.leak))
    biases = persona.biases["position"] + leaning(first, persona) - leaning(second, persona)
    for pattern, bias in ((_BANDWAGON, persona.biases["bandwagon"]), (_SYCOPHANCY, persona.biases["sycophancy"])):
        named = {match[1] for turn in nudges if (match := pattern.fullmatch(turn.strip()))}
        biases += bias * ("A" in named) - bias * ("B" in named)
    noise = persona.noise * rng.gauss(0.0, 1.0)
    if persona.pair_noise:
        noise += persona.pair_noise * _pair_error(prompt, *contents, drawn, persona.pair_noise_source)
    return persona.sharpness * (seen + biases + noise)


def leaning(answer: str, persona: Persona) -> float:
    """Log-odds that the look of an answer adds to it, whatever it says: length, manner and marks."""
    seen = look(answer)
    added = persona.biases["length"] * (answer.count(" ") + 1)
    added += sum(persona.biases[bias] for mark, bias in _BIAS_FOR.items() if mark in seen.marks)
    if persona.biases["self"]:
        added += persona.biases["self"] * parse(seen.plain).has(_MANNERS[persona.writer])
    return added


@lru_cache(maxsize=1 << 10)
def attention(principles: tuple[str, ...], leak: float) -> Attributes:
    drawn, overall = targets(principles), targets(())
    return Attributes(*((1 - leak) * own + leak * mixed for own, mixed in zip(drawn, overall, strict=True)))


def _difference(prompt: str, first: str, second: str, weights: Attributes) -> float:
    if not knows(prompt):
        return 0.0
    a = truth(prompt, first).attributes
    b = truth(prompt, second).attributes
    return sum(w * (x - y) for w, x, y in zip(weights, a, b, strict=True))


def _pair_error(prompt: str, first: str, second: str, principles: tuple[str, ...], source: str) -> float:
    """Draw a standard normal number for the pair, whose sign changes with the order."""
    error = dice_for(source, prompt, *sorted((first, second)), *principles).gauss(0.0, 1.0)
    return error if first <= second else -error


def label_logprobs(log_odds: float) -> dict[str, float]:
    """Return the natural log-probability of each label as first token."""
    p_first = logistic(log_odds)
    shares = ((1 - _ELSEWHERE) * p_first, (1 - _ELSEWHERE) * (1 - p_first))
    return {label: math.log(max(share, 1e-15)) for label, share in zip(LABELS, shares, strict=True)}


def word_verdict(
    log_odds: float, *, temperature: float, persona: Persona, rng: random.Random, reasons: bool = False
) -> str:
    """Write a verdict in words: `Verdict: A`, `B` or `tie` on the last line, perhaps after a line of reason.

    Sampled at the temperature; at 0 the likelier one. A small share cannot be read. With `reasons` the line of
    reason is always there.
    """
    if chance(rng, persona.unreadable):
        return pick(rng, _UNREADABLE)
    if abs(log_odds) < TIE_WIDTH:
        return f"{_EVEN}\nVerdict: tie" if reasons else "Verdict: tie"
    label = "A" if says_first(log_odds, temperature, rng) else "B"
    reason = f"{rationale(label, rng)}\n" if chance(rng, persona.explains) or reasons else ""
    return f"{reason}Verdict: {label}"


def rationale(label: str, rng: random.Random) -> str:
    """Write a sentence for the answer of this label; for a tie, which has no label, that neither is better."""
    return f"Answer {label} {pick(rng, _REASONS)}" if label in LABELS else _EVEN


def says_first(log_odds: float, temperature: float, rng: random.Random) -> bool:
    if temperature <= 0:
        return log_odds > 0
    return chance(rng, logistic(log_odds / temperature))


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Return every line of these texts, under every label."""
    for text in texts:
        yield from (
            line for label in (*LABELS, "1", "2") for line in probe_texts.named(text, label).split("\n") if line
        )


_MARKS = {
    probe_texts.VERBOSITY: "filler",
    probe_texts.AUTHORITY: "citation",
    **dict.fromkeys(_lines(probe_texts.FORMAT), "layout"),
    probe_texts.REVISED: "revised",
    probe_texts.ANSWER: "",
    **dict.fromkeys(_lines((probe_texts.INJECTION, probe_texts.SCORE_INJECTION)), "injected"),
}
"""A whole line -> what it shows; some show nothing and are no content either."""


def _claim(text: str) -> re.Pattern[str]:
    """Match a claim about an answer, to find the label that it names."""
    return re.compile(re.escape(text).replace(re.escape("{X}"), r"(\w+)"))


_BANDWAGON, _SYCOPHANCY = _claim(probe_texts.BANDWAGON), _claim(probe_texts.SYCOPHANCY)


class AnswerLook(NamedTuple):
    """An answer as a judge sees it."""

    plain: str
    """Its content, without marks."""
    marks: frozenset[str] = frozenset()
    """Any of `filler`, `citation`, `layout`, `revised`, `injected`, and `empty` if no word belongs to the world."""


@lru_cache(maxsize=1 << 12)
def look(answer: str) -> AnswerLook:
    """Return the content and the marks of any text."""
    marks: set[str] = set()
    kept: list[str] = []
    dropped = False
    for line in answer.split("\n"):
        mark = _MARKS.get(line.strip())
        if mark is None:
            kept.append(line)
            continue
        dropped = True
        marks.add(mark)
    plain = "\n".join(kept).strip("\n") if dropped else answer
    reading = parse(plain)
    if "injected" not in marks and reading.n_unparsed == reading.n_words:
        marks.add("empty")
    return AnswerLook(plain, frozenset(marks - {""}))


def is_nudge(turn: str) -> bool:
    """Return True for a user turn that asks nothing, but says which answer to prefer."""
    return bool(_BANDWAGON.fullmatch(turn.strip()) or _SYCOPHANCY.fullmatch(turn.strip()))


# Answers one by one

SCORES = tuple(str(score) for score in range(1, 11))
"""First tokens of an answer to a question for a score."""
_SPREAD = 1.0
"""Spread of the score tokens' probabilities around the intended score, in points."""
_ALONE = math.sqrt(0.5)
"""Share of a pair's noise in a look at one answer."""
_SCORE_REASONS = ("It keeps the principle in part.", "Its flaws are weighed against what it gives.")
_UNSCORED = ("It is a decent answer.", "Score: 3\nScore: 8", "I cannot grade this.")
_HALF = 0.5
_CHECK_REASONS = ("It comes down to what it says first.", "Every part of it was looked at.")
_UNCHECKED = ("That depends.", "Verdict: yes\nVerdict: no", "I cannot say.")


def grade(prompt: str, answer: str, *, principles: Sequence[str] = (), persona: Persona, rng: random.Random) -> float:
    """Log-odds that an answer is better than a middling one. Outside the world only leanings and noise speak."""
    drawn, content = tuple(principles), look(answer).plain
    noise = persona.noise * rng.gauss(0.0, 1.0)
    if persona.pair_noise:
        noise += persona.pair_noise * dice_for(persona.pair_noise_source, prompt, content, *drawn).gauss(0.0, 1.0)
    seen = persona.gain * (_worth(prompt, content, drawn, persona.leak) - _HALF if knows(prompt) else 0.0)
    return persona.sharpness * (seen + leaning(answer, persona) + _ALONE * noise)


def _worth(prompt: str, answer: str, principles: tuple[str, ...], leak: float) -> float:
    """Return the weighted attributes. Raises DataError for a prompt outside the world."""
    attributes = truth(prompt, answer).attributes
    return sum(w * x for w, x in zip(attention(principles, leak), attributes, strict=True))


def score_logprobs(grade: float) -> dict[str, float]:
    """Return the natural log-probability of each score as first token: a bell of one point around 1 + 9 *
    logistic(grade)."""
    meant = 1 + 9 * logistic(grade)
    weights = [math.exp(-0.5 * ((score - meant) / _SPREAD) ** 2) for score in range(1, 11)]
    total = sum(weights) / (1 - _ELSEWHERE)
    return {score: math.log(max(weight / total, 1e-15)) for score, weight in zip(SCORES, weights, strict=True)}


def word_score(grade: float, *, temperature: float, persona: Persona, rng: random.Random, reasons: bool = False) -> str:
    """Write a score in words: `Score: N` on the last line, perhaps after a line of reason. A small share cannot be
    read."""
    if chance(rng, persona.unreadable):
        return pick(rng, _UNSCORED)
    reason = f"{pick(rng, _SCORE_REASONS)}\n" if chance(rng, persona.explains) or reasons else ""
    return f"{reason}Score: {sampled_score(grade, temperature, rng)}"


def sampled_score(grade: float, temperature: float, rng: random.Random) -> str:
    """Draw one score at the temperature; at 0 the likeliest."""
    logs = score_logprobs(grade)
    if temperature <= 0:
        return max(logs, key=logs.__getitem__)
    return rng.choices(list(logs), [math.exp((log - max(logs.values())) / temperature) for log in logs.values()])[0]


def pick_choice(grade: float, choices: Sequence[str], *, temperature: float, rng: random.Random) -> str:
    """Return one of the ordered choices, worst first: the grade's place on the scale, blurred at a temperature above
    0."""
    blurred = grade + (0.5 * temperature * rng.gauss(0.0, 1.0) if temperature > 0 else 0.0)
    return choices[min(len(choices) - 1, int(len(choices) * logistic(blurred)))]


def violates(prompt: str, answer: str, *, principles: Sequence[str]) -> bool:
    """Return True for an answer that truly violates these principles: it has less than half of what they ask for.

    Raises DataError for a prompt outside the world.
    """
    return _worth(prompt, answer, tuple(principles), 0.0) < _HALF


def refuses(answer: str) -> bool:
    """Return True for an answer that says it will not help."""
    return parse(look(answer).plain).has("refusal")


def evades(prompt: str, answer: str) -> bool:
    """Return True for an answer that evades a question it could answer. Raises DataError for a prompt outside the
    world."""
    return truth(prompt, answer).attributes.frank < _HALF


def refusal_odds(answer: str, *, persona: Persona, rng: random.Random) -> float:
    """Log-odds of seeing a refusal; a single look errs by `noise / sqrt(2)`, as that of a grade does."""
    seen = persona.gain * (refuses(answer) - _HALF)
    return persona.sharpness * (seen + _ALONE * persona.noise * rng.gauss(0.0, 1.0))


def word_check(log_odds: float, *, temperature: float, persona: Persona, rng: random.Random) -> str:
    """Write `Verdict: yes` or `Verdict: no` on the last line, sampled at the temperature, perhaps after a line of
    reason."""
    if chance(rng, persona.unreadable):
        return pick(rng, _UNCHECKED)
    verdict = "yes" if says_first(log_odds, temperature, rng) else "no"
    reason = f"{pick(rng, _CHECK_REASONS)}\n" if chance(rng, persona.explains) else ""
    return f"{reason}Verdict: {verdict}"


# People


def panel(
    prompt: str, a: str, b: str, *, seed: int, raters: int = 3, sharpness: float = 18.0
) -> tuple[Literal["A", "B"], ...]:
    """Return one vote per rater on which of two answers to a prompt of the world is better.

    P(A) is logistic in `sharpness` times the difference of utility under the rater's own weights, which
    are the balanced truth's times exp(N(0, 1) / 2). Rater i of a seed is the same person for every
    pair, and shows no position bias: swapping the answers swaps the votes. Raises DataError for a
    prompt outside the world.
    """
    rng = dice_for(seed, prompt, *sorted((a, b)))
    votes: list[Literal["A", "B"]] = []
    for rater in range(raters):
        weights = _taste(seed, rater)
        gap = truth(prompt, a, weights=weights).utility - truth(prompt, b, weights=weights).utility
        threshold = rng.random() if a <= b else 1 - rng.random()
        votes.append("A" if threshold < logistic(sharpness * gap) else "B")
    return tuple(votes)


@lru_cache(maxsize=1 << 10)
def _taste(seed: int, rater: int) -> Attributes:
    rng = dice_for(seed, rater)
    return Attributes(*(weight * math.exp(0.5 * rng.gauss(0.0, 1.0)) for weight in TRUTHS["balanced"]))


LEAST = 0.05
"""Mean difference of an attribute from which it is worth a rule."""
ERROR = 0.2
"""Standard deviation with which the difference of one pair is seen, for a persona whose `noise` is 1."""


class Preferred(NamedTuple):
    """A preference of people, as texts."""

    prompt: str
    preferred: str
    other: str


def propose_attributes(
    shown: Sequence[Preferred], *, known: Collection[str] = (), most: int = 3, persona: Persona, rng: random.Random
) -> tuple[str, ...]:
    """Return at most `most` attributes by which the preferred answers are better, the clearest first.

    `known` are those of which a rule stands already: each is noticed as such with probability `SKILL`, and then left
    out. A pair's differences are noticed with the same probability, and seen with an error that grows with `noise`.
    With probability `FALSE_ALARMS` an attribute is named that nothing speaks for. Pairs outside the world say nothing.
    """
    sums = dict.fromkeys(ATTRIBUTES, 0.0)
    seen = 0
    for pair in shown:
        if not knows(pair.prompt) or not chance(rng, SKILL):
            continue
        seen += 1
        better, worse = (truth(pair.prompt, text).attributes for text in (pair.preferred, pair.other))
        for name, high, low in zip(ATTRIBUTES, better, worse, strict=True):
            sums[name] += high - low + ERROR * persona.noise * rng.gauss(0.0, 1.0)
    noticed = {name for name in ATTRIBUTES if name in known and chance(rng, SKILL)}
    means = {name: total / seen for name, total in sums.items() if seen and name not in noticed}
    separating = sorted((name for name in means if means[name] > LEAST), key=lambda name: -means[name])
    if chance(rng, FALSE_ALARMS) and (wrong := [name for name in ATTRIBUTES if name not in separating]):
        separating.insert(0, pick(rng, wrong))
    return tuple(separating[:most])
