"""What critic and reviser are shown: the shared part first, then the principle and the request."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from amendment.constitutions import Drawn, FewShot
from amendment.fence import fence
from amendment.records import Message, Messages, user
from amendment.templates import Template

__all__ = ["critique_messages", "revise_messages", "template_id"]

_HOLES = frozenset({"conversation", "answer", "critique", "principle", "request"})
Role = Literal["critique", "revise"]


@cache
def _template(name: str) -> Template:
    text = files("amendment.critique").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")
    return Template(text, holes=_HOLES, place=f"critique/templates/{name}.txt")


def template_id(role: Role) -> str:
    """The content hash of the role's prompt template."""
    return _template(role).id


def critique_messages(conversation: Messages, answer: Messages, drawn: Drawn, request: str) -> Messages:
    """The question put to the critic, behind the constitution's worked examples."""
    shots = [_shot("critique", shot, shot.critique or "") for shot in drawn.constitution.few_shot.critique]
    return _join(shots, _ask("critique", _json(conversation), _json(answer), None, drawn, request))


def revise_messages(
    conversation: Messages, answer: Messages, critique: str | None, drawn: Drawn, request: str
) -> Messages:
    """The question put to the reviser, with the critique or, where that step is skipped, without."""
    shots = [_shot("revise", shot, shot.revision) for shot in drawn.constitution.few_shot.revise]
    return _join(shots, _ask("revise", _json(conversation), _json(answer), critique, drawn, request))


def _ask(role: Role, conversation: Any, answer: Any, critique: str | None, drawn: Drawn, request: str) -> str:
    return _fill(role, conversation, answer, critique, drawn.principle.statement, request)


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


def _shot(role: Role, shot: FewShot, answer: str) -> tuple[str, str]:
    """A worked example in exactly the form of the question, so that critic and reviser keep their parts."""
    question = [{"role": "user", "content": shot.prompt}]
    reply = [{"role": "assistant", "content": shot.response}]
    return _fill(role, question, reply, shot.critique if role == "revise" else None, shot.principle, shot.request), answer


def _join(shots: Sequence[tuple[str, str]], question: str) -> Messages:
    turns = []
    for asked, answered in shots:
        turns += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    return (*turns, *user(question))
