"""The stage and the filter of pairs of docs/extending.md, as they stand there: one file and one entry each in a copy of
the package, and a run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8").partition("## A stage")[2]
STAGE, FILTER = PAGE.split("## A filter of pairs")
RUN = """
name: measured
models: {writer: {provider: simulated}}
prompts: [{lilliput: 4}]
candidates: [{model: writer, per_prompt: 2}]
lengths: {longest: 10}
"""


def block(page: str, number: int) -> str:
    return page.split("```python\n")[number].partition("```")[0]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the page's stage."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "amendment", folder / "amendment", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "amendment/stages/lengths.py").write_text(block(STAGE, 1))
    with (folder / "amendment/stages/__init__.py").open("a") as stages:
        stages.write(block(STAGE, 2))
    (folder / "run.yaml").write_text(RUN)
    return folder


def command(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package)}
    line = [sys.executable, "-m", "amendment", *arguments]
    return subprocess.run(line, cwd=package, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_a_stage_of_the_page_is_checked_run_and_kept(package: Path) -> None:
    assert command(package, "check", "run.yaml").returncode == 0
    first = command(package, "run", "run.yaml")
    assert first.returncode == 0, first.stderr
    counts = json.loads((package / "runs/measured/summary.json").read_text())["stages"]["lengths"]
    lengths = pq.read_table(package / "runs/measured/lengths/table.parquet")["characters"].to_pylist()
    assert len(lengths) == 8
    assert counts["too long"] == sum(length > 10 for length in lengths)
    again = command(package, "run", "run.yaml", "--set", "lengths.longest=1")
    assert "ran lengths; 0 model calls" in again.stdout


def test_a_mistake_in_its_part_is_placed(package: Path) -> None:
    (package / "wrong.yaml").write_text(RUN.replace("longest: 10", "longest: 0"))
    refused = command(package, "check", "wrong.yaml")
    assert refused.returncode == 2
    assert "wrong.yaml:6:20: lengths.longest" in refused.stderr


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
    (tmp_path / "amendment/preference/same_case.py").write_text(block(FILTER, 1))
    with (tmp_path / "amendment/preference/filters.py").open("a") as filters:
        filters.write(block(FILTER, 2))
    again = command(tmp_path, "run", "run.yaml")
    assert "ran dataset; 0 model calls" in again.stdout, again.stdout + again.stderr
    counts = json.loads((tmp_path / "runs/filtered/summary.json").read_text())["stages"]["dataset"]
    assert counts["left out"] == {"same but for case": 4}
    train = pq.read_table(tmp_path / "runs/filtered/dataset/train.parquet")["comparison_id"].to_pylist()
    assert len(train) + counts["test pairs"] == 8
