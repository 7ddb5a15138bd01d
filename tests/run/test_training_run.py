"""A whole run with every stage, a few steps each: it ends, stands, and keeps the truth away from training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
import pytest

from amendment.results import Estimate, Result, counted, read_summary
from amendment.run import Run
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder, assemble
from amendment.run.progress import QuietProgress
from tests.command_line import called

EVERYTHING = """\
name: everything
seed: 7
constitution: lilliput
models: {writer: {provider: simulated}, judge: {provider: simulated}}
prompts: [{lilliput: 24}]
critique: {model: writer, rounds: 1}
base: {on: drafts, steps: 4, batch_size: 8, learning_rate: 1.0e-3, max_length: 64,
  hidden: 16, vocab: 400}
sft: {base: base, steps: 3, batch_size: 8, max_length: 64}
candidates: [{model: sft, per_prompt: 2, max_tokens: 8}, {from: critique, take: draft_and_last}]
judging: {judges: [{model: judge, protocol: label-tokens}], ties: keep}
dataset: {test_share: 0.25}
reward_model: {base: base, steps: 3, batch_size: 8, max_length: 64}
dpo: {base: sft, steps: 3, batch_size: 8, max_length: 64,
  guards: {every: 2, prompts: 6, max_tokens: 8, judge: {model: judge, protocol: label-tokens}}}
evaluate: {policies: [base, sft, dpo], prompts: 4, max_tokens: 8}
"""
STAGES = (
    "inputs",
    "critique",
    "base",
    "sft",
    "candidates",
    "judging",
    "audit",
    "dataset",
    "reward_model",
    "dpo",
    "evaluate",
)
TRAINS = ("base", "sft", "reward_model", "dpo")
SCRIPT = """\
import sys
from amendment.cli import main
try:
    main()
except SystemExit as ended:
    print("loaded", *[name for name in ("torch", "trl", "transformers", "datasets") if name in sys.modules])
    raise
"""


@pytest.mark.slow
def test_a_whole_run_ends_and_the_run_after_it_does_nothing(tmp_path: Path) -> None:
    path, folder = tmp_path / "run.yaml", tmp_path / "run"
    path.write_text(EVERYTHING)
    assert called("run", path, "--folder", folder) == 0
    summary = json.loads((folder / "summary.json").read_text())
    results = read_summary(folder)
    assert set(results.stages) == set(STAGES)
    assert summary["missing"] == []
    assert set(summary["stages"]["evaluate"]["policies"]) == {"base", "sft", "dpo"}
    for name in TRAINS:
        assert results.of(name).count("steps") in (3, 4)
        assert (folder / "models" / name / "config.json").is_file()

    _guards_are_told(results.of("dpo"), folder)

    before = {one: one.stat().st_mtime_ns for one in folder.rglob("*") if one.parent.name != "run"}
    command = [sys.executable, "-c", SCRIPT, "run", str(path), "--folder", str(folder)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 0, second.stderr
    assert "nothing was left to do; 0 model calls" in second.stdout
    assert second.stdout.strip().endswith("loaded"), "a finished run is looked at without torch"
    assert {one: one.stat().st_mtime_ns for one in folder.rglob("*") if one.parent.name != "run"} == before

    told = Run.from_file(path, folder=folder)()
    assert (told.sent, told.ran) == (0, ())
    _truth_is_kept_from_training(Run.from_file(path, folder=folder), folder)


def _guards_are_told(dpo: Result, folder: Path) -> None:
    """The policy is measured by reward model and judge at its start, at every second step and at the end."""
    readings = json.loads((folder / "models/dpo/history.json").read_text())["guards"]
    assert [reading["step"] for reading in readings] == [0, 2, 3]
    assert dpo.count("guard_readings") == 3
    scores = {"reward", "reward_change", "judge", "judge_change"}
    last = {figure.of["figure"]: figure.value for figure in dpo.where("guard_reading", step="3")}
    assert set(last) == scores | {"kl", "kl_per_token", "length_ratio", "unreadable", "cut"}
    assert {name: Estimate.to_json(cast(Estimate, value)) for name, value in last.items()} == readings[-1]["figures"]
    assert readings[0]["figures"]["judge"]["value"] == 0.5, "the start beside itself is a tie"


def _truth_is_kept_from_training(run: Run, folder: Path) -> None:
    """What training stages read, and what a reader of the dataset gets, holds no measure of the simulated world."""
    context = RunContext(run.config, folder.parent, RunFolder(folder), QuietProgress())
    stages = {stage.name: stage for stage in assemble(context)}
    tables = {need for name in TRAINS for need in stages[name].stage.reads if not need.startswith("models/")}
    tables.remove("audit/gate.json")  # which judges failed, by name
    assert tables == {"inputs/prompts", "inputs/split", "critique/candidates", "dataset/train", "dataset/test"}
    measured = set(stages["evaluate"].stage.writes)
    for stage in stages.values():
        assert not measured & set(stage.stage.reads), f"{stage.name} reads what was measured"
    for table in sorted(tables):
        found = pq.read_table(folder / f"{table}.parquet")
        text = json.dumps(found.to_pylist())
        for word in ("utility", "truth", "readable"):
            assert word not in found.column_names
            assert f'"{word}"' not in text


TINY = "hidden: 16, vocab: 400"


def test_a_base_that_learned_nothing_makes_way_for_one_that_learns(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "name: t\nconstitution: lilliput\nmodels: {w: {provider: simulated}}\nprompts: [{lilliput: 12}]\n"
        f"critique: {{model: w}}\nbase: {{on: nothing, steps: 1, batch_size: 4, max_length: 64, {TINY}}}\n"
    )
    nothing = Run.from_file(path, folder=tmp_path / "run")()
    assert nothing.results["base"] == Result(figures=counted(steps=0))
    for on, steps in (("drafts", 1), ("nothing", 0)):
        again = Run.from_file(path, folder=tmp_path / "run", overrides=[f"base.on={on}"])()
        assert again.ran == ("base",)
        assert again.results["base"].count("steps") == steps
    assert not (tmp_path / "run/models/base.untrained").exists()
