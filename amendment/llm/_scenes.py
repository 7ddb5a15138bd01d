"""How a persona of the simulated world answers a question, from what a server sees of it and nothing else.

Covered: the role that is asked for, read from the question's fenced blocks and the words around them; critiques,
revisions, drafts, verdicts of every protocol (see `_verdicts`), and rules that are missing (see `_proposing`). A text
outside the world gets a plain sentence, never an exception. Not covered: prose (see `_scene`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from amendment.fence import around_fences, read_fenced
from amendment.llm._by_schema import by_schema
from amendment.llm._proposing import BLOCK, propose
from amendment.llm._question import Question, said_in
from amendment.llm._scene import Line, Scene, text_in
from amendment.llm._verdicts import (
    check,
    compare,
    grade_by_criteria,
    grade_by_score,
    is_check,
    is_pool,
    put_in_order,
)
from amendment.simulator import Persona, criticise, dice, draft, revise

__all__ = ["Said", "answer", "role_of"]

_REVISES = "The answer to improve"
"""What a reviser is told where no critique is given; a critic is told of `The answer to check`."""


class Said(NamedTuple):
    """An answer, why it ended, and what it took. A word is a token."""

    text: str
    finish_reason: str
    input_tokens: int
    output_tokens: int
    logprobs: dict[str, float] | None = None
    """Natural log-probability of each label as first token, where the question asks for it and is a judge's."""


def answer(question: Question, persona: Persona) -> Said:
    """The answer of a persona: equal questions have equal answers, on any machine and by any way."""
    asked = question.asked
    blocks = read_fenced(asked)
    scene = Scene(question, asked, blocks, persona, dice(question.id))
    line = _PLAYS[role_of(asked, blocks)](scene)
    text, finish_reason = _cut(line.text, question)
    n_input = sum(_n_words(said_in(message.get("content"))) for message in question.messages)
    return Said(text, finish_reason, n_input, _n_words(text), line.logprobs)


def role_of(asked: str, blocks: Mapping[str, Any]) -> str:
    """`judge` (two answers), `score`, `criteria`, `check` (one each), `rank`, `propose`, `revise`, `critique` or
    `draft`."""
    if blocks.keys() >= {"answer_a", "answer_b"}:
        return "judge"
    if "candidate" in blocks:
        return "check" if is_check(around_fences(asked)) else "criteria" if "criteria" in blocks else "score"
    if is_pool(blocks):
        return "rank"
    if BLOCK in blocks:
        return "propose"
    if "answer" not in blocks:
        return "draft"
    return "revise" if "critique" in blocks or _REVISES in around_fences(asked) else "critique"


def _draft(scene: Scene) -> Line:
    return _said(scene, draft(scene.asked, persona=scene.persona, rng=scene.rng))


def _critique(scene: Scene) -> Line:
    said = text_in(scene.blocks.get("answer"))
    return _said(
        scene, criticise(scene.prompt, said, principles=scene.principles, persona=scene.persona, rng=scene.rng)
    )


def _revise(scene: Scene) -> Line:
    critique = text_in(scene.blocks["critique"]) if "critique" in scene.blocks else None
    revised = revise(
        scene.prompt,
        text_in(scene.blocks.get("answer")),
        critique=critique,
        principles=scene.principles,
        persona=scene.persona,
        rng=scene.rng,
    )
    return _said(scene, revised)


def _said(scene: Scene, text: str) -> Line:
    schema = scene.question.answer_schema
    return Line(by_schema(schema, text, {}) if schema else text)


_PLAYS: Mapping[str, Callable[[Scene], Line]] = {
    "draft": _draft,
    "critique": _critique,
    "revise": _revise,
    "judge": compare,
    "score": grade_by_score,
    "criteria": grade_by_criteria,
    "check": check,
    "rank": put_in_order,
    "propose": propose,
}


def _cut(text: str, question: Question) -> tuple[str, str]:
    """The text within its budget and before the first of its stops, and why it ended."""
    finish_reason = "stop"
    if question.budget is not None and _n_words(text) > question.budget:
        text, finish_reason = " ".join(text.split()[: question.budget]), "length"
    ends = [at for stop in question.stops if (at := text.find(stop)) >= 0]
    return (text[: min(ends)], "stop") if ends else (text, finish_reason)


def _n_words(text: str) -> int:
    return len(text.split())
