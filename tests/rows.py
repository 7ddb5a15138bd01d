"""Files of rows, as users have them, and rows of a dataset."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amendment.records import Candidate, Comparison, Message, Preference, Prompt, user

Rows = Sequence[Mapping[str, Any]]
FORMATS = ("jsonl", "json", "csv", "parquet")
"""The kinds of files that are taken."""


def save(path: Path | str, rows: Rows) -> Path:
    """Rows as a file of the kind that its ending says; lists in a CSV as JSON texts."""
    path = Path(path)
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)))
            writer.writeheader()
            for row in rows:
                writer.writerow(
                    {key: json.dumps(cell) if isinstance(cell, list) else cell for key, cell in row.items()}
                )
    else:
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path)
    return path


def preference(prompt: Prompt, chosen: Message, rejected: Message, **more: Any) -> Preference:
    """A row whose ids follow from its texts."""
    better, worse = (
        Candidate(prompt_id=prompt.id, messages=(answer,), kind="imported") for answer in (chosen, rejected)
    )
    values = {"p_chosen": 0.75, "p_chosen_raw": 0.75, "decided_by": "judge", "raters": ("judge",), **more}
    return Preference(
        prompt=prompt.messages,
        chosen=better.messages,
        rejected=worse.messages,
        tools=prompt.tools,
        chat_template_kwargs=prompt.chat_template_kwargs,
        comparison_id=Comparison.between(better, worse).id,
        prompt_id=prompt.id,
        chosen_id=better.id,
        rejected_id=worse.id,
        **values,
    )


def plain_preference(prompt: str, chosen: str, rejected: str, **more: Any) -> Preference:
    answers = (Message(role="assistant", content=text) for text in (chosen, rejected))
    return preference(Prompt(messages=user(prompt)), *answers, **more)
