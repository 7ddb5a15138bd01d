"""The dataset as CSV that people open in a spreadsheet, where no cell is a formula, whatever a model wrote.

UTF-8 with a byte order mark, by which Excel knows it; every cell quoted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from amendment.files import replacing
from amendment.records import Message, Preference
from amendment.spreadsheet import safe_cell

__all__ = ["HELD_AS_TEXT", "write_table"]

COLUMNS = (
    "prompt",
    "chosen",
    "rejected",
    "p_chosen",
    "p_chosen_raw",
    "p_chosen_calibrated",
    "decided_by",
    "weight",
    "raters",
    "principle_ids",
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
HELD_AS_TEXT = (
    "conversations are written as text, turn by turn; jsonl has them as they are",
    "a cell that a spreadsheet would run begins with an apostrophe that is not part of it",
)


def write_table(path: Path, rows: Iterable[Preference]) -> None:
    """Write rows as CSV, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(COLUMNS)
        for row in rows:
            cells = _cells(row)
            writer.writerow([cells[name] for name in COLUMNS])


def _cells(row: Preference) -> dict[str, Any]:
    values: dict[str, Any] = row.to_json()
    cells: dict[str, Any] = {}
    for name in COLUMNS:
        value = values.get(name)
        if name in ("prompt", "chosen", "rejected"):
            value = _conversation(getattr(row, name), is_answer=name != "prompt")
        elif name == "tools" and value:
            value = json.dumps(value, ensure_ascii=False)
        elif isinstance(value, list):
            value = "; ".join(value)
        cells[name] = safe_cell(value) if isinstance(value, str) else value
    return cells


def _conversation(messages: Sequence[Message], *, is_answer: bool) -> str:
    """A single text as it is; several turns, thinking and calls with their roles in front."""
    if len(messages) == 1 and messages[0].role == ("assistant" if is_answer else "user"):
        only = messages[0]
        if not only.thinking and not only.tool_calls:
            return _said(only)
    return "\n\n".join(_turn(message) for message in messages)


def _turn(message: Message) -> str:
    parts = [f"{message.role}:"]
    parts += [f"(thinking) {message.thinking}"] if message.thinking else []
    parts += [_said(message)] if _said(message) else []
    parts += [
        f"(calls) {json.dumps(call.to_json()['function'], ensure_ascii=False)}" for call in message.tool_calls or ()
    ]
    return " ".join(parts)


def _said(message: Message) -> str:
    if isinstance(message.content, tuple):
        return "".join(str(part.get("text", "")) for part in message.content)
    return message.content or ""
