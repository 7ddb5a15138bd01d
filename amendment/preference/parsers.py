"""Read a judge's reply: a verdict, or the reason why there is none. Nothing is ever guessed.

Covered: label-token probabilities, the label in words where a server shows none; one written verdict line; one JSON
object; a score by the tokens 1 to 10 or by one line; yes or no. Two verdicts, none, a refusal, or a reply that was cut
at its limit are invalid: never a tie, never a default. A verdict that shares its line with other words is none, nor is
one that breaks over two lines. A reply that quotes a verdict line of a candidate, as a line of its own, and then gives
a verdict holds two: nobody can tell them apart, so it is invalid and asked for again. Not covered: a reply that quotes
such a line and gives no verdict of its own; which protocol reads how, see `protocols`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from amendment.data.replies import json_objects
from amendment.llm.requests import Reply
from amendment.records import Scale, last_text

LABELS = ("A", "B")
VERDICTS = ("A", "B", "tie")
SCORES = tuple(str(number) for number in range(1, 11))
YES_NO = ("yes", "no", "Yes", "No")
"""Spellings that are asked for; those of one word are added up."""
LEAST_MASS = 0.5
"""Probability that the labels must hold together by default; below it the model was about to say something else."""
MOST_MASS = 1.01
"""Above it, rounding aside, what the provider shows are no probabilities."""
MOST_SPLIT = 0.02
"""Probability of a token 1 that may be the beginning of 10: it moves the expected score by at most 0.18."""
VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"reasoning": {"type": "string"}, "verdict": {"type": "string", "enum": list(VERDICTS)}},
    "required": ["reasoning", "verdict"],
    "additionalProperties": False,
}
"""The schema of a structured verdict. Reasons come first, so that the model writes them first."""


class Parsed(NamedTuple):
    """A value with its distribution and reasoning, or the reason why there is none."""

    value: str | float | bool | None = None
    distribution: dict[str, float] | None = None
    reasoning: str | None = None
    invalid: str | None = None
    bounded: tuple[str, ...] | None = None
    """Labels that the provider did not list; their probability is an upper bound."""
    label_mass: float | None = None
    """Probability of all listed labels together."""
    scale: Scale | None = None
    """None: that of the protocol."""
    criterion: str | None = None
    """The id of the criterion that was judged, if it was one."""

    def require_mass(self, least_mass: float) -> Parsed:
        """Return the same, or invalid where the labels hold less than `least_mass` of the probability."""
        if self.invalid or self.label_mass is None or self.label_mass >= least_mass:
            return self
        too_little = f"the labels hold {self.label_mass:.0%} of the probability, expected {least_mass:.0%} or more"
        return Parsed(invalid=too_little, label_mass=self.label_mass)


def unreadable(reply: Reply) -> str | None:
    """Return the reason why a written reply is invalid whatever its text says; None where there is none."""
    return {"refusal": "refused", "length": "the reply was cut at its limit"}.get(reply.finish_reason)


# Token probabilities


def read_label_tokens(reply: Reply) -> Parsed:
    """P(A) = p(A) / (p(A) + p(B)) over the first token, or the one after the prefill (Lee et al. 2023, section 2.1).

    A label beyond the tokens that the provider lists takes the least listed probability, an upper bound, and is marked.
    A log-probability that is no finite number says nothing, nor does an answer without any where the others have them.
    Where the provider never shows probabilities, a reply is one vote, by the label that it consists of; a letter that
    was cut at its limit is none, since it may begin a sentence ("A fair look at both ...").
    """
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    if reply.choice_logprobs is None:
        return _read_vote(reply)
    parsed = _divided(_mass(reply.choice_logprobs, LABELS), LABELS, reply)
    if parsed.distribution is None:
        return parsed
    p_a = parsed.distribution["A"]
    value = "A" if p_a > 0.5 else "B" if p_a < 0.5 else "tie"
    return parsed._replace(value=value, distribution={"A": p_a, "B": 1 - p_a})


def read_yes_no_tokens(reply: Reply) -> Parsed:
    """P(yes) = p(yes) / (p(yes) + p(no)) over the first token, or the one after the prefill; in other respects as
    `read_label_tokens`. True where P(yes) is above one half."""
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    if reply.choice_logprobs is None:
        word = _WORD.fullmatch(last_text(reply.messages))
        return Parsed(word.group(1).lower() == "yes") if word and not unreadable(reply) else read_yes_no(reply)
    mass: dict[str, float] = {}
    for spelling, p in _mass(reply.choice_logprobs, YES_NO).items():
        mass[spelling.lower()] = mass.get(spelling.lower(), 0.0) + p
    parsed = _divided(mass, ("yes", "no"), reply)
    if parsed.distribution is None:
        return parsed
    return parsed._replace(value=parsed.distribution["yes"] > parsed.distribution["no"])


def _divided(mass: dict[str, float], labels: tuple[str, ...], reply: Reply) -> Parsed:
    """Return the probability of each label among the two, without a value; or the reason why there is none."""
    problem = _mass_problem(mass, " and ".join(labels))
    if problem:
        return Parsed(invalid=problem)
    bounded = tuple(label for label in labels if label not in mass)
    if bounded and reply.least_logprob is None:
        return Parsed(invalid=f"no probability of {bounded[0]}")
    label_mass = min(sum(mass.values()), 1.0)
    mass |= {label: math.exp(min(reply.least_logprob or 0.0, 0.0)) for label in bounded}
    total = sum(mass.values())
    distribution = {label: mass[label] / total for label in labels}
    return Parsed(distribution=distribution, bounded=bounded or None, label_mass=label_mass)


_LABEL = re.compile(r"""[\s*_"'(\[]*([AB])[\s*_"')\].]*""")
_WORD = re.compile(r"""[\s*_"'(\[]*(yes|no)[\s*_"')\].]*""", re.IGNORECASE)


def _read_vote(reply: Reply) -> Parsed:
    """Return the letter that is the whole reply, or else its one verdict line: a value without a distribution."""
    label = _LABEL.fullmatch(last_text(reply.messages))
    if label and not unreadable(reply):
        return Parsed(label.group(1))
    line = Parsed(invalid=unreadable(reply)) if label else read_verdict_line(reply)
    return line._replace(invalid=f"no probabilities, and {line.invalid}") if line.invalid else line


def read_score(reply: Reply) -> Parsed:
    """sum of s p(s) / sum of p(s) over the score tokens; without probabilities the number that is the whole reply, or
    the one line `Score: N`."""
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    if reply.choice_logprobs is None:
        return _read_written_score(reply)
    mass = _mass(reply.choice_logprobs, SCORES)
    problem = _mass_problem(mass, "1 to 10")
    if problem:
        return Parsed(invalid=problem)
    total = sum(mass.values())
    distribution = {score: p / total for score, p in mass.items()}
    expected = sum(int(score) * share for score, share in distribution.items())
    value = min(max(expected, 1.0), 10.0)  # but for rounding it lies there
    return Parsed(value, distribution, label_mass=min(total, 1.0))


def is_split(reply: Reply) -> bool:
    """Return True where the token 1 may be the beginning of a 10, so that the probabilities do not tell them apart."""
    logs = reply.choice_logprobs or {}
    return "10" not in logs and math.exp(min(logs.get("1", -math.inf), 1.0)) > MOST_SPLIT


def _mass(logprobs: Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Probability of each label that is listed; nan where its log-probability is no finite number."""
    listed = {label: logprobs[label] for label in labels if label in logprobs}
    return {label: math.exp(min(log, 1.0)) if math.isfinite(log) else math.nan for label, log in listed.items()}


def _mass_problem(mass: Mapping[str, float], labels: str) -> str | None:
    """Return the problem with the labels' share of the first token's probability; None where there is none."""
    if not mass:
        return "the reply lists no label's probability"
    total = sum(mass.values())
    if math.isnan(total):
        return "a log-probability is not a finite number"
    if 0 < total <= MOST_MASS:
        return None
    return f"{labels} hold {total:.0%} of the probability, expected above 0% and 100% at most"


# Written lines

_SPACE = r"[^\S\n]"


def line_pattern(word: str, value: str) -> re.Pattern[str]:
    """Return a line `word: value` and nothing else on it, with or without the marks that models dress it with."""
    return re.compile(
        rf"""^(?:{_SPACE}|[*_#>])*{word}(?:{_SPACE}|[*_])*[:=](?:{_SPACE}|[*_"'(\[])*({value})"""
        rf"""(?:{_SPACE}|[*_"')\].])*$""",
        re.IGNORECASE | re.MULTILINE,
    )


_VERDICT_LINE = line_pattern("verdict", "a|b|tie")
_YES_NO_LINE = line_pattern("verdict", "yes|no")
_SCORE_LINE = line_pattern("score", r"-?\d{1,9}(?:\.\d{1,9})?(?:[^\S\n]*/[^\S\n]*\d{1,9})?")
_WHOLE = re.compile(r"(\d+)(?:\s*/\s*10)?")
_NUMBER = re.compile(r"[\s*_\"'(\[]*(\d{1,9})[\s*_\"')\].]*")


def _read_line(reply: Reply, name: str, pattern: re.Pattern[str], value: Callable[[str], str | bool]) -> Parsed:
    """Return the value of the one line of this form; what stands before it is the reasoning."""
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    text = last_text(reply.messages)
    lines = list(pattern.finditer(text))
    reasoning = (text[: lines[0].start()] if lines else text).strip() or None
    counted = None if len(lines) == 1 else f"{len(lines) or 'no'} {name} line{'s' if lines else ''}"
    if problem := unreadable(reply) or counted:
        return Parsed(reasoning=reasoning, invalid=problem)
    return Parsed(value(lines[0].group(1)), None, reasoning)


def read_verdict_line(reply: Reply) -> Parsed:
    """Return the one line `Verdict: A`, `Verdict: B` or `Verdict: tie`."""
    return _read_line(reply, "verdict", _VERDICT_LINE, lambda word: word.upper() if len(word) == 1 else "tie")


def read_yes_no(reply: Reply) -> Parsed:
    """Return True for the one line `Verdict: yes`, False for `Verdict: no`."""
    return _read_line(reply, "verdict", _YES_NO_LINE, lambda word: word.lower() == "yes")


def _read_written_score(reply: Reply) -> Parsed:
    is_alone = _NUMBER.fullmatch(last_text(reply.messages))
    parsed = _read_line(reply, "score", _NUMBER if is_alone else _SCORE_LINE, str)
    if parsed.invalid:
        return parsed
    whole = _WHOLE.fullmatch(str(parsed.value))
    if not whole or str(int(whole.group(1))) not in SCORES:
        wrong = f"score {parsed.value}, expected a whole number from 1 to 10"
        return parsed._replace(value=None, invalid=wrong)
    return parsed._replace(value=float(whole.group(1)))


# One JSON object


def read_verdict_json(reply: Reply) -> Parsed:
    """Return the one JSON object with a `verdict`, which is the whole reply or stands in it.

    An object inside another, or inside a string, is part of that one. Text around the object is not read.
    """
    if unreadable(reply):
        return Parsed(invalid=unreadable(reply))
    text = last_text(reply.messages)
    objects = [pairs for pairs in json_objects(text) if any(key == "verdict" for key, _ in pairs)]
    if len(objects) != 1:
        problem = "no JSON object with a verdict" if not objects else f"{len(objects)} JSON objects with a verdict"
        return Parsed(reasoning=text.strip() or None, invalid=problem)
    (pairs,) = objects
    reasons = [value for key, value in pairs if key == "reasoning" and isinstance(value, str)]
    reasoning = "\n".join(reasons).strip() or None
    verdicts = [value for key, value in pairs if key == "verdict"]
    if len(verdicts) != 1:
        return Parsed(reasoning=reasoning, invalid=f"{len(verdicts)} verdicts in one JSON object")
    if verdicts[0] not in VERDICTS:
        return Parsed(reasoning=reasoning, invalid="the verdict is none of A, B and tie")
    return Parsed(verdicts[0], None, reasoning)
