"""k answers at once: one ranking of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from amendment.preference._folder import JudgeFolder
from amendment.preference.protocols.asking import Question
from amendment.preference.protocols.rankings import ranking_form, read_ranking
from amendment.preference.protocols.tasks import Setting, Task, fenced, wording
from amendment.records import Candidate, Prompt, Verdict

__all__ = ["ask_pool", "pool_blocks"]


async def ask_pool(setting: Setting, task: Task) -> list[Verdict]:
    """One ranking of one call."""
    assert task.drawn is not None
    count = len(task.shown)
    values = {**task.blocks, "principle": task.drawn.principle.rule, "question": wording(task, setting.seed)}
    question = Question(
        messages=setting.messages(task, values),
        read=lambda reply: [read_ranking(reply, count)],
        form=ranking_form(count),
        sample=task.sample,
        shared=setting.shared(values),
    )
    heard = await setting.asker.ask(question)
    return [setting.verdict(task, heard.parsed[0], heard.origin)]


def pool_blocks(prompt: Prompt, shown: Sequence[Candidate], folder: JudgeFolder) -> dict[str, str]:
    """The conversation, and all answers as one text: each under its number, in its own block."""
    names = {f"answer_{place}": one for place, one in enumerate(shown, start=1)}
    blocks = fenced(prompt, names, folder)
    answers = [f"Answer {place}:\n{blocks[name]}" for place, name in enumerate(names, start=1)]
    return {"conversation": blocks["conversation"], "answers": "\n\n".join(answers)}
