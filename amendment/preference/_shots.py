"""A constitution's worked comparisons as turns before the question, in exactly the question's form."""

from __future__ import annotations

from amendment.constitutions import Constitution
from amendment.fence import fence
from amendment.preference._folder import JudgeFolder
from amendment.records import Message, Messages

__all__ = ["worked_examples"]

QUESTION = "Which answer keeps the principle better?"
"""Of worked examples, where it stands for all wordings of a principle."""
_ANSWERS = {"label-tokens": "", "verdict-line": "Verdict: "}


def worked_examples(constitution: Constitution, folder: JudgeFolder) -> Messages:
    """Question and answer turns, one pair for each comparison in `few_shot.compare`; none for a judge without shots."""
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
        question = folder.template.fill({**blocks, "principle": principle, "question": QUESTION})
        turns.append(Message(role="user", content=question))
        turns.append(Message(role="assistant", content=_ANSWERS[folder.parser] + shot.answer))
    return tuple(turns)
