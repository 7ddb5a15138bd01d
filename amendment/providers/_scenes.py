"""How a persona of the simulated world answers a question, from what a server sees of it and nothing else.

Covered: the role that is asked for, read from the question's fenced blocks; the principle, read from the sentences
of the `lilliput` constitution that stand around them; label probabilities, verdicts in words, critiques, revisions
and drafts. A text outside the world gets a plain sentence, never an exception. Not covered: prose. A sentence is
recognised as it stands in the constitution, letter by letter, or not at all: a principle in other words stands for
the overall mix.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

from amendment.constitutions import load_constitution
from amendment.fence import around_fences, read_fenced
from amendment.lilliput import Persona, criticise, dice, draft, label_logprobs, prefer, revise, word_verdict
from amendment.providers._question import Question, said_in

__all__ = ["LABELS", "Said", "answer", "principles_in", "role_of"]

LABELS = ("A", "B")
"""First tokens of an answer to a comparison, as its blocks `answer_a` and `answer_b` name them."""

_REVISES = "The answer to improve"
"""What a reviser is told where no critique is given; a critic is told of `The answer to check`."""


class Said(NamedTuple):
    """An answer, why it ended, and what it took. A word is a token."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    logprobs: dict[str, float] | None = None
    """Natural log-probability of each label as first token, where the question asks for it and is a comparison."""


class _Scene(NamedTuple):
    question: Question
    asked: str
    blocks: Mapping[str, Any]
    persona: Persona
    rng: random.Random

    @property
    def principles(self) -> tuple[str, ...]:
        return principles_in(around_fences(self.asked))


class _Line(NamedTuple):
    text: str
    logprobs: dict[str, float] | None = None


def answer(question: Question, persona: Persona) -> Said:
    """The answer of a persona: equal questions have equal answers, on any machine and by any way."""
    asked = question.asked
    blocks = read_fenced(asked)
    scene = _Scene(question, asked, blocks, persona, dice(question.id))
    line = _PLAYS[role_of(asked, blocks)](scene)
    text, finish_reason = _cut(line.text, question)
    n_input = sum(_n_words(said_in(message.get("content"))) for message in question.messages)
    return Said(text, finish_reason, n_input, _n_words(text), line.logprobs)


def role_of(asked: str, blocks: Mapping[str, Any]) -> str:
    """`judge`, `revise`, `critique` or `draft`: two answers are to be compared, one to be revised or criticised."""
    if blocks.keys() >= {"answer_a", "answer_b"}:
        return "judge"
    if "answer" not in blocks:
        return "draft"
    return "revise" if "critique" in blocks or _REVISES in around_fences(asked) else "critique"


def principles_in(text: str) -> tuple[str, ...]:
    """The principles of the `lilliput` constitution of which a sentence stands in a text, in its order."""
    return tuple(id for id, sentences in _sentences() if any(sentence in text for sentence in sentences))


@cache
def _sentences() -> tuple[tuple[str, tuple[str, ...]], ...]:
    rules = load_constitution("lilliput")
    return tuple(
        (rules.principle_reference(one), (one.statement, *one.compare, *one.critique, *one.revise))
        for one in rules.principles
    )


def _draft(scene: _Scene) -> _Line:
    return _Line(draft(scene.asked, persona=scene.persona, rng=scene.rng))


def _critique(scene: _Scene) -> _Line:
    prompt, said = _prompt_in(scene.blocks), _text_in(scene.blocks.get("answer"))
    return _Line(criticise(prompt, said, principles=scene.principles, persona=scene.persona, rng=scene.rng))


def _revise(scene: _Scene) -> _Line:
    critique = _text_in(scene.blocks["critique"]) if "critique" in scene.blocks else None
    revised = revise(
        _prompt_in(scene.blocks),
        _text_in(scene.blocks.get("answer")),
        critique=critique,
        principles=scene.principles,
        persona=scene.persona,
        rng=scene.rng,
    )
    return _Line(revised)


def _judge(scene: _Scene) -> _Line:
    first, second = (_text_in(scene.blocks[name]) for name in ("answer_a", "answer_b"))
    prompt, persona, rng = _prompt_in(scene.blocks), scene.persona, scene.rng
    log_odds = prefer(prompt, first, second, principles=scene.principles, persona=persona, rng=rng)
    if scene.question.logprobs and persona.shows_choices:
        logprobs = label_logprobs(log_odds, LABELS)
        return _Line(max(logprobs, key=logprobs.__getitem__), logprobs)
    temperature = scene.question.temperature
    said = word_verdict(log_odds, temperature=1.0 if temperature is None else temperature, persona=persona, rng=rng)
    return _Line(said)


_PLAYS: Mapping[str, Callable[[_Scene], _Line]] = {
    "draft": _draft,
    "critique": _critique,
    "revise": _revise,
    "judge": _judge,
}


def _prompt_in(blocks: Mapping[str, Any]) -> str:
    """What the conversation's last user turn says."""
    conversation = blocks.get("conversation")
    if isinstance(conversation, list):
        turns = [turn for turn in conversation if isinstance(turn, dict) and turn.get("role") == "user"]
        return _text_in(turns[-1:])
    return _text_in(conversation)


def _text_in(value: Any) -> str:
    """The text of a fenced value: itself, or what its last message says."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or not isinstance(value[-1], dict):
        return ""
    return said_in(value[-1].get("content"))


def _cut(text: str, question: Question) -> tuple[str, str]:
    """The text within its budget and before the first of its stops, and why it ended."""
    finish_reason = "stop"
    if question.budget is not None and _n_words(text) > question.budget:
        text, finish_reason = " ".join(text.split()[: question.budget]), "length"
    ends = [at for stop in question.stops if (at := text.find(stop)) >= 0]
    return (text[: min(ends)], "stop") if ends else (text, finish_reason)


def _n_words(text: str) -> int:
    return len(text.split())
