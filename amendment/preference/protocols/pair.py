"""Two answers beside each other: a written verdict, a structured one, or the probabilities of two labels.

Covered: reasons before the verdict in the same call; reasons in a call of their own, after which the probabilities
of the labels are read (Lee et al. 2023, section 2.1).
"""

from __future__ import annotations

from amendment.llm.requests import Reply
from amendment.preference.parsers import LABELS, PARSERS, VERDICT_SCHEMA, Parsed
from amendment.preference.protocols.asking import Question
from amendment.preference.protocols.tasks import Setting, Task, wording
from amendment.records import Message, Verdict, text_of, user

__all__ = ["ask_pair", "ask_with_rationale"]


async def ask_pair(setting: Setting, task: Task) -> list[Verdict]:
    """One verdict of one call."""
    values = _values(setting, task)
    parser = PARSERS[setting.folder.parser]
    question = Question(
        messages=setting.messages(task, values),
        read=lambda reply: [parser.read(reply)],
        form=parser.form,
        sample=task.sample,
        shared=setting.shared(values),
        choices=LABELS if setting.folder.needs_choices else None,
        schema=VERDICT_SCHEMA if setting.folder.protocol == "structured" else None,
    )
    heard = await setting.asker.ask(question)
    return [setting.verdict(task, heard.parsed[0], heard.origin)]


async def ask_with_rationale(setting: Setting, task: Task) -> list[Verdict]:
    """One verdict of two calls: a rationale, and after it the label probabilities."""
    values = _values(setting, task)
    asked = setting.messages(task, values)
    first = Question(
        messages=asked,
        read=_read_rationale,
        form="",
        sample=task.sample,
        shared=setting.shared(values),
    )
    told = await setting.asker.tell(first)
    if told.reply is None or told.parsed[0].invalid:
        return [setting.verdict(task, told.parsed[0], told.origin)]
    said = Message(role="assistant", content=text_of(told.reply.messages))
    parser = PARSERS["label-tokens"]
    second = Question(
        messages=(*asked, said, *user(setting.folder.templates["verdict"].fill(values))),
        read=lambda reply: [parser.read(reply)],
        form=parser.form,
        sample=task.sample,
        choices=LABELS,
    )
    heard = await setting.asker.ask(second)
    parsed = heard.parsed[0]._replace(reasoning=told.parsed[0].reasoning)
    return [setting.verdict(task, parsed, heard.origin)]


def _read_rationale(reply: Reply) -> list[Parsed]:
    """Whatever was written; a verdict in it is part of it and is not read."""
    if reply.finish_reason == "refusal":
        return [Parsed(invalid="refused")]
    text = text_of(reply.messages).strip()
    return [Parsed(reasoning=text) if text else Parsed(invalid="no rationale")]


def _values(setting: Setting, task: Task) -> dict[str, str]:
    assert task.drawn is not None
    return {**task.blocks, "principle": task.drawn.principle.rule, "question": wording(task, setting.seed)}
