"""croissant.json is read by MLCommons' own library, rows and texts as they are in the files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from tests.publishing.test_verify import downloaded

__all__ = ["downloaded"]
READ = """
import json, sys, mlcroissant
dataset = mlcroissant.Dataset(sys.argv[1])
sets = {record_set.id: list(dataset.records(record_set.id)) for record_set in dataset.metadata.record_sets}
print(json.dumps({
    "errors": [*dataset.metadata.issues.errors],
    "warnings": [*dataset.metadata.issues.warnings],
    "conforms to": [str(url) for url in dataset.metadata.conforms_to],
    "biases": dataset.metadata.data_biases,
    "tools": dataset.metadata.machine_annotation_tools,
    "rows": {name: len(rows) for name, rows in sets.items()},
    "first": {name: repr(rows[0]) for name, rows in sets.items()},
}))
"""
"""In a process of its own: the library warns on import."""


def test_the_library_of_the_format_accepts_it_and_reads_every_row(downloaded: Path) -> None:
    command = [sys.executable, "-c", READ, str(downloaded / "croissant.json")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    read = json.loads(ended.stdout.splitlines()[-1])
    assert read["errors"] == []
    assert [warning.split('"')[1] for warning in read["warnings"]] == ["https://schema.org/datePublished"], "no times"
    assert "not standard" not in ended.stderr
    assert "http://mlcommons.org/croissant/1.0" in json.dumps(read["conforms to"])
    assert read["biases"]
    assert "Simulated" in json.loads((downloaded / "croissant.json").read_text())["description"]
    assert [tool for tool in read["tools"] if tool.startswith("lilliput/")]
    assert {"default", "candidates", "verdicts"} <= {name.split("/")[0] for name in read["rows"]}
    for name, count in read["rows"].items():
        config, split = name.split("/")
        folder = "data" if config == "default" else config
        table = pq.read_table(downloaded / folder / f"{split}-00000-of-00001.parquet")
        assert count == table.num_rows
    row = pq.read_table(downloaded / "data/train-00000-of-00001.parquet").to_pylist()[0]
    assert repr(row["chosen"][0]["content"].encode()) in read["first"]["default/train"]
    assert row["comparison_id"] in read["first"]["default/train"]
