"""Constitutions of other people's making, from a user's own copy of their files: one of ours is made of them.

Covered: the five prompt files of the Constitutional AI paper (Bai et al. 2022), any of them together, and llm-swarm's
`{"constitutions": [{"critic", "revision"}], "system_chat": [[{"role", "content"}, ...]]}`.
What models read stays word for word, without markers such as `CritiqueRequest:`; what is not taken over is listed.
Not covered: what the licence of the texts allows. It is asked for, and never guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from amendment.constitutions.linter import lint
from amendment.constitutions.model import (
    CompareExample,
    Constitution,
    ConstitutionSource,
    CritiqueExample,
    FewShot,
    Principle,
    ReviseExample,
    Text,
)
from amendment.errors import ConfigError, DataError, Problem
from amendment.hashing import content_id
from amendment.tables import strict_json
from amendment.yamlfile import capped, format_path

LONGEST_ID = 48
"""Characters of an id that is made of a text's first words."""
_STEPS = ("CritiqueRequest", "Critique", "RevisionRequest", "Revision")
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_SHAPES = "one of the Constitutional AI paper's prompt files, or {constitutions, system_chat}"


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True)


class _Requests(_Entry):
    prompt: list[Text] = Field(min_length=1)
    edit_request: Text


class _Plain(_Entry):
    prompt: Text
    corrects: list[Text] = Field(min_length=1)
    incorrects: list[Text] = Field(min_length=1)


class _Pair(_Entry):
    critic: Text
    revision: Text


class _Turn(_Entry):
    role: Literal["user", "assistant"]
    content: Text


class _Swarm(_Entry):
    constitutions: list[_Pair] = Field(min_length=1)
    system_chat: list[Annotated[list[_Turn], Field(min_length=6)]] = []


class Imported(NamedTuple):
    """A constitution made of foreign files."""

    constitution: Constitution
    not_taken: tuple[str, ...]
    """Content of the files that the constitution does not hold."""


def import_constitution(
    files: Sequence[str | Path], *, id: str, license: str, title: str | None = None, document: str | None = None
) -> Imported:
    """Return the constitution that the files hold together, in any order.

    `license` is the SPDX id under which the texts may be used. `title` is by default made of the id; `document` says
    where the texts come from, by default the names of the files. Raises ConfigError for a head that no constitution
    can have, DataError with every problem of the files.
    """
    if not license.strip():
        raise ConfigError([Problem("license", "found none, expected an SPDX id such as CC0-1.0; it is never guessed")])
    names = ", ".join(Path(file).name for file in files)
    gathered = _gather([(str(file), _read_json(Path(file))) for file in files])
    if not gathered.principles:
        raise DataError([Problem(names, "found no principles; import the file of requests or of questions along")])
    head = {"id": id, "version": "1.0.0", "title": title or re.sub("[-_]", " ", id).capitalize(), "license": license}
    try:
        constitution = Constitution(
            **head,
            source=ConstitutionSource(kind="imported", document=document or names),
            principles=tuple(gathered.principles),
            few_shot=FewShot(
                critique=tuple(gathered.critique), revise=tuple(gathered.revise), compare=tuple(gathered.compare)
            ),
        )
    except ValidationError as error:
        raise ConfigError([Problem(format_path(each["loc"]), each["msg"]) for each in error.errors()]) from None
    if errors := [Problem(each.place, each.message) for each in lint(constitution) if each.level == "error"]:
        raise DataError(capped(errors))
    return Imported(constitution, tuple(gathered.not_taken))


def _read_json(path: Path) -> Any:
    """Return the JSON of a file. Raises DataError where there is none."""
    try:
        return strict_json(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        reason = "too many levels of nesting" if isinstance(error, RecursionError) else str(error)
        raise DataError([Problem(str(path), f"cannot be read as JSON: {reason}")]) from None


@dataclass
class _Gathered:
    principles: list[Principle] = field(default_factory=list)
    critique: list[CritiqueExample] = field(default_factory=list)
    revise: list[ReviseExample] = field(default_factory=list)
    compare: list[CompareExample] = field(default_factory=list)
    not_taken: list[str] = field(default_factory=list)

    def add_principle(self, named: str, statement: str, **texts: tuple[str, ...]) -> None:
        """Add a principle whose id is made of `named`, with a number behind it if it is taken."""
        ids, id, number = {principle.id for principle in self.principles}, slug(named), 2
        while id in ids:
            id, number = f"{slug(named)}-{number}", number + 1
        self.principles.append(Principle(id=id, statement=statement, **texts))

    def add_talk(self, turns: Sequence[str], requests: tuple[str, str], critique: str, revision: str) -> None:
        """Add a worked critique and revision, about the principle whose requests it holds, or whose first request."""
        own = [principle for principle in self.principles if requests[0] in principle.critique]
        own = [principle for principle in own if requests[1] in principle.revise] or own
        *prompt, response = turns
        seen = {"prompt": _joined(prompt), "response": response, "principle": own[0].id if own else None}
        self.critique.append(CritiqueExample.model_validate({**seen, "critique": critique}))
        self.revise.append(ReviseExample.model_validate({**seen, "critique": critique, "revision": revision}))


def slug(text: str) -> str:
    """Return the first words of a text as an id; of a text without Latin letters and digits a hash.

    >>> slug("Don't hand out anybody's address!")
    'dont-hand-out-anybodys-address'
    """
    latin = unicodedata.normalize("NFKD", text[:1000]).encode("ascii", "ignore").decode().lower()
    name = "-".join(re.findall(r"[a-z0-9]+", latin.replace("'", "")))
    if len(name) > LONGEST_ID:
        name = name[: LONGEST_ID + 1].rpartition("-")[0] or name[:LONGEST_ID]
    return name or f"principle-{content_id(text).removeprefix('s2:')[:6]}"


def _gather(files: Sequence[tuple[str, Any]]) -> _Gathered:
    """Return everything in the files, principles before the examples that name them."""
    gathered = _Gathered()
    order = (_requests, _questions, _swarm, _talks, _plain_comparisons, _reasoned_comparisons)
    takers = [(name, value, _kind(value)) for name, value in files]
    problems = [Problem(name, f"no known shape, expected {_SHAPES}") for name, _, take in takers if take is None]
    for name, value, take in sorted((each for each in takers if each[2]), key=lambda each: order.index(each[2])):
        try:
            take(name, value, gathered)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(capped(problems))
    return gathered


def _kind(value: Any) -> Any:
    entries = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    keys = {key for entry in entries if isinstance(entry, dict) for key in entry}
    texts = [entry for entry in entries if isinstance(entry, str)]
    if isinstance(value, dict):
        return _swarm if "constitutions" in value else _requests if "edit_request" in keys else None
    if {"corrects", "incorrects"} & keys:
        return _plain_comparisons
    if keys:
        is_reasoned = all("(A) [[[" in str(entry.get("prompt")) for entry in entries if isinstance(entry, dict))
        return _reasoned_comparisons if is_reasoned else None
    if any("\n\nCritiqueRequest:" in text for text in texts):
        return _talks
    return _questions if any(text.rstrip().endswith("Options:") for text in texts) else None


def _checked(kind: Any, value: Any, name: str) -> Any:
    """Return the value as pydantic reads it. Raises DataError."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        raise DataError(
            Problem(f"{name}: {format_path(each['loc'])}".removesuffix(": "), each["msg"]) for each in errors
        ) from None


def _requests(name: str, value: Any, gathered: _Gathered) -> None:
    for key, entry in _checked(dict[str, _Requests], value, name).items():
        revise = _unmarked(entry.edit_request, *_STEPS[2:])
        critique = tuple(_unmarked(text, *_STEPS[:2]) for text in entry.prompt)
        gathered.add_principle(key, revise, critique=critique, revise=(revise,))


def _unmarked(text: str, first: str, last: str) -> str:
    return text.strip().removeprefix(f"{first}:").removesuffix(f"{last}:").strip()


def _questions(name: str, value: Any, gathered: _Gathered) -> None:
    for text in _checked(list[Text], value, name):
        question = text.removesuffix("Options:").strip()
        gathered.add_principle(question, question, compare=(question,))


def _talks(name: str, value: Any, gathered: _Gathered) -> None:
    for index, text in enumerate(_checked(list[Text], value, name)):
        rest, parts = f"\n\n{text}", list[str]()
        for step in _STEPS:
            part, _, rest = rest.partition(f"\n\n{step}:")
            parts.append(part.strip())
        talk, critique_request, critique, revision_request = parts
        turns = _turns(talk)
        revision = rest.strip().removesuffix("Human:").strip()
        if len(turns) < 2 or len(turns) % 2 or not all((*parts, revision)):
            expected = f"expected 'Human:' and 'Assistant:' by turns, then {', '.join(_STEPS)}, each with a text"
            raise DataError([Problem(f"{name}: [{index}]", f"found no worked critique; {expected}")])
        gathered.add_talk(turns, (critique_request, revision_request), critique, revision)


def _swarm(name: str, value: Any, gathered: _Gathered) -> None:
    file = _checked(_Swarm, value, name)
    for pair in file.constitutions:
        gathered.add_principle(pair.revision, pair.revision, critique=(pair.critic,), revise=(pair.revision,))
    for index, chat in enumerate(file.system_chat):
        if [turn.role for turn in chat] != ["user", "assistant"] * (len(chat) // 2):
            raise DataError([Problem(f"{name}: system_chat[{index}]", "expected user and assistant by turns")])
        *turns, critique_request, critique, revision_request, revision = (turn.content for turn in chat)
        gathered.add_talk(turns, (critique_request, revision_request), critique, revision)


def _plain_comparisons(name: str, value: Any, gathered: _Gathered) -> None:
    for index, entry in enumerate(_checked(list[_Plain], value, name)):
        # The file does not say which answer is shown first: by turns, so that a judge learns no position.
        better, worse = entry.corrects[0], entry.incorrects[0]
        a, b = (worse, better) if index % 2 else (better, worse)
        prompt = _prompt(entry.prompt)
        gathered.compare.append(CompareExample(prompt=prompt, a=a, b=b, answer="B" if index % 2 else "A"))
        further = len(entry.corrects) + len(entry.incorrects) - 2
        gathered.not_taken += [f"{name}: [{index}]: {further} further answers"] if further else []


def _reasoned_comparisons(name: str, value: Any, gathered: _Gathered) -> None:
    gathered.not_taken.append(f"{name}: {len(value)} worked comparisons with reasoning, which no judge is shown")


def _turns(text: str) -> list[str]:
    """Split a text into the turns of a person and the assistant, the person first; empty if no speakers are marked."""
    before, *marked = _SPEAKER.split(f"\n\n{text.strip()}")
    turns = [each.strip() for each in marked[1::2]]
    is_by_turns = marked[::2] == [("Human", "Assistant")[index % 2] for index in range(len(turns))]
    return turns if is_by_turns and not before and all(turns) else []


def _prompt(text: str) -> str:
    text = text.strip().removesuffix("Assistant:").strip()
    return _joined(_turns(text) or [text])


def _joined(turns: Sequence[str]) -> str:
    """Return a prompt of one turn as it is, of several with the speakers named."""
    named = (f"{('Human', 'Assistant')[index % 2]}: {turn}" for index, turn in enumerate(turns))
    return turns[0] if len(turns) == 1 else "\n\n".join(named)
