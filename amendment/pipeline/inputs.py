"""What the user brings: prompts, candidates and pairs from files, read once, every bad row named.

Covered: text or message lists in any column; duplicate prompts made one, and counted; several raters of one
row. Not covered: data sets on the Hub.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from amendment.errors import DataError, Problem
from amendment.pipeline.config import FileSource, LilliputPrompts, PairFile, PromptFile, RunFile
from amendment.records import Candidate, Message, Messages, Origin, Prompt, Verdict, user
from amendment.tables import MAX_CELL, Row, read_rows
from amendment.yamlfile import did_you_mean

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
            _each_row(base / prompts.path, prompts.take, problems, partial(_prompt, source=prompts, inputs=inputs))
    for candidates in config.candidates:
        if isinstance(candidates, FileSource):
            _each_row(base / candidates.path, None, problems, partial(_candidate, source=candidates, inputs=inputs))
    for pairs in config.pairs:
        _each_row(base / pairs.path, pairs.take, problems, partial(_pair, source=pairs, inputs=inputs))
    if problems:
        raise DataError(problems)
    return inputs


def _each_row(path: Path, take: int | None, problems: list[Problem], read: Callable[[Row], None]) -> None:
    """Read rows one by one; a bad row or file adds its problems and the rest is still looked at."""
    try:
        rows = read_rows(path)
    except DataError as fault:
        problems.extend(fault.problems)
        return
    for row in rows[:take]:
        try:
            read(row)
        except DataError as fault:
            problems.extend(fault.problems)


def _lilliput(source: LilliputPrompts, seed: int, inputs: Inputs) -> None:
    from amendment.lilliput import sample_prompts

    for prompt in sample_prompts(source.lilliput, seed):
        inputs.add_prompt(prompt.record)


def _prompt(row: Row, source: PromptFile, inputs: Inputs) -> None:
    messages = _messages(row, source.column, "user")
    if messages[-1].role == "assistant":
        raise DataError([row.problem(source.column, "ends with an assistant turn; a prompt ends before the answer")])
    if source.system and row.values.get(source.system):
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
        messages=_messages(row, source.columns.prompt, "user"),
        category=source.category,
        source=Path(source.path).name,
        license=source.license,
    )
    prompt_id = inputs.prompts.setdefault(prompt.id, prompt).id
    writer = _optional(row, source.columns.model)
    origin = Origin(model=writer, source=Path(source.path).name, license=source.license)
    messages = _messages(row, source.columns.candidate, "assistant")
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
    origin = Origin(source=Path(source.path).name, license=source.license)
    a, b = (
        Candidate(prompt_id=prompt.id, messages=_messages(row, column, "assistant"), kind="imported", origin=origin)
        for column in (first, second)
    )
    inputs.counts["pair rows"] += 1
    if a.id == b.id:
        inputs.counts["pairs of identical answers"] += 1
        return
    inputs.prompts.setdefault(prompt.id, prompt)
    shown = (inputs.add_candidate(a).id, inputs.add_candidate(b).id)
    for rater, vote in _votes(row, source):
        inputs.verdicts.append(
            Verdict(scale="pair", prompt_id=prompt.id, shown=shown, value=vote, rater=rater, rater_kind=source.rater)
        )


def _votes(row: Row, source: PairFile) -> Iterator[tuple[str, str]]:
    """Rater and vote of one row; a file of chosen and rejected has one rater, the file."""
    if source.columns.votes is None:
        yield Path(source.path).name, "A"
        return
    words = {str(source.votes.a): "A", str(source.votes.b): "B"}
    if source.votes.tie is not None:
        words[str(source.votes.tie)] = "tie"
    for column in source.columns.votes:
        value = _cell(row, column)
        if value is None or value == "":
            continue
        word = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
        if word not in words:
            known = ", ".join(words)
            raise DataError([row.problem(column, f"found {word[:40]!r}, expected one of {known}; see `votes`")])
        yield column, words[word]


def _cell(row: Row, column: str) -> Any:
    if column not in row.values:
        hint = did_you_mean(column, row.values)
        known = ", ".join(list(row.values)[:12]) or "none"
        raise DataError([row.problem(column, f"no such column{hint}; the row has {known}")])
    return row.values[column]


def _optional(row: Row, column: str | None) -> str | None:
    if column is None:
        return None
    value = _cell(row, column)
    return None if value is None or value == "" else str(value)


def _text(row: Row, column: str) -> str:
    value = _cell(row, column)
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
        return _messages(row, names[0], "user")
    texts = [_text(row, name).strip() for name in names if _cell(row, name) not in (None, "")]
    if not texts:
        raise DataError([row.problem(" + ".join(names), "are all empty; expected a prompt")])
    return user("\n\n".join(texts))


def _messages(row: Row, column: str, role: str) -> Messages:
    """A cell as messages: a list of them, a JSON text of such a list, or text as one message of `role`."""
    value = _cell(row, column)
    if isinstance(value, str) and value.lstrip().startswith('[{"'):
        value = _from_json(row, column, value)
    if not isinstance(value, list):
        return (Message.model_validate({"role": role, "content": _text(row, column)}),)
    try:
        messages = tuple(Message.from_json(_without_nulls(message)) for message in value)
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
    value = _cell(row, column)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        value = _from_json(row, column, value)
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise DataError([row.problem(column, f"expected a list of tool schemas, found {_kind(value)}")])
    return tuple(value)


def _without_nulls(message: Any) -> dict[str, Any]:
    """Parquet and CSV tools write absent keys as null."""
    return {key: value for key, value in message.items() if value is not None}


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__
