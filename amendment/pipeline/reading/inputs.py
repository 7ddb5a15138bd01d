"""What the user brings: prompts, candidates, pairs and verdicts, read once, every bad row named.

Covered: text or message lists in any column; files, folders and datasets on the Hub; duplicate prompts made one, and
counted; verdicts without texts, which an audit reads and a run leaves aside. Not covered: what the verdicts of a
comparison come to; see `deciding`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from amendment.errors import DataError, Problem
from amendment.pipeline.reading.cells import answer_in, joined_prompt, optional_text, text_in, tools_in
from amendment.pipeline.reading.comparisons import join
from amendment.pipeline.reading.guesses import no_prompt, not_recognised
from amendment.pipeline.reading.readings import absent_columns, gather
from amendment.pipeline.reading.shape_parts import Parts, candidate_parts, prompt_parts
from amendment.pipeline.reading.shapes import recognise
from amendment.pipeline.reading.source_rows import FileFacts, SourceRows, rows_of
from amendment.pipeline.reading.verdict_records import Records, records_of
from amendment.pipeline.runfile.config import RunFile
from amendment.pipeline.runfile.sources import CandidateColumns, FileSource, LilliputPrompts, PromptFile, Source
from amendment.records import Candidate, Message, Origin, Prompt, Verdict
from amendment.tables import Row
from amendment.yamlfile import capped

__all__ = ["Inputs", "read_inputs"]


@dataclass
class Inputs:
    """Everything read: prompts by id in order of arrival, candidates, verdicts that exist, counts by reason.

    What several sources bring stands once, as the first of them has it; licenses of the others are counted.
    """

    prompts: dict[str, Prompt] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    files: list[tuple[Source, FileFacts]] = field(default_factory=list)
    """Every source that was read."""
    _licenses: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    """Of prompts and answers by id: labels of sources and the licenses under which they bring them."""

    def add_prompt(self, prompt: Prompt) -> str:
        """Keep a prompt once; returns its id."""
        self.note_license(prompt.id, prompt.source, prompt.license)
        return self.prompts.setdefault(prompt.id, prompt).id

    def add_candidate(self, candidate: Candidate) -> Candidate:
        """Keep a candidate once."""
        self.note_license(candidate.id, candidate.origin.source, candidate.origin.license)
        return self.candidates.setdefault(candidate.id, candidate)

    def note_license(self, name: str, source: str | None, license: str | None) -> None:
        """Remember under which license a source brings a prompt or an answer."""
        if license is not None:
            self._licenses.setdefault(name, {})[str(source), license] = None

    def other_licenses(self) -> dict[str, dict[str, int]]:
        """Prompts and answers that a source brings under another license than the one on their record, by source."""
        prompts = self._others({prompt.id: prompt.license for prompt in self.prompts.values()})
        answers = self._others({one.id: one.origin.license for one in self.candidates.values()})
        found = {"prompts under a further license": prompts, "answers under a further license": answers}
        return {name: dict(counts) for name, counts in found.items() if counts}

    def _others(self, kept: Mapping[str, str | None]) -> Counter[str]:
        brought = [(name, *key) for name in kept for key in self._licenses.get(name, ())]
        return Counter(f"{source}: {license}" for name, source, license in brought if license != kept[name])


def read_inputs(config: RunFile, base: Path, *, glimpse: bool = False) -> Inputs:
    """All inputs of a run file that lies in folder `base`. Raises DataError with the problems of all files.

    `glimpse` reads only the first rows of datasets on the Hub, for a check.
    """
    inputs = Inputs()
    problems: list[Problem] = []
    for prompts in config.prompts:
        if isinstance(prompts, LilliputPrompts):
            _lilliput(prompts, config.seed, inputs)
        else:
            _collecting(problems, partial(_prompts, prompts, base, inputs, problems, glimpse=glimpse))
    for candidates in config.candidates:
        if isinstance(candidates, FileSource):
            _collecting(problems, partial(_candidates, candidates, base, inputs, problems, glimpse=glimpse))
    _judged(config, base, inputs, problems, glimpse=glimpse)
    if problems:
        raise DataError(capped(problems))
    return inputs


def _collecting(problems: list[Problem], read: Callable[[], None]) -> None:
    """A source that cannot be read adds its problems, and the others are still looked at."""
    try:
        read()
    except DataError as fault:
        problems.extend(fault.problems)


def _lilliput(source: LilliputPrompts, seed: int, inputs: Inputs) -> None:
    from amendment.lilliput import sample_prompts

    for prompt in sample_prompts(source.lilliput, seed):
        _ask(prompt.record, inputs)


def _ask(prompt: Prompt, inputs: Inputs) -> None:
    if prompt.id in inputs.prompts:
        inputs.counts["duplicate prompts"] += 1
    inputs.add_prompt(prompt)


def _prompts(source: PromptFile, base: Path, inputs: Inputs, problems: list[Problem], *, glimpse: bool) -> None:
    found = rows_of(source, base, glimpse=glimpse)
    problems += found.problems
    inputs.files.append((source, found.facts))
    rows, questions = _prompt_rows(source, found)
    columns = [*questions, source.system, source.tools, source.category_column]
    read = partial(_prompt, source=source, questions=questions, inputs=inputs)
    _each_row(source, rows, columns, read, inputs=inputs, problems=problems)


def _prompt_rows(source: PromptFile, found: SourceRows) -> tuple[list[Row], tuple[str, ...]]:
    if source.column is not None:
        return found.rows, source.column
    shape = source.shape or recognise(found.columns, "prompts")
    if shape is None:
        raise DataError([no_prompt(found)])
    if shape == "rows":
        return found.rows, ("prompt",)
    return prompt_parts(shape, found.rows, found.columns)


def _candidates(source: FileSource, base: Path, inputs: Inputs, problems: list[Problem], *, glimpse: bool) -> None:
    found = rows_of(source, base, glimpse=glimpse)
    problems += found.problems
    inputs.files.append((source, found.facts))
    parts = _candidate_rows(source, found)
    named = parts.columns
    read = partial(_candidate, source=source, named=named, inputs=inputs)
    columns = [*named.prompt, named.candidate, named.model]
    _each_row(source, parts.rows, columns, read, inputs=inputs, problems=problems)


def _candidate_rows(source: FileSource, found: SourceRows) -> Parts:
    if source.columns is not None:
        return Parts(found.rows, source.columns)
    shape = source.shape or recognise(found.columns, "candidates")
    if shape is None:
        raise DataError([not_recognised(found, "candidates")])
    return candidate_parts(shape, found.rows, found.columns)


def _each_row(
    source: PromptFile | FileSource,
    rows: Sequence[Row],
    columns: Iterable[str | None],
    read: Callable[[Row], None],
    *,
    inputs: Inputs,
    problems: list[Problem],
) -> None:
    """Read rows one by one; a bad row adds its problems and the rest is still looked at.

    A key that some rows of a JSON file leave out counts as empty there; one that all leave out is named once.
    """
    if not rows:
        raise DataError(f"{source.label}: holds nothing of what its shape holds; say where the parts stand as columns")
    known = {name: None for row in rows for name in row.values}
    absent = absent_columns(rows, list(columns), known)
    if absent:
        problems += absent
        return
    for row in rows:
        found = _problems_of(Row(row.place, {**known, **row.values}), read)
        if found and source.bad_rows == "skip":
            inputs.counts["bad rows left out"] += 1
        else:
            problems += found


def _problems_of(row: Row, read: Callable[[Row], None]) -> Sequence[Problem]:
    try:
        read(row)
    except DataError as fault:
        return fault.problems
    except (ValueError, RecursionError) as fault:  # cannot be stored, in a place where only a hash looks
        return [Problem(row.place, f"holds something that no file can store ({fault})")]
    return []


def _prompt(row: Row, source: PromptFile, questions: tuple[str, ...], inputs: Inputs) -> None:
    messages = joined_prompt(row, questions)
    if source.system and row.values[source.system] not in (None, ""):
        if messages[0].role in ("system", "developer"):
            columns = " + ".join(questions)
            problem = f"the prompt begins with a system text of its own; empty this cell or the one in {columns}"
            raise DataError([row.problem(source.system, problem)])
        messages = (Message(role="system", content=text_in(row, source.system)), *messages)
    prompt = Prompt(
        messages=messages,
        tools=tools_in(row, source.tools) if source.tools else None,
        category=optional_text(row, source.category_column) or source.category,
        source=source.label,
        license=source.license,
    )
    _ask(prompt, inputs)
    inputs.counts["prompt rows"] += 1


def _candidate(row: Row, source: FileSource, named: CandidateColumns, inputs: Inputs) -> None:
    prompt = Prompt(
        messages=joined_prompt(row, named.prompt), category=source.category, source=source.label, license=source.license
    )
    origin = Origin(model=optional_text(row, named.model), source=source.label, license=source.license)
    messages = answer_in(row, named.candidate, prompt)
    prompt_id = inputs.add_prompt(prompt)
    inputs.add_candidate(Candidate(prompt_id=prompt_id, messages=messages, kind="imported", origin=origin))
    inputs.counts["candidate rows"] += 1


def _judged(config: RunFile, base: Path, inputs: Inputs, problems: list[Problem], *, glimpse: bool) -> None:
    """Pairs and verdicts: what can be stored of each comparison, and the verdicts about it."""
    gathered = gather(config, base, glimpse=glimpse)
    joined = join(gathered)
    problems += [*gathered.problems, *joined.problems]
    inputs.counts.update(gathered.counts + joined.counts)
    inputs.files += gathered.files
    for item in joined.items.values():
        records: Records = records_of(item, problems)
        inputs.counts.update(records.counts)
        if records.prompt is not None:
            inputs.add_prompt(records.prompt)
            for candidate in records.candidates:
                inputs.add_candidate(candidate)
            for name in (records.prompt.id, *(candidate.id for candidate in records.candidates)):
                for source, license in records.licenses:
                    inputs.note_license(name, source, license)
            inputs.verdicts += records.verdicts
