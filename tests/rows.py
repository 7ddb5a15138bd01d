"""Files of rows, as users have them."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
