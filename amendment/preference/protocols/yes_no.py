"""One answer by itself and one question about it that has two answers: does it violate this principle, does it refuse.

Covered: a written `Verdict: yes` or `Verdict: no`; a text without a principle asks the same of every answer. Anything
else is invalid and never a no. Not covered: which of two answers is better, about which a yes to either says nothing.
"""

from __future__ import annotations

from amendment.llm.requests import Reply
from amendment.preference.parsers import Parsed, line_of, unreadable
from amendment.preference.protocols.asking import Question
from amendment.preference.protocols.tasks import Setting, Task
from amendment.records import Verdict, text_of

__all__ = ["YES_NO_FORM", "ask_yes_no", "read_yes_no"]

YES_NO_FORM = 'one line and nothing else, "Verdict: yes" or "Verdict: no"'

_LINE = line_of("verdict", "yes|no")


def read_yes_no(reply: Reply) -> Parsed:
    """True for the one line `Verdict: yes`, False for `Verdict: no`; what stands before it is the reasoning."""
    if reply.finish_reason == "refusal":
        return Parsed(invalid="refused")
    text = text_of(reply.messages)
    lines = list(_LINE.finditer(text))
    reasoning = text[: lines[0].start()].strip() or None if lines else text.strip() or None
    problem = unreadable(reply)
    if not problem and len(lines) != 1:
        problem = "no verdict line" if not lines else f"{len(lines)} verdict lines"
    if problem:
        return Parsed(reasoning=reasoning, invalid=problem)
    return Parsed(lines[0].group(1).lower() == "yes", None, reasoning)


async def ask_yes_no(setting: Setting, task: Task) -> list[Verdict]:
    """One verdict of one call."""
    values = {**task.blocks, **({"principle": task.drawn.principle.rule} if task.drawn else {})}
    question = Question(
        messages=setting.messages(task, values),
        read=lambda reply: [read_yes_no(reply)],
        form=YES_NO_FORM,
        sample=task.sample,
        shared=setting.shared(values),
    )
    heard = await setting.asker.ask(question)
    return [setting.verdict(task, heard.parsed[0], heard.origin)]
