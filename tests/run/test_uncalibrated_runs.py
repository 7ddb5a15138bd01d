"""Spot-checked runs whose labels are calibrated by in another way, or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amendment.errors import ConfigError, Paused
from tests.run.spot_checked import PAGED, label_all, rows, run, told


@pytest.fixture
def labelled(finished_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_folder, tmp_path / "labelled"))


def test_without_calibration_the_dataset_stays_raw(labelled: Path) -> None:
    again = run(labelled, PAGED, "spot_check.calibration.method=none")
    assert {row.p_chosen_calibrated for row in rows(again.folder).values()} == {None}
    assert all(row.decided_by == "person" or row.p_chosen == row.p_chosen_raw for row in rows(again.folder).values())
    assert "the run file asks for none" in (again.folder / "summary.md").read_text()


def test_calibrated_probabilities_are_not_asked_for_where_nothing_is_calibrated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.probabilities: .*method is none; name a method.*raw"):
        run(tmp_path, PAGED, "spot_check.calibration.method=none", "dataset.probabilities=calibrated")


def test_labels_too_few_to_calibrate_by_are_no_fault_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(Paused):
        run(tmp_path, PAGED, "spot_check.items=12", "spot_check.overlap=4")
    label_all(tmp_path / "run")
    result = run(tmp_path, PAGED, "spot_check.items=12", "spot_check.overlap=4")
    assert "too few labels" in result.summary["stages"]["calibration"]["none"]
    assert "too few labels" in (tmp_path / "run" / "summary.md").read_text()
    assert "too few labels" in told(tmp_path / "run", "calibration/calibrator.json")["reason"]
    assert {row.p_chosen_calibrated for row in rows(tmp_path / "run").values()} == {None}
    gates = {gate["check"]: gate["outcome"] for gate in told(tmp_path / "run", "certificate.json")["gate"]["checks"]}
    assert gates["people"] == "not measured"
