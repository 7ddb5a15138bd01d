"""The stage of docs/extending.md, as it stands there: one file and one entry in a copy of the package, and a run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from amendment.results import read_summary

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8").partition("## A stage")[2]
RUN = """
name: measured
models: {writer: {provider: simulated}}
prompts: [{lilliput: 4}]
candidates: [{model: writer, per_prompt: 2}]
lengths: {longest: 10}
"""


def block(number: int) -> str:
    return PAGE.split("```python\n")[number].partition("```")[0]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the page's stage."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "amendment", folder / "amendment", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "amendment/stages/lengths.py").write_text(block(1))
    with (folder / "amendment/stages/__init__.py").open("a") as stages:
        stages.write(block(2))
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
    lengths_found = read_summary(package / "runs/measured").of("lengths")
    lengths = pq.read_table(package / "runs/measured/lengths/table.parquet")["characters"].to_pylist()
    assert len(lengths) == 8
    assert lengths_found.count("too_long") == sum(length > 10 for length in lengths)
    again = command(package, "run", "run.yaml", "--set", "lengths.longest=1")
    assert "ran lengths; 0 model calls" in again.stdout


def test_a_mistake_in_its_part_is_placed(package: Path) -> None:
    (package / "wrong.yaml").write_text(RUN.replace("longest: 10", "longest: 0"))
    refused = command(package, "check", "wrong.yaml")
    assert refused.returncode == 2
    assert "wrong.yaml:6:20: lengths.longest" in refused.stderr
