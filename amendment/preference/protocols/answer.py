"""One answer by itself: a score from 1 to 10, or a choice for each criterion of a rubric and what they come to."""

from __future__ import annotations

from amendment.fence import fence
from amendment.preference.parsers import Parsed
from amendment.preference.protocols.asking import Answered, Question
from amendment.preference.protocols.rubrics import read_rubric, rubric_form, rubric_score, rubric_value
from amendment.preference.protocols.scores import QUESTION, SCORE_FORM, SCORES, is_split, read_score, score_question
from amendment.preference.protocols.tasks import Setting, Task
from amendment.records import Verdict

__all__ = ["ask_rubric", "ask_score"]

BY_CRITERIA = "as the criteria say"
"""Stands for a principle where the criteria are not made of one."""


async def ask_score(setting: Setting, task: Task) -> list[Verdict]:
    """One score of one call: the expected value where the model shows probabilities, else a written one."""
    assert task.drawn is not None
    principle = task.drawn.principle
    values = {**task.blocks, "principle": principle.rule, "question": score_question(principle.score)}
    in_words = setting.messages(task, values, use="written")
    shows = setting.asker.model.shows_choices
    question = Question(
        messages=setting.messages(task, values, use="tokens") if shows else in_words,
        read=lambda reply: [read_score(reply)],
        form=SCORE_FORM,
        sample=task.sample,
        shared=setting.shared(values),
        choices=SCORES if shows else None,
        in_words=in_words,
        needs_words=is_split,
    )
    heard = await setting.asker.ask(question)
    return [setting.verdict(task, heard.parsed[0], heard.origin)]


async def ask_rubric(setting: Setting, task: Task) -> list[Verdict]:
    """A verdict for each criterion, and a last one that is the score of them all, from 0 to 1."""
    criteria = task.criteria
    rule = task.drawn.principle.rule if task.drawn else BY_CRITERIA
    shown = fence({"criteria": [one.shown() for one in criteria]})
    values = {**task.blocks, **shown, "principle": rule, "question": QUESTION}
    question = Question(
        messages=setting.messages(task, values),
        read=lambda reply: read_rubric(reply, criteria),
        form=rubric_form(criteria),
        parts=len(criteria),
        sample=task.sample,
        shared=setting.shared(values),
    )
    heard = await setting.asker.ask(question)
    return [
        *_by_criterion(setting, task, heard),
        setting.verdict(task, _total(task, heard), heard.origin, scale="score"),
    ]


def _by_criterion(setting: Setting, task: Task, heard: Answered) -> list[Verdict]:
    verdicts = []
    for one, parsed in zip(task.criteria, heard.parsed, strict=True):
        value = None if parsed.value is None else rubric_value(one, str(parsed.value))
        scale = "binary" if one.is_binary else "ordinal"
        read = parsed._replace(value=value)
        verdicts.append(setting.verdict(task, read, heard.origin, scale=scale, criterion=one.id))
    return verdicts


def _total(task: Task, heard: Answered) -> Parsed:
    """The score of all choices; none where one of them is missing."""
    missing = [parsed.invalid for parsed in heard.parsed if parsed.invalid]
    reasoning = heard.parsed[0].reasoning
    if missing:
        return Parsed(reasoning=reasoning, invalid=missing[0])
    return Parsed(rubric_score(task.criteria, [str(parsed.value) for parsed in heard.parsed]), reasoning=reasoning)
