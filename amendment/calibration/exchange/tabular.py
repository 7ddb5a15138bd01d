"""What CSV and JSONL have in common: an item a row, or a label a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from amendment.calibration.exchange.answers import Answers
from amendment.calibration.exchange.items import Item, Order, blind_items, items_of
from amendment.calibration.exchange.leaving import Leaving
from amendment.calibration.labels import Label
from amendment.calibration.samples import LabelQuestion
from amendment.tables import Row
from amendment.terminal import plain

__all__ = ["COLUMNS", "FIELDS", "Line", "lines_of", "read_lines"]

FIELDS = {
    "choice": "choice",
    "confidence": "confidence",
    "principle_id": "principle",
    "comment": "comment",
    "annotator": "annotator",
    "seconds": "seconds",
    "at": "at",
}
"""What an answer consists of, and the column of each."""
COLUMNS = ("item", "question", "prompt", "answer_a", "answer_b", "principles", *FIELDS.values(), "comparison_id")


class Line(NamedTuple):
    """One row: what was displayed, and what is said of it by column; no more than an empty choice without labels."""

    item: Item
    said: dict[str, Any]


def lines_of(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, leaving: Leaving, order: Order
) -> Iterator[Line]:
    """The rows of a file. Without labels it does not name comparisons, by which repeats could be told."""
    if labels is None:
        yield from (Line(item, {"choice": None}) for item in blind_items(questions, order))
        return
    for item, label in items_of(questions, labels, leaving):
        said = {FIELDS[name]: value for name, value in leaving.of(label).items()}
        yield Line(item, {**said, "comparison_id": label.comparison_id})


def read_lines(rows: Iterable[Row], answers: Answers) -> list[Label]:
    """The labels of rows whose cells are texts and values; a row whose choice is empty was not answered.

    Raises DataError that names every mistake, or says that no row has a place for an answer.
    """
    first, has_choice = None, False
    for row in rows:
        first, has_choice = first or row, has_choice or FIELDS["choice"] in row.values
        item = answers.find(row, row.values.get("item"))
        if item:
            said = {name: row.values.get(column) for name, column in FIELDS.items()}
            answers.add(row, item, said, columns=FIELDS)
    if first and not has_choice:
        found = ", ".join(plain(str(name)) for name in first.values)
        answers.wrong(first, FIELDS["choice"], f"no row has it, found {found}; expected the columns as they were sent")
    return answers.done()
