"""CSV for spreadsheets: a row for each item or label, every cell a text that no spreadsheet runs.

UTF-8 with a byte order mark, by which Excel knows it; every cell quoted. The columns that people fill in are `choice`
(A, B, tie, both_bad, skip, flag), `confidence` (1 to 3), `principle`, `comment` and `annotator`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from amendment.calibration.exchange.answers import Answers
from amendment.calibration.exchange.items import Order
from amendment.calibration.exchange.leaving import Leaving, told
from amendment.calibration.exchange.tabular import COLUMNS, Line, lines_of, read_lines
from amendment.calibration.labels import Label
from amendment.calibration.samples import LabelQuestion
from amendment.spreadsheet import safe_cell, text_of_cell
from amendment.tables import Row

__all__ = ["read_csv", "write_csv"]


def write_csv(
    questions: Iterable[LabelQuestion], labels: Sequence[Label] | None, *, leaving: Leaving, order: Order
) -> str:
    """The questions without labels, or the labels with what was displayed."""
    file = io.StringIO(newline="")
    file.write("\ufeff")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    for line in lines_of(questions, labels, leaving, order):
        cells = {name: safe_cell(str(value)) for name, value in _cells(line).items() if value is not None}
        writer.writerow([cells.get(name, "") for name in COLUMNS])
    return file.getvalue()


def _cells(line: Line) -> dict[str, Any]:
    question = line.item.question
    first, second = line.item.answers
    return {
        "item": line.item.name,
        "question": question.question,
        "prompt": told(question.prompt, is_prompt=True),
        "answer_a": told(first),
        "answer_b": told(second),
        "principles": "\n".join(f"{one.id}: {one.statement}" for one in question.principles),
        **line.said,
    }


def read_csv(rows: Iterable[Row], answers: Answers) -> list[Label]:
    """The labels of rows as `read_rows` gives them; a row whose choice is empty was not answered.

    Raises DataError that names every mistake.
    """
    return read_lines((Row(row.place, _texts(row)) for row in rows), answers)


def _texts(row: Row) -> dict[str, Any]:
    return {name: text_of_cell(cell) if isinstance(cell, str) else cell for name, cell in row.values.items()}
