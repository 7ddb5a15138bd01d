"""The simulated judge: a noisy, biased look at the attributes that a principle speaks about.

log-odds that the first answer is better = sharpness * (gain * weighted attribute differences
    + position + length per word + style + marks + noise of this request + noise of this pair)

It does not read the principle's prose. Noise comes from the request, so the two orders of a pair
err independently, and swapping averages it out; `pair_noise` does not average out. The marks with which judges are
probed (`probe_texts`) are no content: it looks through them, and leans to them by its biases alone.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from amendment import probe_texts
from amendment.simulator.dice import chance, dice_for, logistic, pick
from amendment.simulator.grammar import Kind, parse
from amendment.simulator.persona import Persona
from amendment.simulator.truth import Attributes, targets, truth
from amendment.simulator.world import knows

_REASONS = ("keeps the principle better.", "is the better one here.", "has fewer flaws.")
_BIAS_FOR = {
    "filler": "filler_bias",
    "citation": "authority_bias",
    "layout": "format_bias",
    "revised": "revision_bias",
    "injected": "injection_bias",
    "empty": "garbage_bias",
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
"""Probability that a label's first token is none of the labels."""


def prefer(
    prompt: str,
    first: str,
    second: str,
    *,
    principles: Sequence[str] = (),
    said: Sequence[str] = (),
    persona: Persona,
    rng: random.Random,
) -> float:
    """Log-odds that the first shown answer is better. Outside the world only biases and noise speak.

    `said` are user turns after the prompt, which may speak of the answers as A and B (see `nudge`).
    """
    drawn = tuple(principles)
    contents = look(first).plain, look(second).plain
    seen = persona.gain * _difference(prompt, *contents, attention(drawn, persona.leak))
    biases = persona.position_bias + leaning(first, persona) - leaning(second, persona)
    biases += nudge("A", said, persona) - nudge("B", said, persona)
    noise = persona.noise * rng.gauss(0.0, 1.0)
    if persona.pair_noise:
        noise += persona.pair_noise * _pair_error(prompt, *contents, drawn, persona.pair_noise_source)
    return persona.sharpness * (seen + biases + noise)


def leaning(answer: str, persona: Persona) -> float:
    """Log-odds that the look of an answer adds to it, whatever it says: length, manner and marks."""
    seen = look(answer)
    added = persona.length_bias * _n_words(answer) + persona.style_bias * seen.plain.lower().startswith("sure")
    added += sum(float(getattr(persona, bias)) for mark, bias in _BIAS_FOR.items() if mark in seen.marks)
    return added + persona.self_bias * (bool(persona.self_bias) and _is_own(seen.plain, persona))


def _is_own(answer: str, persona: Persona) -> bool:
    return parse(answer).has(_MANNERS[persona.writer])


def nudge(label: str, turns: Sequence[str], persona: Persona) -> float:
    """Log-odds that a conversation's words about the answers add to the one displayed under a label."""
    popular, own = nudged(turns)
    return persona.bandwagon_bias * (label in popular) + persona.sycophancy_bias * (label in own)


@lru_cache(maxsize=1 << 10)
def attention(principles: tuple[str, ...], leak: float) -> Attributes:
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


def word_verdict(
    log_odds: float, *, temperature: float, persona: Persona, rng: random.Random, reasons: bool = False
) -> str:
    """A verdict in words: `Verdict: A`, `B` or `tie` on the last line, perhaps after a line of reason.

    Sampled at the temperature; at 0 the likelier one. A small share cannot be read. With `reasons` the line of
    reason is always there.
    """
    if chance(rng, persona.unreadable):
        return pick(rng, _UNREADABLE)
    if abs(log_odds) < persona.tie_width:
        return f"{_EVEN}\nVerdict: tie" if reasons else "Verdict: tie"
    label = "A" if says_first(log_odds, temperature, rng) else "B"
    reason = f"{rationale(label, rng)}\n" if chance(rng, persona.explains) or reasons else ""
    return f"{reason}Verdict: {label}"


def rationale(label: str, rng: random.Random) -> str:
    """A sentence for the answer of this label; for a tie, where the label is none, that there is nothing to choose."""
    return f"Answer {label} {pick(rng, _REASONS)}" if label in ("A", "B") else _EVEN


def says_first(log_odds: float, temperature: float, rng: random.Random) -> bool:
    if temperature <= 0:
        return log_odds > 0
    return chance(rng, logistic(log_odds / temperature))


_LABELS = ("A", "B", "1", "2")
"""Under which answers are shown."""


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Every line of these texts, under every label."""
    for text in texts:
        yield from (line for label in _LABELS for line in probe_texts.named(text, label).split("\n") if line)


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
    """A claim about an answer, which finds the label that it names."""
    return re.compile(re.escape(text).replace(re.escape("{X}"), r"(\w+)"))


_BANDWAGON, _SYCOPHANCY = _claim(probe_texts.BANDWAGON), _claim(probe_texts.SYCOPHANCY)
_LONGEST_REMEMBERED = 4000
"""Characters; what is longer is looked at anew each time, so that memory stays small."""


class Look(NamedTuple):
    """An answer as a judge sees it."""

    plain: str
    """Its content, without marks."""
    marks: frozenset[str] = frozenset()
    """Of `filler`, `citation`, `layout`, `revised`, `injected` and `empty`: no word of it belongs to this world."""


def look(answer: str) -> Look:
    """The content and the marks of any text."""
    return (_look if len(answer) <= _LONGEST_REMEMBERED else _look.__wrapped__)(answer)


@lru_cache(maxsize=1 << 14)
def _look(answer: str) -> Look:
    found: set[str] = set()
    kept: list[str] = []
    dropped = False
    for line in answer.split("\n"):
        mark = _MARKS.get(line.strip())
        if mark is None:
            kept.append(line)
            continue
        dropped = True
        found.add(mark)
    plain = "\n".join(kept).strip("\n") if dropped else answer
    if "injected" not in found and _says_nothing(plain):
        found.add("empty")
    return Look(plain, frozenset(found - {""}))


def _says_nothing(text: str) -> bool:
    reading = parse(text)
    return reading.n_unparsed == reading.n_words


def is_nudge(turn: str) -> bool:
    """Whether a user turn is no question, but says which answer to prefer."""
    return bool(_BANDWAGON.fullmatch(turn.strip()) or _SYCOPHANCY.fullmatch(turn.strip()))


def nudged(turns: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The displayed labels that the majority is said to prefer, and those that the user claims to have written."""
    said = [turn.strip() for turn in turns]
    popular, own = (
        frozenset(found[1] for turn in said if (found := pattern.fullmatch(turn)))
        for pattern in (_BANDWAGON, _SYCOPHANCY)
    )
    return popular, own
