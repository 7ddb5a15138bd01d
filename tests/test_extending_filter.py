"""The filter of pairs of docs/extending.md, as it stands there: one file and one entry in a copy of the package, and a
run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

from amendment.results import read_summary

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8").partition("## A filter of pairs")[2]


def block(number: int) -> str:
    return PAGE.split("```python\n")[number].partition("```")[0]


def command(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package)}
    line = [sys.executable, "-m", "amendment", *arguments]
    return subprocess.run(line, cwd=package, env=environment, capture_output=True, text=True, timeout=120, check=False)


PAIRS = """
name: filtered
pairs: [{path: pairs.jsonl}]
"""


def test_a_filter_of_the_page_makes_an_older_dataset_out_of_date(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "amendment", tmp_path / "amendment", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "run.yaml").write_text(PAIRS)
    rows = [{"prompt": f"question {i}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(8)]
    rows += [{"prompt": f"another {i}", "chosen": f"Good {i}", "rejected": f"good {i}"} for i in range(4)]
    (tmp_path / "pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert "ran inputs, dataset" in command(tmp_path, "run", "run.yaml").stdout
    assert "nothing was left to do" in command(tmp_path, "run", "run.yaml").stdout
    (tmp_path / "amendment/preference/same_case.py").write_text(block(1))
    with (tmp_path / "amendment/preference/filters.py").open("a") as filters:
        filters.write(block(2))
    again = command(tmp_path, "run", "run.yaml")
    assert "ran dataset; 0 model calls" in again.stdout, again.stdout + again.stderr
    dataset = read_summary(tmp_path / "runs/filtered").stages["dataset"]
    assert dataset.funnels[0].left_out == {"same but for case": 4}
    train = pq.read_table(tmp_path / "runs/filtered/dataset/train.parquet")["comparison_id"].to_pylist()
    assert len(train) + dataset.count("test_pairs") == 8
