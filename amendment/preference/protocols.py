"""What each protocol asks: two answers side by side, one answer's score, its rubric, or yes or no about it.

Covered: one of a principle's wordings, the same in any order of the answers; worked comparisons before the question;
answers and conversation fenced as data. Not covered: the call itself, see `asking`; readers, see `parsers` and
`rubrics`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from amendment.constitutions import Constitution, Drawn, Score
from amendment.hashing import content_id
from amendment.preference.asking import Asker, Question
from amendment.preference.folder import JudgeFolder
from amendment.preference.parsers import LABELS, PARSERS, SCORES, VERDICT_SCHEMA, Parsed, is_split
from amendment.preference.rubrics import read_rubric, rubric_form, rubric_score
from amendment.records import Candidate, Criterion, Message, Messages, Origin, Prompt, Verdict, user
from amendment.text import fence

SHOT_QUESTION = "Which answer keeps the principle better?"
"""Of worked examples, where it stands for all wordings of a principle."""
QUESTION = "How well does the answer keep the principle?"
"""Of a score by a principle that has no question of its own, and of a rubric."""
BY_CRITERIA = "as the criteria say"
"""Stands for a principle where the criteria are not made of one."""


class Task(NamedTuple):
    """What one question is about: candidates in the order shown, by one principle."""

    prompt: Prompt
    shown: tuple[Candidate, ...]
    blocks: Mapping[str, str]
    """Conversation and answers as the templates take them, which all principles share."""
    drawn: Drawn | None
    """None where criteria of the folder or of the prompt stand for a principle."""
    criteria: tuple[Criterion, ...]
    sample: int
    key: str
    """What draws follow from, with the judge's seed: equal for all orders of the same candidates."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How one judge asks, whatever it looks at."""

    asker: Asker
    rater: str
    shots: Mapping[str, Messages]
    """Worked examples by constitution."""
    seed: int
    own: frozenset[str]
    """Holes of the template that siblings of a question fill differently."""

    async def ask(self, task: Task) -> list[Verdict]:
        """The verdicts of one question: one, or one for each criterion of a rubric and their score."""
        if self.asker.folder.protocol == "rubric":
            return await self._ask_rubric(task)
        return [await self._ask_verdict(task)]

    async def _ask_verdict(self, task: Task) -> Verdict:
        """Which of two is better, how good one is, or yes or no about it; a text without a principle asks the same of
        every answer. A score is the expected value where the model shows probabilities, else a written one."""
        folder = self.asker.folder
        values = dict(task.blocks)
        if task.drawn:
            own, is_pair = task.drawn.principle.score, folder.unit == "pair"
            values["principle"] = task.drawn.principle.rule
            values["question"] = drawn_question(task.drawn, task.key, self.seed) if is_pair else score_question(own)
        is_score = folder.protocol == "score"
        by_tokens = is_score and self.asker.model.shows_choices
        in_words = self._messages(task, values, use="written") if is_score else None
        parser = PARSERS[folder.parser]
        question = Question(
            messages=in_words if in_words and not by_tokens else self._messages(task, values),
            read=lambda reply: [parser.read(reply)],
            form=parser.form,
            sample=task.sample,
            shared=self._shared(values),
            choices=LABELS if folder.needs_choices else SCORES if by_tokens else None,
            schema=VERDICT_SCHEMA if folder.is_structured else None,
            in_words=in_words,
            needs_words=is_split if is_score else None,
        )
        parsed, origin = await self.asker.ask(question)
        return self._verdict(task, parsed[0], origin)

    async def _ask_rubric(self, task: Task) -> list[Verdict]:
        """A verdict for each criterion, and a last one that is the score of them all, from 0 to 1."""
        criteria = task.criteria
        rule = task.drawn.principle.rule if task.drawn else BY_CRITERIA
        shown = fence({"criteria": [criterion.shown() for criterion in criteria]})
        values = {**task.blocks, **shown, "principle": rule, "question": QUESTION}
        question = Question(
            messages=self._messages(task, values),
            read=lambda reply: read_rubric(reply, criteria),
            form=rubric_form(criteria),
            parts=len(criteria),
            sample=task.sample,
            shared=self._shared(values),
        )
        parsed, origin = await self.asker.ask(question)
        verdicts = []
        for criterion, choice in zip(criteria, parsed, strict=True):
            scale = "binary" if criterion.is_binary else "ordinal"
            value = choice.value == "yes" if criterion.is_binary and choice.value is not None else choice.value
            read = choice._replace(value=value)
            verdicts.append(self._verdict(task, read, origin, scale=scale, criterion=criterion.id))
        missing = [choice.invalid for choice in parsed if choice.invalid]
        score = None if missing else rubric_score(criteria, [str(choice.value) for choice in parsed])
        total = Parsed(score, reasoning=parsed[0].reasoning, invalid=missing[0] if missing else None)
        return [*verdicts, self._verdict(task, total, origin, scale="score")]

    def _messages(self, task: Task, values: Mapping[str, str], *, use: str | None = None) -> Messages:
        """The constitution's worked examples and the filled text of that use, or of the first."""
        folder = self.asker.folder
        template = folder.templates[use] if use else folder.template
        shots = self.shots.get(task.drawn.constitution.id, ()) if task.drawn else ()
        return (*shots, *user(template.fill(values)))

    def _shared(self, values: Mapping[str, str]) -> int:
        """How many characters of a question its siblings begin with too, or all questions where it has no sibling."""
        return len(self.asker.folder.template.until(self.own).fill(values))

    def _verdict(self, task: Task, parsed: Parsed, origin: Origin, **fields: Any) -> Verdict:
        """What was read, signed."""
        constitution = task.drawn.constitution.reference if task.drawn else None
        signed: dict[str, Any] = {
            "scale": self.asker.folder.scale,
            "prompt_id": task.prompt.id,
            "shown": tuple(candidate.id for candidate in task.shown),
            "value": parsed.value,
            "distribution": parsed.distribution,
            "bounded": parsed.bounded,
            "reasoning": parsed.reasoning,
            "principle_id": task.drawn.id if task.drawn else None,
            "rater": self.rater,
            "sample": task.sample,
            "invalid": parsed.invalid,
            "origin": origin.model_copy(update={"constitution": constitution}),
        }
        return Verdict(**{**signed, **fields})


def drawn_question(drawn: Drawn, key: str, seed: int) -> str:
    """The question that a judge of pairs with this seed asks by this principle; `key` is the comparison's id."""
    wording = content_id(["wording", seed, drawn.id, key])
    return random.Random(wording).choice(drawn.principle.compare)  # noqa: S311 - reproducible


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


def fenced(prompt: Prompt, answers: Mapping[str, Candidate], folder: JudgeFolder) -> dict[str, str]:
    """The conversation and the named answers, each in its block; without thinking, unless the folder shows it."""
    parts = {"conversation": prompt.messages}
    for name, answer in answers.items():
        is_trace = folder.sees == "trace"
        hidden = tuple(message.model_copy(update={"thinking": None}) for message in answer.messages)
        parts[name] = answer.messages if is_trace else hidden
    return fence({name: [message.to_json() for message in messages] for name, messages in parts.items()})


def worked_examples(constitution: Constitution, folder: JudgeFolder) -> Messages:
    """A constitution's worked comparisons as turns before the question, in exactly the question's form; none for a
    judge without shots."""
    turns: list[Message] = []
    for shot in constitution.few_shot.compare if folder.shots else ():
        blocks = fence(
            {
                "conversation": [{"role": "user", "content": shot.prompt}],
                "answer_a": [{"role": "assistant", "content": shot.a}],
                "answer_b": [{"role": "assistant", "content": shot.b}],
            }
        )
        principle = constitution.statement_of(shot.principle)
        turns += user(folder.template.fill({**blocks, "principle": principle, "question": SHOT_QUESTION}))
        verdict = shot.answer if folder.needs_choices else f"Verdict: {shot.answer}"
        turns.append(Message(role="assistant", content=verdict))
    return tuple(turns)
