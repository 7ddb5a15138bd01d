"""From a judge's reply to a verdict, or to the reason why there is none. Nothing is ever guessed.

Covered: label-token probabilities, the label in words where a server shows none, and one written verdict line. Two
verdicts, none, or a refusal are invalid: never a tie, never a default. A verdict that shares its line with other
words is none, nor is one that breaks over two lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import NamedTuple

from amendment.calls import Reply
from amendment.records import text_of

__all__ = ["PARSERS", "Parsed", "read_label_tokens", "read_verdict_line"]

LABELS = ("A", "B")
LEAST_MASS = 0.5
"""Probability that the labels must hold together; below it the model was about to say something else."""
MOST_MASS = 1.01
"""Above it, rounding aside, what the provider shows are no probabilities."""

_SPACE = r"[^\S\n]"
_LINE = re.compile(
    rf"""^(?:{_SPACE}|[*_#>])*verdict(?:{_SPACE}|[*_])*[:=](?:{_SPACE}|[*_"'(\[])*(a|b|tie)(?:{_SPACE}|[*_"')\].])*$""",
    re.IGNORECASE | re.MULTILINE,
)
_LABEL = re.compile(r"""[\s*_"'(\[]*([AB])[\s*_"')\].]*""")


class Parsed(NamedTuple):
    """A value with its distribution and reasoning, or the reason why there is none."""

    value: str | None = None
    distribution: dict[str, float] | None = None
    reasoning: str | None = None
    invalid: str | None = None


class Parser(NamedTuple):
    """How a reply is read, and whether label probabilities must be asked for."""

    read: Callable[[Reply], Parsed]
    needs_choices: bool
    form: str
    """What a written verdict must look like, as a model is told when its own could not be read."""


def read_label_tokens(reply: Reply) -> Parsed:
    """P(A) = p(A) / (p(A) + p(B)) over the first token (Lee et al. 2023, section 2.1).

    A label beyond the tokens that the provider shows counts as probability 0 when the other label alone
    holds enough mass. A reply without probabilities is one vote, by the label that it consists of.
    """
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    if reply.choice_logprobs is None:
        return _read_vote(reply)
    logs = reply.choice_logprobs
    mass = {label: math.exp(min(logs[label], 1.0)) for label in LABELS if label in logs}
    total = sum(mass.values())
    if not LEAST_MASS <= total <= MOST_MASS:  # written so that NaN fails it, too
        return Parsed(invalid=f"A and B hold {total:.0%} of the first token, expected {LEAST_MASS:.0%} to 100%")
    p_a = mass.get("A", 0.0) / total
    return Parsed("A" if p_a > 0.5 else "B" if p_a < 0.5 else "tie", {"A": p_a, "B": 1 - p_a})


def _read_vote(reply: Reply) -> Parsed:
    """The letter that is the whole reply, or else its one verdict line: a value without a distribution."""
    label = _LABEL.fullmatch(text_of(reply.messages))
    if label:
        return Parsed(label.group(1))
    line = read_verdict_line(reply)
    return line._replace(invalid=f"no probabilities, and {line.invalid}") if line.invalid else line


def read_verdict_line(reply: Reply) -> Parsed:
    """The one line `Verdict: A`, `Verdict: B` or `Verdict: tie`; what stands before it is the reasoning."""
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    text = text_of(reply.messages)
    lines = list(_LINE.finditer(text))
    reasoning = text[: lines[0].start()].strip() or None if lines else text.strip() or None
    if len(lines) != 1:
        problem = "no verdict line" if not lines else f"{len(lines)} verdict lines"
        return Parsed(reasoning=reasoning, invalid=problem)
    word = lines[0].group(1)
    return Parsed(word.upper() if len(word) == 1 else "tie", None, reasoning)


PARSERS = {
    "label-tokens": Parser(
        read_label_tokens, needs_choices=True, form="the one letter A or the one letter B, and nothing else"
    ),
    "verdict-line": Parser(
        read_verdict_line,
        needs_choices=False,
        form='one line and nothing else, "Verdict: A", "Verdict: B" or "Verdict: tie"',
    ),
}
