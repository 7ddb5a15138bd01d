"""What a folder knows of the settings of its run: the resolved run file, and what has changed since."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from amendment.run import RunResult
from amendment.run.checks import check_run_file, load_run_file
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import dump
from tests.run.conftest import SMALL
from tests.run.small_runs import Said, made, run_of
from tests.run.spot_checked import SIMULATED
from tests.run.test_training_run import EVERYTHING
from tests.vendors.runs import dataset_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = [*sorted((ROOT / "examples").glob("*.yaml"))]
NULLS = [
    "dpo.guards=null",
    "dpo.guards={kl_per_token: null, length_ratio: null}",
]


def without_nulls(config: RunFile) -> dict[str, Any]:
    """The resolved run file as versions before this one wrote it."""
    return config.model_dump(mode="json", by_alias=True, exclude_none=True)


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
    resolved.write_text(yaml.safe_dump(without_nulls(run.config)))
    assert run.plan(until="inputs").changes == ()
    changed = run_of(tmp_path, EVERYTHING, *NULLS[::2], "dpo.steps=4").plan(until="inputs").changes
    assert [(change.path, change.was, change.now) for change in changed] == [("dpo.steps", 3, 4)]


OTHER = {"judging.min_margin": 0.05, "dataset.test_share": 0.5}
"""Values that are no defaults of this version."""


def of_other_defaults(folder: Path, *, is_recorded: bool) -> RunResult:
    """A run in a folder as a version leaves it whose defaults are OTHER: nobody has set them. Versions before
    `is_recorded` did not write down what was set, and no null."""
    result = made(
        folder, SMALL.replace("dataset: {test_share: 0.25}\n", ""), *map("{0[0]}={0[1]}".format, OTHER.items())
    )
    settings, resolved = folder / "run/settings.json", folder / "run/run.yaml"
    remembered = json.loads(settings.read_text())
    for path in OTHER:
        part, key = path.split(".")
        del remembered["run file"][part][key]
    if not is_recorded:
        del remembered["run file"]
        resolved.write_text(yaml.safe_dump(without_nulls(load_run_file(resolved).config)))
    settings.write_text(json.dumps(remembered))
    return result


@pytest.mark.parametrize("is_recorded", [True, False])
def test_a_default_that_has_changed_stays_what_it_was_and_is_named(tmp_path: Path, is_recorded: bool) -> None:
    first = of_other_defaults(tmp_path, is_recorded=is_recorded)
    before = dataset_of(first.folder)
    text = SMALL.replace("dataset: {test_share: 0.25}\n", "")
    for _ in range(2):  # the second start finds what the first one has kept
        said = Said()
        run = run_of(tmp_path, text, progress=said)
        plan, again = run.plan(), run()
        assert (plan.total.calls, plan.changes, again.ran, again.sent) == (0, (), (), 0)
        assert dataset_of(again.folder) == before
        for lines in (plan.warnings, said.lines):
            margin, share = (line.replace(f"{tmp_path}/", "") for line in lines if "default" in line)
            assert margin == (
                "run.yaml:13:3: judging.min_margin: the default was 0.05 when this folder's run was made, and is 0.0 "
                "now. The run keeps 0.05. Write min_margin: 0.05 to keep it everywhere, or min_margin: 0.0 to use the "
                "new one"
            )
            assert "dataset.test_share: the default was 0.5 " in share
    taken = run_of(tmp_path, text, "judging.min_margin=0.0", "dataset.test_share=0.5")
    assert [(change.path, change.was, change.now) for change in taken.plan().changes] == [
        ("judging.min_margin", 0.05, 0.0)
    ]
    assert taken.plan().warnings == ()


def test_a_line_taken_out_and_a_limit_left_out_are_no_changed_defaults(tmp_path: Path) -> None:
    made(tmp_path, SMALL, "judging.min_margin=0.05", limit=3, until="inputs")
    plan = run_of(tmp_path, SMALL).plan(until="inputs")
    assert plan.warnings == ()
    assert [(change.path, change.now) for change in plan.changes] == [
        ("prompts.0.lilliput", 12),
        ("judging.min_margin", 0.0),
    ]


def test_a_default_that_follows_from_a_changed_setting_is_not_kept(tmp_path: Path) -> None:
    text = SIMULATED.replace(", overlap: 70", "")
    made(tmp_path, text, until="inputs")
    (tmp_path / "run/settings.json").unlink()
    run = run_of(tmp_path, text, "spot_check.items=60")
    assert (run.config.spot_check.overlap, run.plan(until="inputs").warnings) == (60, ())
