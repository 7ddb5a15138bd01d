"""What the user brings: prompts, candidates and pairs from files, read once, every bad row named.

Covered: text or message lists in any column; duplicate prompts made one, and counted; several raters of one
row. Not covered: data sets on the Hub.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from amendment.errors import DataError, Problem
from amendment.pipeline.cells import (
    answer_in,
    is_silent,
    joined_prompt,
    optional_text,
    question_in,
    text_in,
    tools_in,
    vote_in,
)
from amendment.pipeline.config import RunFile
from amendment.pipeline.sources import FileSource, LilliputPrompts, PairFile, PromptFile
from amendment.records import Candidate, Message, Origin, Prompt, Verdict
from amendment.tables import Row, read_rows
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
    except (ValueError, RecursionError) as fault:  # cannot be stored, in a place where only a hash looks
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
    messages = question_in(row, source.column)
    if source.system and row.values[source.system] not in (None, ""):
        if messages[0].role in ("system", "developer"):
            problem = f"the prompt begins with a system text of its own; empty this cell or the one in {source.column}"
            raise DataError([row.problem(source.system, problem)])
        messages = (Message(role="system", content=text_in(row, source.system)), *messages)
    inputs.add_prompt(
        Prompt(
            messages=messages,
            tools=tools_in(row, source.tools) if source.tools else None,
            category=optional_text(row, source.category_column) or source.category,
            source=Path(source.path).name,
            license=source.license,
        )
    )
    inputs.counts["prompt rows"] += 1


def _candidate(row: Row, source: FileSource, inputs: Inputs) -> None:
    prompt = Prompt(
        messages=question_in(row, source.columns.prompt),
        category=source.category,
        source=Path(source.path).name,
        license=source.license,
    )
    writer = optional_text(row, source.columns.model)
    origin = Origin(model=writer, source=Path(source.path).name, license=source.license)
    messages = answer_in(row, source.columns.candidate, prompt)
    prompt_id = inputs.prompts.setdefault(prompt.id, prompt).id
    inputs.add_candidate(Candidate(prompt_id=prompt_id, messages=messages, kind="imported", origin=origin))
    inputs.counts["candidate rows"] += 1


def _pair(row: Row, source: PairFile, inputs: Inputs) -> None:
    columns = source.columns
    prompt = Prompt(
        messages=joined_prompt(row, columns.prompt),
        category=optional_text(row, columns.category) or source.category,
        source=Path(source.path).name,
        license=source.license,
    )
    first, second = (columns.chosen, columns.rejected) if columns.chosen else (columns.a, columns.b)
    assert first is not None
    assert second is not None
    votes = list(_votes(row, source))  # read before anything is kept, so that a bad row leaves nothing behind
    if any(is_silent(row, column) for column in (first, second)):
        inputs.counts.update(("pair rows", "pairs with an empty answer"))
        return
    origin = Origin(source=Path(source.path).name, license=source.license)
    a, b = (
        Candidate(prompt_id=prompt.id, messages=answer_in(row, column, prompt), kind="imported", origin=origin)
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


def _votes(row: Row, source: PairFile) -> Iterator[tuple[str, str]]:
    """Rater and vote of one row; a file of chosen and rejected has one rater, the file."""
    if source.columns.votes is None:
        yield Path(source.path).name, "A"
        return
    words = {str(source.votes.a): "A", str(source.votes.b): "B"}
    if source.votes.tie is not None:
        words[str(source.votes.tie)] = "tie"
    for column in source.columns.votes:
        word = vote_in(row.values[column])
        if not word:
            continue
        if word not in words:
            known = ", ".join(words)
            raise DataError([row.problem(column, f"found {word[:40]!r}, expected one of {known}; see `votes`")])
        yield column, words[word]
