"""The parts that rows of CSV and JSONL have in common: an item a row, or a label a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from amendment.calibration.labelling.exchange.items import Item, Order, blind_items, items_of
from amendment.calibration.labelling.exchange.leaving import Leaving
from amendment.calibration.labelling.labels import Label
from amendment.calibration.people.samples import LabelQuestion

__all__ = ["COLUMNS", "FIELDS", "Line", "lines_of"]

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
COLUMNS = ("item", "prompt", "answer_a", "answer_b", "principles", *FIELDS.values(), "comparison_id")


class Line(NamedTuple):
    """One row: what was displayed, and what is said of it by column; empty in a file without labels."""

    item: Item
    said: dict[str, Any]


def lines_of(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, leaving: Leaving, order: Order
) -> Iterator[Line]:
    """The rows of a file. Without labels it does not name comparisons, by which repeats could be told."""
    if labels is None:
        yield from (Line(item, {}) for item in blind_items(questions, order))
        return
    for item, label in items_of(questions, labels, leaving):
        said = {FIELDS[name]: value for name, value in leaving.of(label).items()}
        yield Line(item, {**said, "comparison_id": label.comparison_id})
