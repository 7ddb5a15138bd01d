"""Hugging Face's constitution: pairs of requests, and chats of six turns or more as worked examples.

    {"constitutions": [{"critic": "...", "revision": "..."}],
     "system_chat": [[{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}, ...]]}

A chat is the prompt, the answer, the request for a critique, the critique, the request for a revision, the revision.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

from amendment.constitutions._foreign import Problems, list_at, mapping_at, problem, text_at
from amendment.constitutions._models import Constitution, Principle, ReviseExample
from amendment.constitutions._naming import Names
from amendment.constitutions._originals import Gathered, originals_of, restored
from amendment.constitutions._worked import (
    Talk,
    examples_of,
    join_turns,
    prompt_turns,
    spelled_out,
    talk_of,
    with_critique,
)

__all__ = ["gather_huggingface", "huggingface_value", "is_huggingface"]

PAIRS, CHATS = "huggingface-pairs", "huggingface-chats"
_ROLES = ("user", "assistant")


def is_huggingface(value: Any) -> bool:
    """Whether a JSON value has this shape."""
    return isinstance(value, dict) and "constitutions" in value


def gather_huggingface(value: Any, name: str) -> Gathered:
    """What the file holds. Raises DataError with every problem."""
    file, problems, gathered, names = mapping_at(value, name, "constitutions"), Problems(), Gathered(), Names()
    entries = list_at(file["constitutions"], f"{name}: constitutions")
    pairs = problems.each(entries, f"{name}: constitutions", _pair)
    chats = file.get("system_chat", [])
    found = problems.attempt(lambda: list_at(chats, f"{name}: system_chat")) if chats != [] else []
    talks = problems.each(found or (), f"{name}: system_chat", _talk)
    problems.check()
    for entry, (critic, revision) in zip(entries, pairs, strict=True):
        id = names.take(revision)
        made = Principle(id=id, statement=revision, critique=(critic,), revise=(revision,))
        gathered.principles.append(made)
        gathered.note(PAIRS, (critic, revision), entry, _pair_value((made, (critic, revision))))
    for chat, talk in zip(chats, talks, strict=True):
        critique, revise = examples_of(talk, gathered.principles)
        gathered.critique.append(critique)
        gathered.revise.append(revise)
        gathered.note(CHATS, revise, chat, _chat_value(talk_of(revise, gathered.principles)))
    gathered.notes += [f"{name}: the key '{key}' is not taken over" for key in file if key not in _KEYS]
    return gathered


_KEYS = ("constitutions", "system_chat")


def _pair(entry: Any, place: str) -> tuple[str, str]:
    pair, problems = mapping_at(entry, place, "critic", "revision"), Problems()
    critic = problems.attempt(lambda: text_at(pair["critic"], f"{place}.critic").strip())
    revision = problems.attempt(lambda: text_at(pair["revision"], f"{place}.revision").strip())
    problems.check()
    return critic or "", revision or ""


def _talk(entry: Any, place: str) -> Talk:
    chat, problems = list_at(entry, place), Problems()
    if len(chat) < 6 or len(chat) % 2:
        expected = "expected six or more, by two: prompt, answer, then request and critique, request and revision"
        raise problem(place, f"found {len(chat)} turns, {expected}")
    turns = problems.each(
        [*zip(chat, cycle(_ROLES), strict=False)], place, lambda turn, at: _turn(turn[0], at, turn[1])
    )
    problems.check()
    *prompt, response, critique_request, critique, revision_request, revision = turns
    return Talk(join_turns(prompt), response, critique_request, critique, revision_request, revision)


def _turn(entry: Any, place: str, role: str) -> str:
    turn = mapping_at(entry, place, "role", "content")
    if turn["role"] != role:
        raise problem(f"{place}.role", f"found {str(turn['role'])[:60]!r}, expected '{role}': the two take turns")
    return text_at(turn["content"], f"{place}.content").strip()


def _pair_value(item: tuple[Principle, tuple[str, str]]) -> dict[str, str]:
    principle, (critic, revision) = item
    return {"critic": spelled_out(principle, critic), "revision": spelled_out(principle, revision)}


def _chat_value(talk: Talk) -> list[dict[str, str]]:
    turns = [*prompt_turns(talk.prompt), *talk[1:]]
    return [{"role": _ROLES[index % 2], "content": turn} for index, turn in enumerate(turns)]


def huggingface_value(constitution: Constitution) -> dict[str, Any]:
    """The constitution as this format holds it: as many pairs of each principle as it has requests."""
    principles = constitution.principles
    pairs = [(principle, pair) for principle in principles for pair in _pairs(principle)]
    return {
        "constitutions": restored(
            pairs,
            _pair_value,
            originals=originals_of(constitution, PAIRS),
            key=lambda item: item[1],
            key_of=lambda entry: _pair(entry, PAIRS),
        ),
        "system_chat": restored(
            with_critique(constitution),
            lambda example: _chat_value(talk_of(example, principles)),
            originals=originals_of(constitution, CHATS),
            key=lambda example: example,
            key_of=lambda entry: _revised(entry, principles),
        ),
    }


def _pairs(principle: Principle) -> list[tuple[str, str]]:
    if not principle.critique or not principle.revise:
        return []
    count = max(len(principle.critique), len(principle.revise))
    return list(islice(zip(cycle(principle.critique), cycle(principle.revise), strict=False), count))


def _revised(entry: Any, principles: Sequence[Principle]) -> ReviseExample:
    return examples_of(_talk(entry, CHATS), principles)[1]
