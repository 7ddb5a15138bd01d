"""The dataset as CSV that people open in a spreadsheet, where no cell is a formula, whatever a model wrote.

UTF-8 with a byte order mark, by which Excel knows it; every cell quoted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amendment.files import replacing
from amendment.records import Preference
from amendment.spreadsheet import safe_cell
from amendment.transcripts import transcript

__all__ = ["HELD_AS_TEXT", "write_table"]

COLUMNS = (
    "prompt",
    "chosen",
    "rejected",
    "p_chosen",
    "p_chosen_raw",
    "p_chosen_calibrated",
    "p_chosen_clamped",
    "decided_by",
    "weight",
    "raters",
    "principle_ids",
    "decisive",
    "first",
    "constitutions",
    "chosen_model",
    "rejected_model",
    "category",
    "source",
    "license",
    "tools",
    "comparison_id",
    "prompt_id",
    "chosen_id",
    "rejected_id",
)
_WHERE_KNOWN = ("p_chosen_clamped", "first")
"""Columns that are there only where some row has a value."""
HELD_AS_TEXT = (
    "conversations are written as text, turn by turn; jsonl has them as they are",
    "a cell that a spreadsheet would run begins with an apostrophe that is not part of it",
)


def write_table(path: Path, rows: Sequence[Preference]) -> None:
    """Write rows as CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        unused = [name for name in _WHERE_KNOWN if all(getattr(row, name) is None for row in rows)]
        columns = [name for name in COLUMNS if name not in unused]
        writer.writerow(columns)
        for row in rows:
            cells = _cells(row)
            writer.writerow([cells[name] for name in columns])


def _cells(row: Preference) -> dict[str, Any]:
    values: dict[str, Any] = row.to_json()
    cells: dict[str, Any] = {}
    for name in COLUMNS:
        value = values.get(name)
        if name in ("prompt", "chosen", "rejected"):
            value = transcript(getattr(row, name), by="user" if name == "prompt" else "assistant")
        elif name == "tools" and value:
            value = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, list):
            value = "; ".join(value)
        cells[name] = safe_cell(value) if isinstance(value, str) else value
    return cells
