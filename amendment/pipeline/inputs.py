"""What the user brings: prompts, candidates and pairs from files, read once, every bad row named.

Covered: text or message lists in any column; duplicate prompts made one, and counted; several raters of one
row. Not covered: data sets on the Hub.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from amendment.errors import DataError, Problem
from amendment.pipeline.config import FileSource, LilliputPrompts, PairFile, PromptFile, RunFile
from amendment.records import Candidate, Message, Messages, Origin, Prompt, ToolCall, Verdict, user
from amendment.tables import MAX_CELL, Row, read_rows
from amendment.yamlfile import capped, did_you_mean

__all__ = ["Inputs", "read_inputs"]


@dataclass
class Inputs:
    """Everything read: prompts by id in order of arrival, candidates, people's verdicts, counts by reason."""

    prompts: dict[str, Prompt] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add_prompt(self, prompt: Prompt) -> str:
        """Keep a prompt once; returns its id."""
        if prompt.id in self.prompts:
            self.counts["duplicate prompts"] += 1
        return self.prompts.setdefault(prompt.id, prompt).id

    def add_candidate(self, candidate: Candidate) -> Candidate:
        """Keep a candidate once."""
        return self.candidates.setdefault(candidate.id, candidate)


def read_inputs(config: RunFile, base: Path) -> Inputs:
    """All inputs of a run file that lies in folder `base`. Raises DataError with the problems of all files."""
    inputs = Inputs()
    problems: list[Problem] = []
    for prompts in config.prompts:
        if isinstance(prompts, LilliputPrompts):
            _lilliput(prompts, config.seed, inputs)
        else:
            columns = [prompts.column, prompts.system, prompts.tools, prompts.category_column]
            read = partial(_prompt, source=prompts, inputs=inputs)
            _each_row(base, prompts, columns, inputs, problems=problems, read=read)
    for candidates in config.candidates:
        if isinstance(candidates, FileSource):
            named = candidates.columns
            read = partial(_candidate, source=candidates, inputs=inputs)
            columns = [named.prompt, named.candidate, named.model]
            _each_row(base, candidates, columns, inputs, problems=problems, read=read)
    for pairs in config.pairs:
        read = partial(_pair, source=pairs, inputs=inputs)
        _each_row(base, pairs, pairs.columns.names(), inputs, problems=problems, read=read)
    if problems:
        raise DataError(capped(problems))
    return inputs


def _each_row(
    base: Path,
    source: PromptFile | FileSource | PairFile,
    columns: Iterable[str | None],
    inputs: Inputs,
    *,
    problems: list[Problem],
    read: Callable[[Row], None],
) -> None:
    """Read rows one by one; a bad row or file adds its problems and the rest is still looked at.

    A key that some rows of a JSON file leave out counts as empty there; one that all leave out is named once.
    """
    try:
        rows = read_rows(base / source.path)[: source.take]
    except DataError as fault:
        problems.extend(fault.problems)
        return
    known = dict.fromkeys(name for row in rows for name in row.values)
    absent = [column for column in columns if column is not None and column not in known]
    if absent:
        problems.extend(_absent(rows, column, known) for column in absent)
        return
    for row in rows:
        found = _problems_of(Row(row.place, {**known, **row.values}), read)
        if found and source.bad_rows == "skip":
            inputs.counts["bad rows left out"] += 1
        else:
            problems.extend(found)


def _problems_of(row: Row, read: Callable[[Row], None]) -> Sequence[Problem]:
    try:
        read(row)
    except DataError as fault:
        return fault.problems
    except ValueError as fault:  # text that cannot be stored, in a place where only a hash looks
        return [Problem(row.place, f"holds something that no file can store ({fault})")]
    return []


def _absent(rows: Sequence[Row], column: str, known: Iterable[str]) -> Problem:
    names = list(known)
    shown = ", ".join(names[:12]) or "none"
    hint = did_you_mean(column, names)
    return rows[0].problem(column, f"no such column in any row{hint}; there are {shown}. Name it in the run file")


def _lilliput(source: LilliputPrompts, seed: int, inputs: Inputs) -> None:
    from amendment.lilliput import sample_prompts

    for prompt in sample_prompts(source.lilliput, seed):
        inputs.add_prompt(prompt.record)


def _prompt(row: Row, source: PromptFile, inputs: Inputs) -> None:
    messages = _question(row, source.column)
    if source.system and row.values[source.system] not in (None, ""):
        messages = (Message(role="system", content=_text(row, source.system)), *messages)
    inputs.add_prompt(
        Prompt(
            messages=messages,
            tools=_tools(row, source.tools) if source.tools else None,
            category=_optional(row, source.category_column) or source.category,
            source=Path(source.path).name,
            license=source.license,
        )
    )
    inputs.counts["prompt rows"] += 1


def _candidate(row: Row, source: FileSource, inputs: Inputs) -> None:
    prompt = Prompt(
        messages=_question(row, source.columns.prompt),
        category=source.category,
        source=Path(source.path).name,
        license=source.license,
    )
    writer = _optional(row, source.columns.model)
    origin = Origin(model=writer, source=Path(source.path).name, license=source.license)
    messages = _answer(row, source.columns.candidate, prompt)
    prompt_id = inputs.prompts.setdefault(prompt.id, prompt).id
    inputs.add_candidate(Candidate(prompt_id=prompt_id, messages=messages, kind="imported", origin=origin))
    inputs.counts["candidate rows"] += 1


def _pair(row: Row, source: PairFile, inputs: Inputs) -> None:
    columns = source.columns
    prompt = Prompt(
        messages=_joined(row, columns.prompt),
        category=_optional(row, columns.category) or source.category,
        source=Path(source.path).name,
        license=source.license,
    )
    first, second = (columns.chosen, columns.rejected) if columns.chosen else (columns.a, columns.b)
    assert first is not None
    assert second is not None
    votes = list(_votes(row, source))  # read before anything is kept, so that a bad row leaves nothing behind
    if any(_is_silent(row, column) for column in (first, second)):
        inputs.counts.update(("pair rows", "pairs with an empty answer"))
        return
    origin = Origin(source=Path(source.path).name, license=source.license)
    a, b = (
        Candidate(prompt_id=prompt.id, messages=_answer(row, column, prompt), kind="imported", origin=origin)
        for column in (first, second)
    )
    inputs.counts["pair rows"] += 1
    if a.id == b.id:
        inputs.counts["pairs of identical answers"] += 1
        return
    inputs.prompts.setdefault(prompt.id, prompt)
    shown = (inputs.add_candidate(a).id, inputs.add_candidate(b).id)
    for rater, vote in votes:
        inputs.verdicts.append(
            Verdict(scale="pair", prompt_id=prompt.id, shown=shown, value=vote, rater=rater, rater_kind=source.rater)
        )


def _is_silent(row: Row, column: str) -> bool:
    """Whether a cell has no words in it; as an answer a fact about its writer, and nothing to train on."""
    value = row.values[column]
    return value is None or (isinstance(value, str) and not value.strip())


def _votes(row: Row, source: PairFile) -> Iterator[tuple[str, str]]:
    """Rater and vote of one row; a file of chosen and rejected has one rater, the file."""
    if source.columns.votes is None:
        yield Path(source.path).name, "A"
        return
    words = {str(source.votes.a): "A", str(source.votes.b): "B"}
    if source.votes.tie is not None:
        words[str(source.votes.tie)] = "tie"
    for column in source.columns.votes:
        word = _word(row.values[column])
        if not word:
            continue
        if word not in words:
            known = ", ".join(words)
            raise DataError([row.problem(column, f"found {word[:40]!r}, expected one of {known}; see `votes`")])
        yield column, words[word]


def _word(value: Any) -> str:
    """A vote as a word: whole numbers without the `.0` that tools put to a column with gaps; a gap is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = str(value).strip()
    return text[:-2] if text.endswith(".0") and text[:-2].lstrip("-").isdecimal() else text


def _optional(row: Row, column: str | None) -> str | None:
    if column is None:
        return None
    value = row.values[column]
    return None if value is None or value == "" else str(value)


def _text(row: Row, column: str) -> str:
    value = row.values[column]
    if not isinstance(value, str):
        raise DataError([row.problem(column, f"expected text, found {_kind(value)}")])
    if not value.strip():
        raise DataError([row.problem(column, "is empty; fill it in or take the row out")])
    if len(value) > MAX_CELL:
        raise DataError([row.problem(column, f"holds {len(value):,} characters, at most {MAX_CELL:,} are taken")])
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise DataError([row.problem(column, "holds a NUL or half a surrogate pair, which no model can be sent")])
    return value


def _joined(row: Row, columns: Iterable[str]) -> Messages:
    """One column as it is, or several texts joined by an empty line, empty ones left out."""
    names = list(columns)
    if len(names) == 1:
        return _question(row, names[0])
    texts = [_text(row, name).strip() for name in names if not _is_silent(row, name)]
    if not texts:
        raise DataError([row.problem(" + ".join(names), "are all empty; expected a prompt")])
    return user("\n\n".join(texts))


def _question(row: Row, column: str) -> Messages:
    messages = _messages(row, column, "user")
    if messages[-1].role == "assistant":
        raise DataError([row.problem(column, "ends with an assistant turn; a prompt ends before the answer")])
    return messages


def _answer(row: Row, column: str, prompt: Prompt) -> Messages:
    """An answer, without the prompt that many files repeat before it."""
    messages = _messages(row, column, "assistant")
    if messages[: len(prompt.messages)] == prompt.messages:
        messages = messages[len(prompt.messages) :]
    roles = [message.role for message in messages]
    if "assistant" not in roles[:1] or "assistant" not in roles[-1:]:
        found = f"found turns of {', '.join(roles) or 'nobody'}"
        raise DataError([row.problem(column, f"expected the assistant's answer to the prompt, {found}")])
    return messages


def _messages(row: Row, column: str, role: str) -> Messages:
    """A cell as messages: a list of them, a JSON text of such a list, or text as one message of `role`."""
    value = row.values[column]
    if isinstance(value, str) and value.lstrip().startswith('[{"'):
        value = _from_json(row, column, value)
    if not isinstance(value, list):
        return (Message.model_validate({"role": role, "content": _text(row, column)}),)
    try:
        messages = tuple(_message(message) for message in value)
    except (ValidationError, AttributeError, TypeError) as fault:
        first = fault.errors()[0]["msg"] if isinstance(fault, ValidationError) else "expected objects"
        raise DataError([row.problem(column, f"not a list of messages with role and content ({first})")]) from fault
    if not messages:
        raise DataError([row.problem(column, "is an empty list; expected at least one message")])
    return messages


def _from_json(row: Row, column: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # prose that happens to begin like a list


def _tools(row: Row, column: str) -> tuple[dict[str, Any], ...] | None:
    value = row.values[column]
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = _from_json(row, column, value)
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise DataError([row.problem(column, f"expected a list of tool schemas, found {_kind(value)}")])
    return tuple(value)


def _message(value: Any) -> Message:
    """A message as it stands in files: absent keys written as null, arguments of tool calls as a JSON text."""
    message = Message.from_json({key: part for key, part in value.items() if part is not None})
    if not message.tool_calls:
        return message
    return message.model_copy(update={"tool_calls": tuple(map(_with_arguments, message.tool_calls))})


def _with_arguments(call: ToolCall) -> ToolCall:
    arguments = call.function.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        return call.model_copy(update={"function": {**call.function, "arguments": json.loads(arguments)}})
    except ValueError:
        return call


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
