"""What a persona of the simulated world has before it when it is asked: the question, its blocks, its principle.

Covered: the principle, read from the sentences of the `lilliput` constitution that stand around the blocks; the texts
of blocks in any shape. Not covered: prose. A sentence is recognised as it stands in the constitution, letter by
letter, or not at all: a principle in other words stands for the overall mix.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from amendment.constitutions import load_constitution
from amendment.fence import around_fences
from amendment.llm._question import Question, said_in
from amendment.simulator import Persona, is_nudge

__all__ = ["Line", "Scene", "principles_in", "text_in", "turns_in"]


class Scene(NamedTuple):
    question: Question
    asked: str
    blocks: Mapping[str, Any]
    persona: Persona
    rng: random.Random

    @property
    def words(self) -> str:
        """What stands around the blocks."""
        return around_fences(self.asked)

    @property
    def principles(self) -> tuple[str, ...]:
        return principles_in(self.words)

    @property
    def prompt(self) -> str:
        """What the last user turn of the conversation asks, words about the answers aside."""
        return next((turn for turn in reversed(turns_in(self.blocks)) if not is_nudge(turn)), "")

    @property
    def said(self) -> tuple[str, ...]:
        """User turns that are no question, but speak of the answers."""
        return tuple(turn for turn in turns_in(self.blocks) if is_nudge(turn))

    @property
    def temperature(self) -> float:
        """1 where the question leaves it to the model."""
        return 1.0 if self.question.temperature is None else self.question.temperature

    @property
    def shows(self) -> bool:
        """Whether token probabilities are asked for, and to be had."""
        return bool(self.question.logprobs) and self.persona.shows_choices


class Line(NamedTuple):
    text: str
    logprobs: dict[str, float] | None = None


def principles_in(text: str) -> tuple[str, ...]:
    """The principles of the `lilliput` constitution of which a sentence stands in a text, in its order."""
    return tuple(id for id, sentences in _sentences() if any(sentence in text for sentence in sentences))


@cache
def _sentences() -> tuple[tuple[str, tuple[str, ...]], ...]:
    rules = load_constitution("lilliput")
    return tuple(
        (
            rules.principle_reference(one),
            (one.statement, *one.compare, *one.critique, *one.revise, *([one.score.question] if one.score else [])),
        )
        for one in rules.principles
    )


def turns_in(blocks: Mapping[str, Any]) -> list[str]:
    """What the user turns of the conversation say."""
    conversation = blocks.get("conversation")
    if not isinstance(conversation, list):
        return [text_in(conversation)]
    turns = [turn for turn in conversation if isinstance(turn, dict) and turn.get("role") == "user"]
    return [text_in([turn]) for turn in turns]


def text_in(value: Any) -> str:
    """The text of a fenced value: itself, or what its last message says."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value or not isinstance(value[-1], dict):
        return ""
    return said_in(value[-1].get("content"))
