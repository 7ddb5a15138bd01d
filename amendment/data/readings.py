"""Every row of the user's pairs and verdicts as one comparison with its ballots: one reader for runs and audits.

Texts are taken here as they are, since an audit counts a verdict whatever its texts look like; a run reads them
strictly later. Verdicts are strict in both.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NamedTuple

from amendment.data.cells import bad_cells_to
from amendment.data.guesses import not_recognised
from amendment.data.known_columns import P_CHOSEN, decided_rows, lay_out, recognise
from amendment.data.nested import unnested
from amendment.data.replies import NO_VERDICT, REPLY_WORDS, read_replies
from amendment.data.row_votes import Ballot, BallotReader, join_words
from amendment.data.source_rows import FileFacts, SourceRows, read_source
from amendment.data.sources import PairColumns, PairFile, Source, VerdictWords, parse_number, parse_word
from amendment.data.verdict_files import (
    DataSources,
    Layout,
    VerdictColumns,
    VerdictFile,
    order_faults,
)
from amendment.errors import DataError, Problem
from amendment.tables import Row
from amendment.text import alike_names, plain
from amendment.yamlfile import did_you_mean

WEIGHT = "weight"
"""The column of weights that is read without being named, as our own exports call it."""
SHOWN = 3
"""Bad rows that are shown where nothing else is left."""
REPLIES_WITHOUT = "replies without exactly one verdict, which are invalid"
"""The name that they are counted under."""
WHO = (
    'Say kind: person, kind: model or kind: verifier for all of them, or people: ["PATTERN"] for those that are people'
)
"""The advice on how a run file says who is a person."""


class Content(NamedTuple):
    """Hashes of a comparison's texts: of the whole whichever answer comes first, and of each answer."""

    digest: str
    a: str
    b: str
    length_a: int | None
    """Characters of the answer; None where it is empty or no text."""
    length_b: int | None


class Reading(NamedTuple):
    """A row: which comparison it is about, and the verdicts that it holds."""

    row: Row
    source: PairFile | VerdictFile
    columns: VerdictColumns
    key: str
    """The item, empty where no column names one."""
    content: Content | None
    prompt: str
    """The prompt's text, whether the answers are known or not; empty where no column holds one."""
    ballots: list[Ballot]
    category: str | None
    models: tuple[str | None, str | None]
    prompt_id: str | None
    is_decided: bool
    """The better answer stands first, so that its place says nothing."""
    weight: float | None
    """The training weight of the pair; None if the row has none."""


@dataclass
class Gathered:
    """All readings of a run file, with problems, counts and the facts of each file."""

    readings: list[Reading] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    files: list[tuple[Source, FileFacts]] = field(default_factory=list)
    spellings: dict[str, set[str]] = field(default_factory=dict)
    """Spellings of raters whose names are in cells; see `BallotReader.spellings`."""
    is_partial: bool = False
    """Not all rows were read: only the first were asked for, or a file lacks a column."""


def gather(config: DataSources, base: Path, *, glimpse: bool = False, who: str = WHO) -> Gathered:
    """Read the rows of all `pairs` and `verdicts`. Problems are collected, never raised.

    `who` says, where it is not known who is a person, how to say so.
    """
    gathered = Gathered()
    sources: tuple[PairFile | VerdictFile, ...] = (*config.pairs, *config.verdicts)
    for source in sources:
        try:
            table = read_source(source, base, glimpse=glimpse)
            gathered.is_partial |= table.is_glimpse or source.take is not None
            gathered.problems += table.problems
            gathered.files.append((source, table.facts))
            _gather(source, table, gathered, who)
        except DataError as fault:
            gathered.problems += fault.problems
    people = {ballot.rater for reading in gathered.readings for ballot in reading.ballots if ballot.kind == "person"}
    gathered.problems += [
        Problem(
            "",
            f"annotators {' and '.join(map(repr, group))} differ only in case or white space; write one name in the "
            "files if they are one person, or give two people clearly different names",
        )
        for group in alike_names(spelling for name in people for spelling in gathered.spellings.get(name, {name}))
    ]
    return gathered


_NUMBER = re.compile(r":? (?:row|line|comparison) \d+(?:: .*)?$")
"""The place of a row after the file's name, and of a part of a row that holds several comparisons."""


def absent_columns(rows: Sequence[Row], wanted: Collection[str | None], columns: Collection[str]) -> list[Problem]:
    """Report each column that was named and that no row has."""
    absent = [column for column in dict.fromkeys(wanted) if column is not None and column not in columns]
    shown = ", ".join(list(columns)[:12]) or "none"
    file = _NUMBER.sub("", rows[0].place)
    return [
        Problem(
            f"{file}: {column}",
            f"no such column in any row{did_you_mean(column, columns)}; there are {shown}. Correct the name in "
            "the run file, or remove it",
        )
        for column in absent
    ]


def _gather(source: PairFile | VerdictFile, table: SourceRows, gathered: Gathered, who: str) -> None:
    layout = _laid_out(source, table)
    if isinstance(source, VerdictFile) and source.pattern:
        layout = _with_replies_read(layout, source, source.pattern, gathered.counts)
    rows = layout.rows
    if not rows:
        raise DataError(f"{table.place}: no two answers of a row can be compared")
    column_names = {name: None for row in rows for name in row.values}
    weight = None
    if isinstance(source, PairFile):
        weight = (source.columns.weight if source.columns else None) or (WEIGHT if WEIGHT in column_names else None)
    absent = absent_columns(rows, [*layout.columns.names(), weight], column_names)
    if absent:
        gathered.problems += absent
        gathered.is_partial = True
        return
    reader = BallotReader(source, layout, table.place, who)
    reader.spellings = gathered.spellings
    for row in rows:
        full = row if len(row.values) == len(column_names) else Row(row.place, {**column_names, **row.values})
        problems: list[Problem] = []
        with bad_cells_to(problems, full):
            reading = _reading(full, source, layout, reader, problems, weight=weight)
        if problems:
            gathered.problems += problems
        else:
            gathered.readings.append(reading)
            if isinstance(source, PairFile):
                _note_probabilities(reading, gathered.counts)
    gathered.problems += reader.problems()
    if not table.is_glimpse:
        gathered.problems += _idle_patterns(source, reader, table.place)
    gathered.counts.update(reader.counts)


def _note_probabilities(reading: Reading, counts: Counter[str]) -> None:
    """Count what a row's probability changed, and one that is not read."""
    if reading.columns.p is None and parse_word(reading.row.values.get(P_CHOSEN)):
        counts[f"pairs whose {P_CHOSEN} is not read, since other columns decide"] += 1
    elif reading.columns.p and reading.is_decided and any(ballot.value == "B" for ballot in reading.ballots):
        counts["pairs swapped because P(chosen) is below 0.5"] += 1


def _laid_out(source: PairFile | VerdictFile, table: SourceRows) -> Layout:
    """Return the rows as comparisons: by the columns that are named, else by a known layout."""
    if isinstance(source, PairFile):
        return _pair_layout(source, source.columns, table) if source.columns else _known_layout(source, table, "pairs")
    if source.columns is not None:
        inside = [name for name in source.columns.names() if "." in name and name not in table.columns]
        return Layout(source.columns, unnested(table.rows, inside), source.words or VerdictWords())
    layout = _known_layout(source, table, "verdicts")
    faults = list(order_faults(layout.columns, layout.coordinates or source.coordinates))
    if layout.is_decided and source.coordinates == "displayed":
        faults.append("the better answer stands first in each row, so displayed coordinates say nothing here")
    if faults:
        raise DataError([Problem(table.place, fault) for fault in faults])
    columns = layout.columns.model_copy(update={"rater": None}) if source.rater else layout.columns
    return layout._replace(words=source.words or layout.words, columns=columns)


def _with_replies_read(layout: Layout, source: VerdictFile, patterns: Sequence[str], counts: Counter[str]) -> Layout:
    """Return the layout with the word of its verdict in place of each reply."""
    words = source.words if source.scale == "pair" else layout.words
    columns = layout.columns.verdict, layout.columns.swapped, *(layout.columns.votes or ())
    rows = layout.rows
    for column in filter(None, columns):
        holding = [row for row in rows if column in row.values]
        verdicts = iter(read_replies([row.values[column] for row in holding], patterns, words))
        rows = [_replaced(row, column, next(verdicts)) if column in row.values else row for row in rows]
        counts[REPLIES_WITHOUT] += sum(row.values.get(column) == NO_VERDICT for row in rows)
    meanings = words or REPLY_WORDS
    invalid = dict.fromkeys((*meanings.invalid, NO_VERDICT))
    return layout._replace(rows=rows, words=meanings.model_copy(update={"invalid": tuple(invalid)}))


def _replaced(row: Row, column: str, verdict: str) -> Row:
    replies = {**row.replies, column: parse_word(row.values[column])}
    return row._replace(values={**row.values, column: verdict}, replies=replies)


def _known_layout(source: Source, table: SourceRows, wanted: Literal["pairs", "verdicts"]) -> Layout:
    shape = recognise(table.columns, wanted)
    if shape is None:
        raise DataError([not_recognised(table, wanted)])
    return lay_out(shape, table.rows, table.columns, wanted)


def _pair_layout(source: PairFile, columns: PairColumns, table: SourceRows) -> Layout:
    shared = {"prompt": columns.prompt, "category": columns.category}
    if columns.votes is not None:
        return Layout(VerdictColumns(a=columns.a, b=columns.b, votes=columns.votes, **shared), table.rows, source.words)
    if columns.a is not None:
        return Layout(VerdictColumns(a=columns.a, b=columns.b, p=columns.p, **shared), table.rows, VerdictWords())
    p = columns.p or (P_CHOSEN if P_CHOSEN in table.columns else None)
    named = VerdictColumns(a=columns.chosen, b=columns.rejected, verdict="decided", p=p, **shared)
    return Layout(named, decided_rows(table.rows, p), VerdictWords(), is_decided=True)


def _idle_patterns(source: PairFile | VerdictFile, reader: BallotReader, place: str) -> Iterator[Problem]:
    """Report patterns of people that no rater fits: a spelling mistake would make models of people."""
    patterns = (source.people or ()) if isinstance(source, VerdictFile) else ()
    for pattern in patterns:
        if not any(fnmatchcase(rater, pattern) for rater in reader.raters):
            near = did_you_mean(pattern, reader.raters)
            raters = ", ".join(reader.raters[:8])
            yield Problem(place, f"no rater fits {pattern!r} under people{near}; there are {raters}")


def _reading(
    row: Row,
    source: PairFile | VerdictFile,
    layout: Layout,
    reader: BallotReader,
    problems: list[Problem],
    *,
    weight: str | None,
) -> Reading:
    values, columns = row.values, layout.columns
    ballots = reader.read(row, problems)
    prompt = _prompt(values, columns)
    key = join_words(values, columns.item) if columns.item else ""
    if columns.item and not key:
        problems.append(row.problem(" + ".join(columns.item), "names no comparison; fill it in"))
    return Reading(
        row=row,
        source=source,
        columns=columns,
        key=key,
        content=_content(values, columns, prompt),
        prompt=prompt,
        ballots=ballots,
        category=_optional(values, columns.category),
        models=(_optional(values, columns.model_a), _optional(values, columns.model_b)),
        prompt_id=_optional(values, columns.prompt_id),
        is_decided=layout.is_decided,
        weight=_weight(row, weight, problems),
    )


def _optional(values: dict[str, Any], column: str | None) -> str | None:
    return parse_word(values[column]) or None if column else None


def _prompt(values: dict[str, Any], columns: VerdictColumns) -> str:
    """Return the text, or the JSON of the cells if they hold none."""
    return "\n\n".join(text for name in columns.prompt or () if (text := _loose(values[name]).strip()))


def _content(values: dict[str, Any], columns: VerdictColumns, prompt: str) -> Content | None:
    """Hash the texts, a single answer twice; None if no columns hold texts, or both answers are absent."""
    first = columns.a or columns.answer
    second = columns.b or columns.answer
    if first is None or second is None:
        return None
    a, b = values[first], values[second]
    if columns.item and a in (None, "") and b in (None, ""):
        return None
    hash_a, hash_b = _digest(_loose(a)), _digest(_loose(b))
    digest = _digest("\0".join([prompt, *sorted((hash_a, hash_b))]))
    return Content(digest, hash_a, hash_b, _length(a), _length(b))


def _loose(cell: Any) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return json.dumps(cell, sort_keys=True, ensure_ascii=False, default=str)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _length(cell: Any) -> int | None:
    if isinstance(cell, list):
        texts = [turn.get("content") for turn in cell if isinstance(turn, dict)]
        cell = "".join(text for text in texts if isinstance(text, str))
    return len(cell) if isinstance(cell, str) else None


def _weight(row: Row, column: str | None, problems: list[Problem]) -> float | None:
    """Return the training weight of a row's pair; None if the row has none."""
    if column is None or not parse_word(row.values[column]):
        return None
    value = row.values[column]
    weight = parse_number(value)
    if weight is not None and weight >= 0:
        return weight
    message = f"found {plain(str(value), longest=40)!r}, expected a weight: a number that is 0 or more"
    problems.append(row.problem(column, message))
    return None
