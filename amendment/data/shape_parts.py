"""Prompts and candidates out of files of a known shape, which were made to hold comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from amendment.data.shapes import QUESTIONS, asked_in, lay_out, responses_in
from amendment.data.sources import CandidateColumns, ShapeName
from amendment.data.ultrafeedback import completions_of
from amendment.tables import Row

__all__ = ["Parts", "candidate_parts", "prompt_parts"]

ANSWER, WRITER = "the response", "its model"
"""Columns of the rows that are made here, called like no column of a prompt."""


class Parts(NamedTuple):
    """Rows, and the columns of each part."""

    rows: list[Row]
    columns: CandidateColumns


def prompt_parts(shape: ShapeName, rows: Sequence[Row], columns: Collection[str]) -> tuple[list[Row], tuple[str, ...]]:
    """A prompt a row, and the columns it stands in; a prompt that two conversations share is told apart from them."""
    if shape == "arena" or (shape == "ultrafeedback" and not _has_completions(columns)):
        laid = lay_out(shape, rows, columns, "prompts")
        if laid.columns.prompt:
            return laid.rows, laid.columns.prompt
    return list(rows), asked_in(columns) or QUESTIONS[:1]


def candidate_parts(shape: ShapeName, rows: Sequence[Row], columns: Collection[str]) -> Parts:
    """A candidate a row, with its prompt and its writer."""
    if shape == "rows":
        return Parts(list(rows), CandidateColumns())
    if shape == "annotated-pairs" and "annotations" in columns:
        rows = [Row(row.place, {"prompt": row.values.get("prompt"), **responses_in(row.values)}) for row in rows]
        return _made(("prompt",), (one for row in rows for one in _sides(row, ("prompt",), "text_a", "text_b")))
    if shape == "ultrafeedback" and _has_completions(columns):
        questions = asked_in(columns) or QUESTIONS[:1]
        return _made(questions, (one for row in rows for one in _completions(row, questions)))
    laid = lay_out(shape, rows, columns, "candidates")
    prompt, a, b = laid.columns.prompt, laid.columns.a, laid.columns.b
    if not prompt or not a or not b:
        return Parts(list(rows), CandidateColumns())  # whose absent columns are then named
    return _made(prompt, (one for row in laid.rows for one in _sides(row, prompt, a, b)))


def _has_completions(columns: Collection[str]) -> bool:
    """Whether UltraFeedback's rows hold several completions each, and no pair of chosen and rejected."""
    return "completions" in columns or "chosen" not in columns


def _made(questions: tuple[str, ...], rows: Iterable[Row]) -> Parts:
    return Parts(list(rows), CandidateColumns(prompt=questions, candidate=ANSWER, model=WRITER))


def _sides(row: Row, questions: Sequence[str], a: str, b: str) -> Iterator[Row]:
    for side, column in (("a", a), ("b", b)):
        values = {**_asked(row, questions), ANSWER: row.values.get(column), WRITER: row.values.get(f"model_{side}")}
        yield Row(f"{row.place}: {column}", values)


def _completions(row: Row, questions: Sequence[str]) -> Iterator[Row]:
    for number, one in enumerate(completions_of(row.values), start=1):
        values = {**_asked(row, questions), ANSWER: one.response, WRITER: one.model}
        yield Row(f"{row.place}: completion {number}", values)


def _asked(row: Row, questions: Sequence[str]) -> dict[str, Any]:
    return {name: row.values.get(name) for name in questions}
