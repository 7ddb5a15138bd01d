"""What a folder knows of the settings of its run: the resolved run file, and what has changed since."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from amendment.run.checks import check_run_file, load_run_file
from amendment.stages.contract import dump
from tests.run.conftest import SMALL
from tests.run.small_runs import run_of
from tests.run.spot_checked import SIMULATED
from tests.run.test_training_run import EVERYTHING

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml"))]
NULLS = [
    "dpo.guards=null",
    "dpo.guards={kl_per_token: null, length_ratio: null, unreadable: null, reward_judge_gap: null}",
    "clean={near_copies: null}",
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_resolved_run_file_says_what_the_run_file_says(path: Path, tmp_path: Path) -> None:
    config = load_run_file(path).config
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(dump(config)))
    assert load_run_file(tmp_path / "again.yaml").config == config


@pytest.mark.parametrize("null", ["", *NULLS])
def test_the_resolved_run_file_of_a_folder_and_its_manifest_keep_null(null: str, tmp_path: Path) -> None:
    run = run_of(tmp_path, EVERYTHING, *filter(None, [null]))
    run(until="inputs")
    resolved = tmp_path / "run/run.yaml"
    assert load_run_file(resolved).config == run.config
    manifest = json.loads((tmp_path / "run/manifest.json").read_text())
    assert manifest["configuration"] == yaml.safe_load(resolved.read_text())
    assert run.plan(until="inputs").changes == ()


def test_the_resolved_run_file_of_a_spot_checked_run_can_be_run(tmp_path: Path) -> None:
    run_of(tmp_path, SIMULATED)(until="inputs")
    assert check_run_file(load_run_file(tmp_path / "run/run.yaml")) == []


def test_a_run_file_of_a_version_that_wrote_no_null_differs_in_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path, EVERYTHING, *NULLS[::2])
    run(until="inputs")
    resolved = tmp_path / "run/run.yaml"
    resolved.write_text(yaml.safe_dump(run.config.model_dump(mode="json", by_alias=True, exclude_none=True)))
    assert run.plan(until="inputs").changes == ()
    changed = run_of(tmp_path, EVERYTHING, *NULLS[::2], "dpo.steps=4").plan(until="inputs").changes
    assert [(change.path, change.was, change.now) for change in changed] == [("dpo.steps", 3, 4)]
