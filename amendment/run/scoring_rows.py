"""Rows of the user's files as prompts with answers to score: candidates, pairs, and lists of answers.

Covered: columns named by the caller as a run file names them, else those of a shape that is recognised; messages, tools
and principles of our own datasets' rows; every row that cannot be read is named. Not covered: what people or judges
said of the answers; see `scoring_evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from amendment.data.cells import answer_in, joined_prompt, optional_text, tools_in
from amendment.data.guesses import not_recognised
from amendment.data.readings import absent_columns
from amendment.data.shape_parts import candidate_parts
from amendment.data.shapes import lay_out, recognise
from amendment.data.source_rows import FileFacts, SourceRows, facts_of, rows_of
from amendment.data.sources import Source
from amendment.errors import ConfigError, DataError, Problem
from amendment.records import Candidate, Messages, Prompt
from amendment.reward_model import layout_of
from amendment.tables import Row
from amendment.yamlfile import capped, did_you_mean

__all__ = ["AskedRow", "Columns", "Kind", "as_sources", "columns_in", "read_asked"]

Kind = Literal["answer", "pair", "list"]
LISTS = ("reward-bench-2", "grid", "pools")
"""Layouts whose rows hold several answers in one cell."""
IDS = ("id", "comparison_id", "candidate_id", "item", "idx", "question_id")
"""Columns that name a row, in the order in which they are looked for."""
KEYS = ("prompt", "candidate", "chosen", "rejected", "a", "b", "votes", "category", "id")


class Columns(NamedTuple):
    """Where the parts of a row stand."""

    prompt: tuple[str, ...]
    answers: tuple[tuple[str, str], ...]
    """Name and column of each answer: one `score`, or `chosen` and `rejected`, or `a` and `b`."""
    votes: tuple[str, ...] = ()
    """With `a` and `b`: a column for each rater, for an evaluation."""
    category: str | None = None
    id: str | None = None


class AskedRow(NamedTuple):
    """A prompt and the answers that are to be scored."""

    kind: Kind
    place: str
    """In its file, such as `line 3`."""
    id: str | None
    """As the file names the row."""
    prompt: Prompt
    names: tuple[str, ...]
    """Of the answers: `score`, or `chosen` and `rejected`, or `a` and `b`; of a list its positions."""
    answers: tuple[Candidate, ...]
    principles: tuple[str, ...] = ()

    def requests(self) -> list[dict[str, Any]]:
        """A row for the model for each answer."""
        row = self.prompt.to_json()
        shared: dict[str, Any] = {name: row[name] for name in ("tools", "chat_template_kwargs") if name in row}
        if self.principles:
            shared["principles"] = list(self.principles)
        return [
            {**shared, "prompt": row["messages"], "completion": [message.to_json() for message in answer.messages]}
            for answer in self.answers
        ]


def columns_in(text: str) -> Columns:
    """Columns as the command line names them: `prompt=question,chosen=better,rejected=worse`; several with a plus sign.

    Raises ConfigError that says what was expected.
    """
    named: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        key, is_one, column = part.partition("=")
        if key not in KEYS or not is_one or not column:
            near = did_you_mean(key, KEYS)
            raise ConfigError(f"--columns: expected KEY=COLUMN with one of {', '.join(KEYS)}, found {part!r}{near}")
        named[key] = column
    for names in (("candidate",), ("chosen", "rejected"), ("a", "b")):
        if set(names) <= named.keys() and not (named.keys() & {"candidate", "chosen", "rejected", "a", "b"}) - set(
            names
        ):
            answers = tuple(("score" if name == "candidate" else name, named[name]) for name in names)
            several = {key: tuple(named[key].split("+")) for key in ("prompt", "votes") if key in named}
            prompt, votes = several.get("prompt", ("prompt",)), several.get("votes", ())
            return Columns(prompt, answers, votes, named.get("category"), named.get("id"))
    raise ConfigError(f"--columns: expected candidate, or chosen and rejected, or a and b, found {', '.join(named)}")


def as_sources(given: Iterable[Source | Path | str]) -> list[Source]:
    """Paths of files as sources; sources as they are."""
    return [one if isinstance(one, Source) else Source(path=str(one)) for one in given]


def read_asked(source: Source, base: Path, columns: Columns | None = None) -> tuple[list[AskedRow], FileFacts]:
    """All rows of a file or dataset, in its order, and its facts. Raises DataError naming every row that is bad,
    unless the source says that they are to be left out."""
    found = rows_of(source, base)
    [facts] = facts_of([(source, found.facts)], base)
    rows, read = _layout(found, columns)
    problems: list[Problem] = [] if source.bad_rows == "skip" else list(found.problems)
    asked: list[AskedRow] = []
    for row in rows:
        try:
            asked.append(read(row))
        except DataError as fault:
            problems += [] if source.bad_rows == "skip" else fault.problems
        except (ValueError, RecursionError) as fault:  # cannot be stored, in a place where only a hash looks
            problems.append(Problem(row.place, f"holds something that no file can store ({fault})"))
    if problems or not asked:
        raise DataError(capped(problems) if problems else f"{found.place}: no row can be scored; all were left out")
    return [one._replace(place=one.place.removeprefix(found.place).lstrip(": ")) for one in asked], facts


def _layout(found: SourceRows, columns: Columns | None) -> tuple[list[Row], Any]:
    """The rows, and how each is read."""
    if columns is None and layout_of(found.rows[0].values) in LISTS:
        return found.rows, _listed
    rows, columns = (found.rows, columns) if columns else _recognised(found)
    known = {name: None for row in rows for name in row.values}
    absent = absent_columns(rows, [*columns.prompt, *(column for _, column in columns.answers), columns.id], known)
    if absent:
        raise DataError(absent)
    filled = [row if len(row.values) == len(known) else Row(row.place, {**known, **row.values}) for row in rows]
    return filled, partial(_asked, columns=columns)


def _recognised(found: SourceRows) -> tuple[list[Row], Columns]:
    """By the shape: pairs where the columns hold two answers, else candidates."""
    shape = recognise(found.columns, "pairs")
    if shape is not None and not (shape == "ultrafeedback" and "chosen" not in found.columns):
        laid = lay_out(shape, found.rows, found.columns, "pairs")
        prompt, a, b = laid.columns.prompt, laid.columns.a, laid.columns.b
        if prompt and a and b:
            names = ("chosen", "rejected") if a == "chosen" else ("a", "b")
            return laid.rows, Columns(prompt, ((names[0], a), (names[1], b)))
    shape = recognise(found.columns, "candidates")
    if shape is None:
        raise DataError([not_recognised(found, "candidates"), _how(found)])
    parts = candidate_parts(shape, found.rows, found.columns)
    return parts.rows, Columns(parts.columns.prompt, (("score", parts.columns.candidate),))


def _how(found: SourceRows) -> Problem:
    told = "or name the columns here: --columns prompt=COLUMN,candidate=COLUMN (or chosen= and rejected=, or a= and b=)"
    return Problem(found.place, told)


def _asked(row: Row, columns: Columns) -> AskedRow:
    values = row.values
    prompt = Prompt(
        messages=joined_prompt(row, columns.prompt),
        tools=tools_in(row, "tools") if "tools" in values else None,
        chat_template_kwargs=_mapping(values.get("chat_template_kwargs")),
    )
    answers = tuple(_candidate(prompt, answer_in(row, column, prompt)) for _, column in columns.answers)
    names = tuple(name for name, _ in columns.answers)
    kind: Kind = "answer" if names == ("score",) else "pair"
    name = columns.id or next((one for one in IDS if one in values), None)
    return AskedRow(kind, row.place, optional_text(row, name), prompt, names, answers, _principles(row))


def _listed(row: Row) -> AskedRow:
    values = row.values
    prompt = Prompt(messages=joined_prompt(row, ("prompt",)))
    columns = ("candidates",) if values.get("candidates") is not None else ("chosen", "rejected")
    cells = [(f"{column} {i}", cell) for column in columns for i, cell in enumerate(_list_in(row, column), start=1)]
    answers = tuple(_candidate(prompt, answer_in(Row(row.place, {name: cell}), name, prompt)) for name, cell in cells)
    names = tuple(name for name, _ in cells)
    found = next((one for one in IDS if one in values), None)
    return AskedRow("list", row.place, optional_text(row, found), prompt, names, answers, _principles(row))


def _list_in(row: Row, column: str) -> list[Any]:
    """The answers in a cell of several. Raises DataError for a cell without any; a text would be read by letters."""
    value = row.values.get(column)
    if isinstance(value, list) and value:
        return value
    found = "nothing" if value is None else "an empty list" if value == [] else type(value).__name__
    raise DataError([Problem(row.place, f"{column}: expected a list of answers, found {found}")])


def _candidate(prompt: Prompt, messages: Messages) -> Candidate:
    return Candidate(prompt_id=prompt.id, messages=messages, kind="imported")


def _principles(row: Row) -> tuple[str, ...]:
    """Statements by which a conditioned model scores this row."""
    found = row.values.get("principles")
    return tuple(found) if isinstance(found, list) and all(isinstance(one, str) for one in found) else ()


def _mapping(value: Any) -> dict[str, Any] | None:
    if not isinstance(value, Mapping):
        return None
    kept = {name: one for name, one in value.items() if one is not None}
    return kept or None
