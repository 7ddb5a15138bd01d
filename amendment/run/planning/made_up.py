"""What stands in for an answer that nobody has given yet: of a stated length, different for every question.

Covered: answers that stages can use and judges can read, label probabilities where they are asked for. Not covered:
refusals, tool calls and equal answers, of which nobody knows beforehand.
"""

from __future__ import annotations

import math
import re
from typing import Literal

from amendment.fence import read_fenced
from amendment.llm.requests import Reply, Request
from amendment.preference import is_asked_again
from amendment.records import Message, text_of

__all__ = [
    "TEXT_TOKENS",
    "VERDICT_TOKENS",
    "Kind",
    "kind_of",
    "likely_answer",
    "likely_length",
    "longest_answer",
]

Kind = Literal["label", "verdict", "text"]
"""label: one token whose probabilities are read. verdict: some reasoning and a verdict. text: a draft, a critique, a
revision."""
TEXT_TOKENS = 300
VERDICT_TOKENS = 150
CHARACTERS = 4
"""Of a token of English, on average."""
UNBOUNDED = 4096
"""Tokens of the longest answer where nothing bounds it: neither max_tokens nor the price table."""
_WORDS = "so it goes on, as an answer of the usual length would, and says one thing after another; "
_JUDGED = re.compile(r"^<<(answer_b|candidate|answer_(\d+)) [0-9a-f]{32}>>$", re.MULTILINE)
"""Where a judge's question shows what is judged."""
_STRUCTURED = '\n{"reasoning": "", "verdict": "A"}'
_EVEN = {"A": math.log(0.5), "B": math.log(0.5)}


def kind_of(request: Request) -> Kind:
    """What a request asks for, by its form alone: a judge is shown two answers, one or several, each in a block."""
    if request.choices:
        return "label"
    return "verdict" if _JUDGED.search(text_of(request.messages)) else "text"


def likely_length(request: Request) -> int:
    """Tokens that an answer is assumed to have where none has been seen: its whole thinking budget, too, but never more
    than the request allows.
    """
    tokens = _usual(request) + (request.sampling.thinking_budget or 0)
    return min(tokens, request.sampling.max_tokens or tokens)


def _usual(request: Request) -> int:
    return {"label": 1, "verdict": VERDICT_TOKENS, "text": TEXT_TOKENS}[kind_of(request)]


def likely_answer(request: Request, tokens: int) -> Reply:
    """An answer of so many tokens to a request, as a judge or a stage reads it: thoughts are no part of its text."""
    said = max(tokens - (request.sampling.thinking_budget or 0), min(tokens, _usual(request)))
    return _answer(request, said * CHARACTERS)


def longest_answer(request: Request, tokens: int | None, *, is_cut: bool) -> Reply:
    """The longest answer to a request, of one character a token, as the most tokens of a text are counted.

    `is_cut`: it ends at the limit, so that a model which lengthens is asked once more. A verdict cannot be read at
    first, so that it is asked for again.
    """
    reply = _answer(request, tokens or UNBOUNDED, is_readable=is_asked_again(request.messages))
    return reply.model_copy(update={"finish_reason": "length"}) if is_cut else reply


def _answer(request: Request, characters: int, *, is_readable: bool = True) -> Reply:
    if request.choices:
        logs = {label: _EVEN.get(label, math.log(1 / len(request.choices))) for label in request.choices}
        return Reply(messages=(Message(role="assistant", content=request.choices[0]),), choice_logprobs=logs)
    body = f"{request.id} " + _WORDS * (characters // len(_WORDS) + 1)
    end = _verdict(request) if is_readable and kind_of(request) == "verdict" else ""
    text = body[: max(characters - len(end), len(request.id))] + end
    return Reply(messages=(Message(role="assistant", content=text),))


def _verdict(request: Request) -> str:
    """A verdict in the form that is asked for: one that a judge can read, whatever it says."""
    if request.answer_schema:
        return _STRUCTURED
    text = text_of(request.messages)
    shown = [block[1] for block in _JUDGED.finditer(text)]
    if "answer_b" in shown:
        return "\nVerdict: A"
    if "candidate" not in shown:
        return "\nRanking: " + " > ".join(str(place) for place in range(1, len(shown) + 1))
    criteria = read_fenced(text).get("criteria")
    if not criteria:
        return "\nScore: 5"
    return "".join(f"\n{one['id']}: {one['choices'][0]}" for one in criteria)
