"""Files of one's own as the tests of a run's inputs write them, and what a run makes of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from amendment.data.inputs import Inputs
from amendment.records import Preference
from amendment.run import Run

Rows = Sequence[dict[str, Any]]
FORMATS = ("jsonl", "json", "csv", "parquet")


def save(path: Path, rows: Rows) -> None:
    """Rows as a file of the kind that its ending says."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    elif path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            writer.writerows(rows)
    else:
        pq.write_table(pa.Table.from_pylist(list(rows)), path)


Read = Callable[[str], Inputs]
Refused = Callable[[str], list[str]]


def preferences(tmp_path: Path, text: str) -> tuple[list[Preference], dict[str, Any]]:
    """All rows of the dataset that pairs of one's own come to, and the counts of the stages."""
    (tmp_path / "run.yaml").write_text("name: t\n" + text, encoding="utf-8")
    run = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")
    result = run()
    rows = [row for side in ("train", "test") for row in run_rows(tmp_path / "run", side)]
    return rows, dict(result.summary["stages"])


def run_rows(folder: Path, side: str) -> list[Preference]:
    from amendment.data.store import read_records

    return read_records(folder / "dataset" / f"{side}.parquet", Preference)


LABELS = [
    {"id": f"i{i}", "q": f"question {i}", "one": f"good {i}", "two": f"bad {i}", "u": "x", "v": "x", "w": ""}
    for i in range(8)
]
LABELLED = (
    "  - path: labels.csv\n    kind: person\n    license: mit\n    words: {a: x, b: y, tie: z, both_bad: n}\n"
    "    columns: {item: id, prompt: q, a: one, b: two, votes: [u, v, w]}\n"
)
