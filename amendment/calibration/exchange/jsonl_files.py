"""JSONL: as CSV, with conversations as messages; a line for each item or label.

Absent keys are left out, but for the choice that people are to fill in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from amendment.calibration.exchange.answers import Answers
from amendment.calibration.exchange.items import Order
from amendment.calibration.exchange.leaving import Leaving
from amendment.calibration.exchange.tabular import Line, lines_of, read_lines
from amendment.calibration.labels import Label
from amendment.calibration.samples import LabelQuestion
from amendment.records import Messages
from amendment.tables import Row

__all__ = ["read_jsonl", "write_jsonl"]


def write_jsonl(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, *, leaving: Leaving, order: Order
) -> str:
    """The questions without labels, or the labels with what was displayed."""
    return "".join(_line(line) for line in lines_of(questions, labels, leaving, order))


def _line(line: Line) -> str:
    question = line.item.question
    first, second = line.item.answers
    values = {
        "item": line.item.name,
        "question": question.question,
        "prompt": _json(question.prompt),
        "answer_a": _json(first),
        "answer_b": _json(second),
        "principles": [one.to_json() for one in question.principles],
        **line.said,
    }
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"


def _json(messages: Messages) -> list[object]:
    return [message.to_json() for message in messages]


def read_jsonl(rows: Iterable[Row], answers: Answers) -> list[Label]:
    """The labels of rows as `read_rows` gives them; a row without a choice was not answered.

    Raises DataError that names every mistake.
    """
    return read_lines(rows, answers)
