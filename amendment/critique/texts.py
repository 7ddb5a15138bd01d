"""Build the prompts of critic and reviser, and take the wrappers off their replies.

A question has the shared part first, then the principle and the request. A wrapper is text around
the answer that nobody asked for, such as "Here is the revised answer:".
Covered: an opening that announces a revision, a label such as "Revised answer:", and behind one of them a pair
of quotes or an unnamed code fence around the whole. Not covered: explanations after the answer, which look
like a part of it.

An honest answer loses nothing but such an opening. So an opening must speak of a revision: "Here is the
answer: 42" stays, since an answer may well begin so, and "Revision: Tuesday" is about Tuesday. Where the
opening says more ("..., which keeps the principle:") it must end its line. A fence that names a language
holds code and stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from amendment.constitutions import CritiqueExample, DrawnPrinciple, ReviseExample
from amendment.records import Message, Messages, user
from amendment.text import Template, fence

_PLACEHOLDERS = frozenset({"conversation", "answer", "critique", "principle", "request"})
Role = Literal["critique", "revise"]
EXAMPLE: dict[Role, str] = {
    "critique": "Say how the answer keeps or breaks the principle.",
    "revise": "Rewrite the answer so that it keeps the principle.",
}
"""Requests in worked examples, in place of any wording of a principle."""


@cache
def _template(name: str) -> Template:
    text = files("amendment.critique").joinpath("templates", f"{name}.txt").read_text(encoding="utf-8")
    return Template(text, placeholders=_PLACEHOLDERS, place=f"critique/templates/{name}.txt")


def template_id(role: Role) -> str:
    """Return the content hash of the role's prompt template."""
    return _template(role).id


def shared_characters(role: Role, conversation: Messages, *, steps: int) -> int:
    """Number of leading characters that a role's question shares with its chain's other steps or all questions."""
    own = {"answer", "critique", "principle", "request"} | ({"conversation"} if steps == 1 else set())
    return len(_template(role).until(own).fill(fence({"conversation": _json(conversation)})))


def critique_messages(conversation: Messages, answer: Messages, drawn: DrawnPrinciple, request: str) -> Messages:
    """Return the question put to the critic, behind the constitution's worked examples."""
    rules = drawn.constitution
    shots = [
        (_fill("critique", _turns(shot), rules.find_statement(shot.principle), EXAMPLE["critique"]), shot.critique)
        for shot in rules.few_shot.critique
    ]
    shown = {"conversation": _json(conversation), "answer": _json(answer)}
    return _join(shots, _fill("critique", shown, drawn.principle.rule, request))


def revise_messages(
    conversation: Messages, answer: Messages, critique: str | None, drawn: DrawnPrinciple, request: str
) -> Messages:
    """Return the question put to the reviser, with the critique or, where that step is skipped, without.

    Worked examples then go without theirs, so that they keep the question's form.
    """
    rules = drawn.constitution
    shots = []
    for shot in rules.few_shot.revise:
        seen = _turns(shot) | _note(shot.critique if critique is not None else None)
        asked = _fill("revise", seen, rules.find_statement(shot.principle), EXAMPLE["revise"])
        shots.append((asked, shot.revision))
    shown = {"conversation": _json(conversation), "answer": _json(answer), **_note(critique)}
    return _join(shots, _fill("revise", shown, drawn.principle.rule, request))


def instructions(role: Role, drawn: DrawnPrinciple, request: str) -> str:
    """Return a question without what it shows: the words put to the model, with principle and request."""
    nothing = dict.fromkeys(("conversation", "answer", "critique"), "")
    return _template(role).fill({**nothing, "principle": drawn.principle.rule, "request": request})


def _fill(role: Role, shown: Mapping[str, Any], principle: str, request: str) -> str:
    blocks = fence(shown)
    note = _template("critique_note").fill(blocks) if "critique" in blocks else ""
    return _template(role).fill({**blocks, "critique": note, "principle": principle, "request": request})


def _note(critique: str | None) -> dict[str, Any]:
    return {} if critique is None else {"critique": critique}


def _json(messages: Messages) -> list[dict[str, Any]]:
    return [message.to_json() for message in messages]


def _turns(shot: CritiqueExample | ReviseExample) -> dict[str, Any]:
    """Return a worked example's conversation and answer, in exactly the form of a question's."""
    return {
        "conversation": [{"role": "user", "content": shot.prompt}],
        "answer": [{"role": "assistant", "content": shot.response}],
    }


def _join(shots: Sequence[tuple[str, str]], question: str) -> Messages:
    turns = []
    for asked, answered in shots:
        turns += [Message(role="user", content=asked), Message(role="assistant", content=answered)]
    return (*turns, *user(question))


# Wrappers

_REVISED = r"(?:revised|rewritten|improved|updated|corrected)"
_ANSWER = r"(?:answer|response|reply)"
_TEXT = r"(?:answer|response|reply|version|text)"
_MARK = r"[*_]{0,3}"
_LINE_END = r"(?=[^\S\n]*(?:\n|\Z))"
_MORE = r"""(?:[ ]?,|[ ][(–—-]|[ ]of[ ](?:the|my)[ ]answer\b
            |[ ](?:that|which|with|in|to|as|so|based|according|following)\b)[^\n:]{0,80}"""
_OPENING = re.compile(
    rf"""
    (?:(?:sure|certainly|absolutely|of[ ]course|okay|ok)\b[^\n:]{{0,40}}[,.!:]\s*)?
    {_MARK}(?:here(?:['’]s|[ ]is)|below[ ]is)[ ](?:an?|the|my|your)[ ]
        (?:(?:{_REVISED}|new|better)[ ]{_TEXT}|revision)
        (?:{_MARK}:{_MARK}|{_MORE}:{_MARK}{_LINE_END})
    | {_MARK}{_REVISED}[ ](?:{_ANSWER}{_MARK}:{_MARK}|{_TEXT}{_MARK}:{_MARK}{_LINE_END})
    | \#{{1,6}}[ ]{_MARK}{_REVISED}[ ]{_TEXT}{_MARK}:?{_MARK}{_LINE_END}
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FENCED = re.compile(r"```[^\S\n]*\n(?P<inside>(?:(?!```).)*)\n```", re.DOTALL)
_QUOTED = re.compile(r'"(?P<straight>[^"]*)"|“(?P<curly>[^“”]*)”')


def strip_artefacts(text: str) -> str:
    """Return the answer without its wrapper; a text that has none comes back as it is, but for outer white space.

    Empty where there is an announcement and nothing behind it.
    """
    bare = text.strip()
    while opening := _OPENING.match(bare):
        bare = _unwrap(bare[opening.end() :].strip())
    return bare


def _unwrap(text: str) -> str:
    """Remove a fence or quotes, but only after an announcement, since an answer may consist of code or speech."""
    if fenced := _FENCED.fullmatch(text):
        return fenced["inside"].strip()
    if quoted := _QUOTED.fullmatch(text):
        return (quoted["straight"] or quoted["curly"] or "").strip()
    return text
