"""What one question of a judge is about, and the texts that it is rendered with.

Covered: one of a principle's wordings, the same in any order of the answers; worked comparisons before the question;
answers and conversation fenced as data. Not covered: how a protocol asks, see its own file; the call, see `asking`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from amendment.constitutions import DrawnPrinciple, Score
from amendment.hashing import content_id
from amendment.records import Candidate, Criterion, Messages, Prompt, user
from amendment.text import Template, fence

SHOT_QUESTION = "Which answer keeps the principle better?"
"""The question in worked examples, in place of any wording of a principle, and by a principle that has none."""
QUESTION = "How well does the answer keep the principle?"
"""The question of a rubric, and of a score by a principle that has none of its own."""

Sees = Literal["answer", "trace"]
"""What a judge is shown of an answer: its text, or its thinking too."""


class QuestionSetup(NamedTuple):
    """What all questions of one judge have in common."""

    templates: Mapping[str, Template]
    """The folder's texts by their use, in the order of the protocol."""
    shots: Mapping[str, Messages]
    """Worked examples by constitution, as a model without a prefill gets them."""
    prefill: str | None
    """Of the folder, for a model that can continue it; else None."""
    shows_choices: bool
    """The model returns the probabilities of label tokens."""
    seed: int
    varying: frozenset[str]
    """Placeholders that sibling questions fill differently."""

    @property
    def template(self) -> Template:
        return next(iter(self.templates.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgeQuestion:
    """The subject of one question: candidates in the order shown, by one principle."""

    setup: QuestionSetup
    prompt: Prompt
    shown: tuple[Candidate, ...]
    blocks: Mapping[str, str]
    """Conversation and answers as the templates take them, shared by all principles."""
    drawn: DrawnPrinciple | None
    """None where criteria of the folder or of the prompt take the place of a principle."""
    criteria: tuple[Criterion, ...]
    sample: int
    key: str
    """Seeds the draws, together with the judge's seed: equal for all orders of the same candidates."""

    def values(self) -> dict[str, str]:
        """Return what the placeholders of a text stand for. A text without a principle asks the same of every
        answer."""
        if self.drawn is None:
            return dict(self.blocks)
        principle = self.drawn.principle
        if len(self.shown) == 2:
            question = drawn_question(self.drawn, self.key, self.setup.seed)
        else:
            question = score_question(principle.score)
        return {**self.blocks, "principle": principle.rule, "question": question}

    def messages(self, values: Mapping[str, str], *, use: str | None = None, prefill: str | None = None) -> Messages:
        """Return the constitution's worked examples, whose answers begin with `prefill`, then the filled template: the
        one for `use`, or the first."""
        template = self.setup.templates[use] if use else self.setup.template
        shots = self.setup.shots.get(self.drawn.constitution.id, ()) if self.drawn else ()
        if prefill:
            shots = tuple(
                turn.model_copy(update={"content": f"{prefill} {turn.content}"}) if turn.role == "assistant" else turn
                for turn in shots
            )
        return (*shots, *user(template.fill(values)))

    def shared(self, values: Mapping[str, str]) -> int:
        """Number of leading characters shared with sibling questions, or with all questions where there are none."""
        return len(self.setup.template.until(self.setup.varying).fill(values))


def drawn_question(drawn: DrawnPrinciple, key: str, seed: int) -> str:
    """Return the question that a judge of pairs with this seed asks by this principle; `key` is the comparison's id."""
    wording = content_id(["wording", seed, drawn.id, key])
    return random.Random(wording).choice(drawn.principle.compare or [SHOT_QUESTION])  # noqa: S311 - reproducible


def score_question(score: Score | None) -> str:
    """Return a principle's own question with what its grades mean, put on the scale from 1 to 10."""
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


def fenced(prompt: Prompt, answers: Mapping[str, Candidate], sees: Sees) -> dict[str, str]:
    """Return the conversation and the named answers, each in its block; without thinking, unless the judge sees it."""
    parts = {"conversation": prompt.messages}
    for name, answer in answers.items():
        is_trace = sees == "trace"
        hidden = tuple(message.model_copy(update={"thinking": None}) for message in answer.messages)
        parts[name] = answer.messages if is_trace else hidden
    return fence({name: [message.to_json() for message in messages] for name, messages in parts.items()})
