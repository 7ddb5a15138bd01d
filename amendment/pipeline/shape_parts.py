"""Prompts and candidates out of files of a known shape, which were made to hold comparisons."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from amendment.pipeline.shapes import lay_out, parted_row, responses_in
from amendment.pipeline.sources import CandidateColumns, ShapeName
from amendment.pipeline.ultrafeedback import completions_of
from amendment.tables import Row

__all__ = ["Parts", "candidate_parts", "prompt_parts"]

QUESTIONS = ("prompt", "instruction", "input", "question")


class Parts(NamedTuple):
    """Rows, and the column of each part."""

    rows: list[Row]
    columns: CandidateColumns


def prompt_parts(shape: ShapeName, rows: Sequence[Row], columns: Collection[str]) -> tuple[list[Row], str]:
    """A prompt a row, and the column it stands in; a prompt that two conversations share is told apart from them."""
    column = next((name for name in QUESTIONS if name in columns), "prompt")
    if shape == "arena":
        laid = lay_out("arena", rows, columns, "prompts")
        return laid.rows, laid.columns.prompt[0] if laid.columns.prompt else column
    if shape == "ultrafeedback" and column not in columns:
        return [parted_row(row, "chosen", "rejected") for row in rows], "prompt"
    return list(rows), column


def candidate_parts(shape: ShapeName, rows: Sequence[Row], columns: Collection[str]) -> Parts:
    """A candidate a row, with its prompt and its writer."""
    if shape == "rows":
        return Parts(list(rows), CandidateColumns())
    named = CandidateColumns(prompt="prompt", candidate="response", model="model")
    if shape == "annotated-pairs" and "annotations" in columns:
        rows = [Row(row.place, {"prompt": row.values.get("prompt"), **responses_in(row.values)}) for row in rows]
        return Parts([one for row in rows for one in _sides(row, "prompt", "text_a", "text_b")], named)
    if shape == "ultrafeedback" and "chosen" not in columns:
        return Parts([one for row in rows for one in _completions(row)], named)
    laid = lay_out(shape, rows, columns, "candidates")
    prompt, a, b = laid.columns.prompt, laid.columns.a, laid.columns.b
    if not prompt or not a or not b:
        return Parts(list(rows), CandidateColumns())  # whose absent columns are then named
    return Parts([one for row in laid.rows for one in _sides(row, prompt[0], a, b)], named)


def _sides(row: Row, prompt: str, a: str, b: str) -> Iterator[Row]:
    for side, column in (("a", a), ("b", b)):
        values: dict[str, Any] = {"prompt": row.values.get(prompt), "response": row.values.get(column)}
        yield Row(f"{row.place}: {column}", {**values, "model": row.values.get(f"model_{side}")})


def _completions(row: Row) -> Iterator[Row]:
    prompt = row.values.get("instruction", row.values.get("prompt"))
    for number, one in enumerate(completions_of(row.values), start=1):
        place = f"{row.place}: completion {number}"
        yield Row(place, {"prompt": prompt, "response": one.response, "model": one.model})
