"""Reads the user's prompts, candidates, pairs and verdicts, once, and names every bad row.

Covered: text or message lists in any column; files, folders and datasets on the Hub; duplicate prompts made one, and
counted; verdicts without texts, which an audit reads and a run leaves aside. Not covered: what the verdicts of a
comparison come to; see `preference.aggregate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from amendment.data.cells import (
    answer_in,
    bad_cells_to,
    criteria_in,
    joined_prompt,
    known_answer_in,
    optional_text,
    tools_in,
    words_in,
)
from amendment.data.comparisons import join_files
from amendment.data.guesses import not_recognised
from amendment.data.known_columns import Parts, candidate_parts, prompt_parts, recognise
from amendment.data.readings import absent_columns
from amendment.data.source_rows import FileFacts, SourceRows, SourceStream, read_source, stream_source
from amendment.data.sources import CandidateColumns, FileSource, LilliputPrompts, PromptFile, Source, TaskPrompts
from amendment.data.store import ItemName
from amendment.data.verdict_files import DataSources
from amendment.errors import DataError, Problem
from amendment.records import Candidate, Comparison, Origin, Prompt, Verdict
from amendment.tables import Row
from amendment.verification.tasks import make_tasks
from amendment.yamlfile import capped


class FurtherLicense(NamedTuple):
    """A license under which a source brings a prompt or an answer that has another one on its record."""

    kind: Literal["prompts", "answers"]
    source: str
    license: str


@dataclass
class Inputs:
    """Everything read: prompts by id in order of arrival, candidates, verdicts that exist, counts by reason.

    What several sources bring stands once, as the first of them has it; licenses of the others are counted.
    """

    prompts: dict[str, Prompt] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    weights: dict[str, list[float]] = field(default_factory=dict)
    """Training weights by comparison, one from each row that has one."""
    firsts: dict[str, str] = field(default_factory=dict)
    """The candidate that comes first in the file, by comparison."""
    counts: Counter[str] = field(default_factory=Counter)
    items: list[ItemName] = field(default_factory=list)
    """The names that comparisons have in the user's files."""
    files: list[tuple[Source, FileFacts]] = field(default_factory=list)
    """Every source that was read."""
    _licenses: dict[str, str | None] = field(default_factory=dict)
    """Licenses of prompts and answers by id, as the first source states them."""
    _others: dict[tuple[str, str, str], None] = field(default_factory=dict)
    """Further licenses: id, source, license."""

    def add_prompt(self, prompt: Prompt) -> bool:
        """Keep a prompt once; whether it is new."""
        is_new = self.note_license(prompt.id, prompt.source, prompt.license)
        if is_new:
            self.keep(prompt)
        return is_new

    def keep(self, prompt: Prompt) -> None:
        """Take a new prompt."""
        self.prompts[prompt.id] = prompt

    def add_candidate(self, candidate: Candidate) -> None:
        self.note_license(candidate.id, candidate.origin.source, candidate.origin.license)
        self.candidates.setdefault(candidate.id, candidate)

    def note_license(self, name: str, source: str | None, license: str | None) -> bool:
        """Remember under which license a source brings a prompt or an answer; whether it is the first that does."""
        is_new = name not in self._licenses
        if license not in (None, self._licenses.setdefault(name, license)):
            self._others[name, str(source), str(license)] = None
        return is_new

    def further_licenses(self) -> Counter[FurtherLicense]:
        """Count the prompts and answers that a source brings under another license than the one on their record."""
        return Counter(
            FurtherLicense("answers" if name in self.candidates else "prompts", source, license)
            for name, source, license in self._others
        )


class StreamedInputs(Inputs):
    """Inputs that hand each new prompt to `take`, and keep of it the name and the license alone."""

    def __init__(self, take: Callable[[Prompt], None]) -> None:
        super().__init__()
        self._take = take
        self.places: dict[str, int] = {}
        """Positions by prompt id, in order of arrival."""

    def keep(self, prompt: Prompt) -> None:
        """Hand on a new prompt."""
        self.places[prompt.id] = len(self.places)
        self._take(prompt)


def read_inputs(config: DataSources, base: Path, *, glimpse: bool = False) -> Inputs:
    """Read all inputs of a run file in folder `base` into memory. Raises DataError with the problems of all files.

    `glimpse` reads only the first rows of each source, for a check.
    """
    inputs = Inputs()
    read_into(inputs, config, base, glimpse=glimpse)
    return inputs


def read_into(inputs: Inputs, config: DataSources, base: Path, *, glimpse: bool = False) -> None:
    """Read the inputs into an object that keeps them in its way. Prompts come as a stream; see `Inputs` for the
    others."""
    problems: list[Problem] = []
    for prompts in config.prompts:
        if isinstance(prompts, LilliputPrompts):
            _lilliput(prompts, config.seed, inputs)
        elif isinstance(prompts, TaskPrompts):
            _collecting(problems, partial(_tasks, prompts, config.seed, inputs))
        else:
            _collecting(problems, partial(_prompts, prompts, base, inputs, problems, glimpse=glimpse))
    for candidates in config.candidates:
        if isinstance(candidates, FileSource):
            _collecting(problems, partial(_candidates, candidates, base, inputs, problems, glimpse=glimpse))
    _judged(config, base, inputs, problems, glimpse=glimpse)
    if problems:
        raise DataError(capped(problems))


def _collecting(problems: list[Problem], read: Callable[[], None]) -> None:
    """Collect the problems of a source that cannot be read, so that the others are still looked at."""
    try:
        read()
    except DataError as fault:
        problems.extend(fault.problems)


def _lilliput(source: LilliputPrompts, seed: int, inputs: Inputs) -> None:
    from amendment.simulator import sample_prompts

    for prompt in sample_prompts(source.lilliput, seed):
        _ask(prompt.record, inputs)


def _tasks(source: TaskPrompts, seed: int, inputs: Inputs) -> None:
    tasks = make_tasks(source.tasks, source.take, seed)
    for task in tasks.kept:
        _ask(task.prompt, inputs)
    inputs.counts["tasks with a shortcut dropped"] += tasks.shortcuts


def _ask(prompt: Prompt, inputs: Inputs) -> None:
    if not inputs.add_prompt(prompt):
        inputs.counts["duplicate prompts"] += 1


def _prompts(source: PromptFile, base: Path, inputs: Inputs, problems: list[Problem], *, glimpse: bool) -> None:
    stream = stream_source(source, base, glimpse=glimpse)
    problems += stream.head.problems
    for rows, questions in _prompt_rows(source, stream):
        columns = [*questions, *dict(source.columns).values()]
        read = partial(_prompt, source=source, questions=questions, inputs=inputs)
        if not _each_row(source, rows, stream.head.columns, columns, read, inputs=inputs, problems=problems):
            break
    inputs.files.append((source, stream.facts))


def _prompt_rows(source: PromptFile, stream: SourceStream) -> Iterator[tuple[list[Row], tuple[str, ...]]]:
    """Yield the rows a chunk at a time, and the columns of the prompt in each."""
    shape = recognise(stream.head.columns, "prompts")
    if source.column is None and shape is None:
        raise DataError([not_recognised(stream.head, "prompts")])
    for rows in stream.chunks():
        if source.column is not None:
            yield rows, source.column
        elif shape is None or shape == "rows":
            yield rows, ("prompt",)
        else:
            yield prompt_parts(shape, rows, stream.head.columns)


def _candidates(source: FileSource, base: Path, inputs: Inputs, problems: list[Problem], *, glimpse: bool) -> None:
    table = read_source(source, base, glimpse=glimpse)
    problems += table.problems
    inputs.files.append((source, table.facts))
    parts = _candidate_rows(source, table)
    if not parts.rows:
        raise DataError(f"{source.label}: has none of the columns of its layout; name the columns under columns")
    named = parts.columns
    read = partial(_candidate, source=source, named=named, inputs=inputs)
    columns = [*named.prompt, named.candidate, named.model]
    _each_row(source, parts.rows, {}, columns, read, inputs=inputs, problems=problems)


def _candidate_rows(source: FileSource, table: SourceRows) -> Parts:
    if source.columns is not None:
        return Parts(table.rows, source.columns)
    shape = recognise(table.columns, "candidates")
    if shape is None:
        raise DataError([not_recognised(table, "candidates")])
    return candidate_parts(shape, table.rows, table.columns)


def _each_row(
    source: PromptFile | FileSource,
    rows: Sequence[Row],
    known: Mapping[str, None],
    columns: Iterable[str | None],
    read: Callable[[Row], None],
    *,
    inputs: Inputs,
    problems: list[Problem],
) -> bool:
    """Read rows one by one; a bad row adds its problems and the rest is still looked at. False where no row can be.

    `known` are further columns of the source. A key that some rows of a JSON file leave out counts
    as empty there; one that all leave out is named once.
    """
    known = {**known, **{name: None for row in rows for name in row.values}}
    absent = absent_columns(rows, list(columns), known)
    if absent:
        problems += absent
        return False
    for row in rows:
        with bad_cells_to(problems, row):
            read(Row(row.place, {**known, **row.values}))
    return True


def _prompt(row: Row, source: PromptFile, questions: tuple[str, ...], inputs: Inputs) -> None:
    named = source.columns
    prompt = Prompt(
        messages=joined_prompt(row, questions),
        tools=tools_in(row, named.tools) if named.tools else None,
        category=optional_text(row, named.category) or source.category,
        tags=words_in(row, named.tags) if named.tags else (),
        criteria=criteria_in(row, named.criteria) if named.criteria else (),
        answer=known_answer_in(row, named.answer) if named.answer else None,
        source=source.label,
        license=source.license,
    )
    _ask(prompt, inputs)
    inputs.counts["prompt rows"] += 1


def _candidate(row: Row, source: FileSource, named: CandidateColumns, inputs: Inputs) -> None:
    prompt = Prompt(messages=joined_prompt(row, named.prompt), source=source.label, license=source.license)
    origin = Origin(model=optional_text(row, named.model), source=source.label, license=source.license)
    messages = answer_in(row, named.candidate, prompt)
    inputs.add_prompt(prompt)
    inputs.add_candidate(Candidate(prompt_id=prompt.id, messages=messages, kind="imported", origin=origin))
    inputs.counts["candidate rows"] += 1


def _judged(config: DataSources, base: Path, inputs: Inputs, problems: list[Problem], *, glimpse: bool) -> None:
    """Read pairs and verdicts: what can be stored of each comparison, and the verdicts about it."""
    if single := [source.label for source in config.verdicts if source.scale != "pair"]:
        raise DataError(f"{', '.join(single)}: labels of single answers make no pairs; amendment audit measures them")
    joined = join_files(config, base, glimpse=glimpse)
    inputs.files += joined.files
    for item, records in joined.records():
        assert records.prompt is not None
        inputs.add_prompt(records.prompt)
        for candidate in records.candidates:
            inputs.add_candidate(candidate)
        for name in (records.prompt.id, *(candidate.id for candidate in records.candidates)):
            for source, license in records.licenses:
                inputs.note_license(name, source, license)
        inputs.verdicts += records.verdicts
        if any(reading.key for reading in item.readings):
            inputs.items.append(ItemName(prompt_id=records.prompt.id, name=item.name))
        name = Comparison.between(*records.candidates).id
        if records.first:
            inputs.firsts.setdefault(name, records.first)
        if records.weights:
            inputs.weights.setdefault(name, []).extend(records.weights)
    inputs.counts.update(joined.counts)
    problems += joined.problems
