"""Direct scores from 1 to 10: the expected value over the score tokens, or one written score.

Covered: tokenizers that write 10 as a 1 and a 0, for whom the token 1 may mean either. Not covered: whether two judges
mean the same by a 7.
"""

from __future__ import annotations

import math
import re

from amendment.llm.requests import Reply
from amendment.constitutions import Score
from amendment.preference.parsers import Parsed, label_mass, line_of, mass_problem, unreadable
from amendment.records import text_of

__all__ = ["SCORES", "SCORE_FORM", "anchors_on_scale", "is_split", "read_score", "score_question"]

SCORES = tuple(str(number) for number in range(1, 11))
SCORE_FORM = 'one line and nothing else, "Score: N", where N is a whole number from 1 to 10'
QUESTION = "How well does the answer keep the principle?"
"""Of a principle that has no question of its own."""

MOST_SPLIT = 0.02
"""Probability of a token 1 that may be the beginning of 10: it moves the expected score by at most 0.18."""

_LINE = line_of("score", r"-?\d{1,9}(?:\.\d{1,9})?(?:[^\S\n]*/[^\S\n]*\d{1,9})?")
_WHOLE = re.compile(r"(\d+)(?:\s*/\s*10)?")
_ALONE = re.compile(r"[\s*_\"'(\[]*(\d{1,9})[\s*_\"')\].]*")


def read_score(reply: Reply) -> Parsed:
    """sum of s p(s) / sum of p(s) over the score tokens; without probabilities the number that is the whole reply, or
    the one line `Score: N`."""
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    if reply.choice_logprobs is None:
        return _read_written(reply)
    mass = label_mass(reply.choice_logprobs, SCORES)
    problem = mass_problem(mass, "1 to 10")
    if problem:
        return Parsed(invalid=problem)
    total = sum(mass.values())
    distribution = {score: found / total for score, found in mass.items()}
    expected = sum(int(score) * share for score, share in distribution.items())
    return Parsed(min(max(expected, 1.0), 10.0), distribution)  # but for rounding it lies there


def is_split(reply: Reply) -> bool:
    """Whether the token 1 may be the beginning of a 10, so that the probabilities do not tell them apart."""
    logs = reply.choice_logprobs or {}
    return "10" not in logs and math.exp(min(logs.get("1", -math.inf), 1.0)) > MOST_SPLIT


def _read_written(reply: Reply) -> Parsed:
    text = text_of(reply.messages)
    alone = _ALONE.fullmatch(text)
    lines = [alone] if alone else list(_LINE.finditer(text))
    reasoning = text[: lines[0].start()].strip() or None if lines else text.strip() or None
    problem = unreadable(reply)
    if not problem and len(lines) != 1:
        problem = "no score line" if not lines else f"{len(lines)} score lines"
    if problem:
        return Parsed(reasoning=reasoning, invalid=problem)
    whole = _WHOLE.fullmatch(lines[0].group(1))
    if not whole or str(int(whole.group(1))) not in SCORES:
        return Parsed(reasoning=reasoning, invalid=f"score {lines[0].group(1)}, expected a whole number from 1 to 10")
    return Parsed(float(whole.group(1)), None, reasoning)


def score_question(score: Score | None) -> str:
    """A principle's own question with what its grades mean, put on the scale from 1 to 10."""
    if score is None:
        return QUESTION
    meanings = "; ".join(f"{grade}: {text}" for grade, text in anchors_on_scale(score.anchors).items())
    return f"{score.question} What scores mean: {meanings}."


def anchors_on_scale(anchors: dict[int, str]) -> dict[int, str]:
    """Grades of any range on the scale from 1 to 10, in order; of two that fall on one number the first stays."""
    low, high = min(anchors), max(anchors)
    placed: dict[int, str] = {}
    for grade in (low, high, *sorted(anchors)):
        placed.setdefault(round(1 + 9 * (grade - low) / (high - low)), anchors[grade])
    return dict(sorted(placed.items()))
