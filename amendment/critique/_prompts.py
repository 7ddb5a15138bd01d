"""What critic and reviser are shown: the shared part first, then the principle and the request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from amendment.constitutions import CritiqueExample, Drawn, ReviseExample
from amendment.fence import fence
from amendment.records import Message, Messages, user
from amendment.templates import Template

__all__ = ["critique_messages", "revise_messages", "template_id"]

_HOLES = frozenset({"conversation", "answer", "critique", "principle", "request"})
Role = Literal["critique", "revise"]
EXAMPLE: dict[Role, str] = {
    "critique": "Say how the answer keeps or breaks the principle.",
    "revise": "Rewrite the answer so that it keeps the principle.",
}
"""Requests of worked examples, which stand for all wordings of a principle."""


@cache
def _template(name: str) -> Template:
    text = files("amendment.critique").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")
    return Template(text, holes=_HOLES, place=f"critique/templates/{name}.txt")


def template_id(role: Role) -> str:
    """The content hash of the role's prompt template."""
    return _template(role).id


def critique_messages(conversation: Messages, answer: Messages, drawn: Drawn, request: str) -> Messages:
    """The question put to the critic, behind the constitution's worked examples."""
    rules = drawn.constitution
    shots = [
        (_fill("critique", *_turns(shot), None, rules.statement_of(shot.principle), EXAMPLE["critique"]), shot.critique)
        for shot in rules.few_shot.critique
    ]
    question = _fill("critique", _json(conversation), _json(answer), None, drawn.principle.statement, request)
    return _join(shots, question)


def revise_messages(
    conversation: Messages, answer: Messages, critique: str | None, drawn: Drawn, request: str
) -> Messages:
    """The question put to the reviser, with the critique or, where that step is skipped, without."""
    rules = drawn.constitution
    shots = [
        (
            _fill("revise", *_turns(shot), shot.critique, rules.statement_of(shot.principle), EXAMPLE["revise"]),
            shot.revision,
        )
        for shot in rules.few_shot.revise
    ]
    question = _fill("revise", _json(conversation), _json(answer), critique, drawn.principle.statement, request)
    return _join(shots, question)


def _fill(role: Role, conversation: Any, answer: Any, critique: str | None, principle: str, request: str) -> str:
    values = {"conversation": conversation, "answer": answer}
    if critique is not None:
        values["critique"] = critique
    blocks = fence(values)
    note = _template("critique_note").fill({"critique": blocks["critique"]}) if critique is not None else ""
    shown = {"conversation": blocks["conversation"], "answer": blocks["answer"], "critique": note}
    return _template(role).fill({**shown, "principle": principle, "request": request})


def _json(messages: Messages) -> list[dict[str, Any]]:
    return [message.to_json() for message in messages]


def _turns(shot: CritiqueExample | ReviseExample) -> tuple[Any, Any]:
    """A worked example's conversation and answer, in exactly the form of a question's."""
    return [{"role": "user", "content": shot.prompt}], [{"role": "assistant", "content": shot.response}]


def _join(shots: Sequence[tuple[str, str]], question: str) -> Messages:
    turns = []
    for asked, answered in shots:
        turns += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    return (*turns, *user(question))
