"""Which probabilities training sees, and runs whose spot check calibrates nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amendment.data.store import Texts
from amendment.errors import ConfigError, Paused
from amendment.people.labelling import PROBABILITIES
from amendment.people.samples import ExportedProbability
from amendment.preference.deciding import Calibration, Decided, RunPairs
from amendment.records import Pair
from amendment.run.engine import RunFolder
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import pair_rules
from amendment.stages.tables import RunTables
from tests.run.spot_checked import PAGED, label_all, rows, run, told


@pytest.fixture
def labelled(finished_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_folder, tmp_path / "labelled"))


def test_without_calibration_the_dataset_stays_raw(labelled: Path) -> None:
    again = run(labelled, PAGED, "spot_check.calibration=none")
    assert {row.p_chosen_calibrated for row in rows(again.folder).values()} == {None}
    assert all(row.decided_by == "person" or row.p_chosen == row.p_chosen_raw for row in rows(again.folder).values())
    assert "the run file asks for none" in (again.folder / "summary.md").read_text()


def test_calibrated_probabilities_are_not_asked_for_where_nothing_is_calibrated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.probabilities: .*calibration is none; name a method.*raw"):
        run(tmp_path, PAGED, "spot_check.calibration=none", "dataset.probabilities=calibrated")


def test_labels_too_few_to_calibrate_by_are_no_fault_of_the_run(tmp_path: Path) -> None:
    with pytest.raises(Paused):
        run(tmp_path, PAGED, "spot_check.items=12", "spot_check.overlap=4")
    label_all(tmp_path / "run")
    result = run(tmp_path, PAGED, "spot_check.items=12", "spot_check.overlap=4")
    assert "too few labels" in result.results["calibration"].notes[0]
    assert "too few labels" in (tmp_path / "run" / "summary.md").read_text()
    assert "too few labels" in told(tmp_path / "run", "calibration/calibrator.json")["reason"]
    assert {row.p_chosen_calibrated for row in rows(tmp_path / "run").values()} == {None}
    gates = {gate["check"]: gate["outcome"] for gate in told(tmp_path / "run", "certificate.json")["gate"]["checks"]}
    assert gates["people"] == "not measured"


PAIR = Pair(prompt_id="x", chosen_id="b", rejected_id="a", p_chosen=0.9, p_chosen_raw=0.9, decided_by="judge")


@pytest.mark.parametrize(
    ("settings", "used"), [({}, 0.9), ({"probabilities": "calibrated"}, 0.7), ({"probabilities": "raw"}, 0.9)]
)
def test_calibrated_probabilities_are_used_where_the_run_file_says_so(
    settings: dict[str, str], used: float, tmp_path: Path
) -> None:
    parts = {"judging": {"judges": [{"model": "judge"}]}, "spot_check": {}, "dataset": settings}
    config = RunFile.model_validate({"name": "run", **parts})
    place = RunFolder(tmp_path)
    known = ExportedProbability(comparison_id=PAIR.comparison_id, prompt_id="x", p_a_raw=0.1, p_a_calibrated=0.3)
    place.write(PROBABILITIES, ExportedProbability, [known])
    run = RunPairs(pair_rules(config, RunTables({})), place, Texts({}, {}))
    [found] = Calibration().decide(run, Decided([PAIR])).pairs
    assert found.p_chosen == pytest.approx(used)
    assert found.p_chosen_calibrated == pytest.approx(0.7)
