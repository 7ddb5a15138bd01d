"""The part `clean` of a run file: `inputs` cleans prompts with it, before anything is asked, and `dataset` pairs.

Each writes a table of what it leaves out, and its funnel has the reasons. Pairs of a later round are cleaned like those
of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.curation.cleaning import (
    KEY,
    NEAR,
    PERSONAL,
    SHORTEST,
    CleanConfig,
    Cleaner,
    Flaw,
    OneSided,
    Overlap,
    PromptAnswers,
    one_sided_ngrams,
)
from amendment.curation.near_copies import NearCopies
from amendment.data.inputs import StreamedInputs
from amendment.data.readings import absent_columns
from amendment.data.source_rows import read_source, source_state
from amendment.data.store import Workspace
from amendment.errors import DataError, Problem
from amendment.hashing import canonical_json
from amendment.keys import Scanner
from amendment.records import Preference, Prompt, Record
from amendment.results import Figure, Funnel, Result, Sample, by_label
from amendment.text import transcript
from amendment.yamlfile import capped

OTHER_SOURCE = "prompt copied in another source"
DROPPED, ONE_SIDED_TABLE = "dropped", "one_sided"
"""Tables of a stage that cleans."""
CLEANED = (f"dataset/{DROPPED}", f"dataset/{ONE_SIDED_TABLE}")
"""Those of the stage `dataset`."""
CUT = 500
"""Characters of a text that is left out, in the table."""
MOST_PROMPTS = 10_000
"""Prompts of a source in which one-sided n-grams are looked for."""
SHOWN = 20
"""One-sided n-grams in the summary."""


class Dropped(Record):
    """A prompt or a pair that cleaning leaves out."""

    item_id: str
    """The prompt's id, or the comparison's."""
    reason: str
    detail: str | None = None
    """What it copies, which evaluation set it overlaps with, what kind of data it holds, the n-gram."""
    source: str | None = None
    text: str | None = None
    """How its prompt begins; absent where that could be a key or personal data."""


class Cleaned(NamedTuple):
    """The tables that cleaning has written, and what it has found out."""

    artefacts: tuple[str, ...]
    result: Result


class Cleaning:
    """The cleaning of one stage. Without the part `clean` everything stays and nothing is counted."""

    def __init__(self, config: CleanConfig | None, base: Path, scanner: Scanner | None = None) -> None:
        """`base` is the folder of the run file, and `scanner` looks for keys in prompts; in pairs `dataset.secrets`
        does. Raises DataError for evaluation sets that cannot be read, and MissingExtra."""
        self._config = config
        self._in = 0
        self._dropped: list[Dropped] = []
        self._one_sided: list[OneSided] = []
        if config is None:
            return
        self._prompts = NearCopies(NEAR)
        self._source_of: dict[str, str] = {}
        overlap = read_overlap(config, base)
        self._compared = overlap.compared
        self._cleaner = Cleaner(config, overlap, scanner)

    def prompts(self, add: Callable[[Prompt], None]) -> Callable[[Prompt], None]:
        """`add` for the prompts that stay."""
        if self._config is None:
            return add

        def add_clean(prompt: Prompt) -> None:
            flaw = self._cleaner.find_flaw(prompt.id, _asked(prompt))
            if flaw is None:
                add(prompt)
            else:
                self._drop(prompt.id, flaw, prompt.source, transcript(prompt.messages, by="user"))

        return add_clean

    def leave_out(self, inputs: StreamedInputs) -> None:
        """Take the answers and verdicts about prompts that were left out from what was read."""
        dropped = {row.item_id for row in self._dropped}
        if not dropped:
            return
        for name in dropped:
            del inputs.places[name]
        kept = {name: answer for name, answer in inputs.candidates.items() if answer.prompt_id not in dropped}
        inputs.counts["answers to prompts that cleaning left out"] += len(inputs.candidates) - len(kept)
        inputs.candidates = kept
        inputs.verdicts = [verdict for verdict in inputs.verdicts if verdict.prompt_id not in dropped]

    def compare_with(self, rows: Iterable[Preference]) -> None:
        """Pairs that are kept already, and that later ones may copy."""
        for row in rows if self._config else ():
            self._cleaner.find_copy(row.comparison_id, _asked(row), *_answers(row))

    def pairs(self, source: str, rows: Sequence[Preference]) -> Sequence[int]:
        """Return the places of the pairs of a source that stay, in their order."""
        self._in += len(rows)
        if self._config is None:
            return range(len(rows))
        kept = []
        for place, row in enumerate(rows):
            flaw = self._cleaner.find_flaw(row.comparison_id, _asked(row), *_answers(row))
            if flaw := flaw or self._copied_prompt(source, row):
                self._drop_pair(row, flaw)
            else:
                kept.append(place)
        listed = one_sided_ngrams(source, _sides(rows, kept))
        self._one_sided += listed
        return kept

    def _copied_prompt(self, source: str, row: Preference) -> Flaw | None:
        """Return whether an earlier source has nearly the same prompt, which may be on the other side of the split. Of
        equal prompts the mix takes care."""
        if self._prompts is None or row.prompt_id in self._source_of:
            return None
        copy = self._prompts.add(row.prompt_id, _asked(row))
        if copy and self._source_of[copy.name] != source:
            return Flaw(OTHER_SOURCE, copy.name)
        self._source_of[row.prompt_id] = source
        return None

    @property
    def left_out(self) -> Counter[str]:
        """Return what was left out so far, by reason."""
        return Counter(row.reason for row in self._dropped)

    def funnel(self, before: Mapping[str, int]) -> Funnel:
        """Return what became of the pairs; `before` is what the stage itself had left out of them, by reason."""
        came_in = self._in + sum(before.values())
        remained = self._in - len(self._dropped)
        return Funnel(what="pairs", came_in=came_in, left_out={**before, **self.left_out}, remained=remained)

    def finish(self, workspace: Workspace, stage: str) -> Cleaned:
        """Write the tables, and say how far evaluation sets were compared and which n-grams are one-sided."""
        if self._config is None:
            return Cleaned((), Result())
        tables = [workspace.write(f"{stage}/{DROPPED}", Dropped, self._dropped)]
        figures = []
        for name, (compared, items) in self._compared.items():
            if compared < items:  # shorter ones overlap with nothing
                figures.append(Figure(name="compared_items", value=compared, of={"evaluation_set": name}))
                figures.append(Figure(name="items", value=items, of={"evaluation_set": name}))
        if stage != "dataset":
            return Cleaned(tuple(tables), Result(figures=tuple(figures)))
        tables.append(workspace.write(f"{stage}/{ONE_SIDED_TABLE}", OneSided, self._one_sided))
        figures += by_label("one_sided_ngrams", "side", Counter(row.side for row in self._one_sided))
        samples = (_one_sided_sample(self._one_sided),) if self._one_sided else ()
        return Cleaned(tuple(tables), Result(figures=tuple(figures), samples=samples))

    def _drop_pair(self, row: Preference, flaw: Flaw) -> None:
        self._drop(row.comparison_id, flaw, row.source, transcript(row.prompt, by="user"))

    def _drop(self, name: str, flaw: Flaw, source: str | None, text: str) -> None:
        shown = None if flaw.reason in (KEY, PERSONAL) else text[:CUT]
        self._dropped.append(Dropped(item_id=name, reason=flaw.reason, detail=flaw.detail, source=source, text=shown))


def _asked(row: Prompt | Preference) -> str:
    """Return all that a model sees of a prompt; the tools too, since with others it is another task."""
    messages = row.messages if isinstance(row, Prompt) else row.prompt
    tools = f"\n{canonical_json(list(row.tools)).decode()}" if row.tools else ""
    return transcript(messages, by="user") + tools


def _answers(row: Preference) -> tuple[str, str]:
    return transcript(row.chosen, by="assistant"), transcript(row.rejected, by="assistant")


def _sides(rows: Sequence[Preference], places: Sequence[int]) -> Iterator[PromptAnswers]:
    names = sorted({rows[place].prompt_id for place in places})[:MOST_PROMPTS]  # ids are hashes, so these are a draw
    by_prompt: dict[str, list[Preference]] = {name: [] for name in names}
    for row in (rows[place] for place in places):
        if row.prompt_id in by_prompt:
            by_prompt[row.prompt_id].append(row)
    for of_prompt in by_prompt.values():
        yield PromptAnswers(
            [transcript(row.chosen, by="assistant") for row in of_prompt],
            [transcript(row.rejected, by="assistant") for row in of_prompt],
        )


def read_overlap(config: CleanConfig, base: Path, *, glimpse: bool = False) -> Overlap:
    """Return the n-grams of all evaluation sets. Raises DataError with the problems of all of them."""
    overlap = Overlap()
    problems: list[Problem] = []
    for source in config.evaluation_sets:
        try:
            rows = read_source(source, base, glimpse=glimpse)
        except DataError as fault:
            problems += fault.problems
            continue
        asked = source.columns.prompt if source.columns else ()
        absent = absent_columns(rows.rows, asked, rows.columns)
        problems += absent
        items = [[row.values.get(name) for name in asked or row.values] for row in rows.rows]
        compared = sum([overlap.add(source.label, item) for item in items])
        before = overlap.compared.get(source.label, (0, 0))
        overlap.compared[source.label] = (before[0] + compared, before[1] + len(items))
        if not (compared or absent or rows.is_glimpse):
            why = f"none of its {len(items):,} items has {SHORTEST} words or more, so no overlap with it can be noticed"
            problems.append(
                Problem(rows.place, f"{why}; name the column of its questions as columns.prompt, or take it out")
            )
    if problems:
        raise DataError(capped(problems))
    return overlap


def clean_key(config: CleanConfig | None, base: Path) -> dict[str, Any]:
    """Return what of `clean` changes the prompts, or the pairs, and the state of the evaluation sets; empty without
    it."""
    if config is None:
        return {}
    return {
        "clean": config.model_dump(mode="json", by_alias=True),
        "sets": [source_state(each, base) for each in config.evaluation_sets],
    }


def _one_sided_sample(rows: Sequence[OneSided]) -> Sample:
    """Return the first n-grams that stand on one side of the pairs only."""
    return Sample(
        title="N-grams that stand on one side of the pairs only",
        head=("words", "side", "prompts", "prompts with them on the other side", "p", "source"),
        rows=tuple((row.words, row.side, row.prompts, row.others, row.p, row.source) for row in rows[:SHOWN]),
        note=f"{len(rows) - SHOWN} more are in dataset/{ONE_SIDED_TABLE}.parquet." if len(rows) > SHOWN else "",
    )
