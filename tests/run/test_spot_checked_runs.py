"""Whole runs with a spot check: what people's labels change, what they leave alone, and what a run does without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amendment import simulator
from amendment.calibration.samples import SampledItem
from amendment.calibration.store import Labels
from amendment.cli._people import audit_path
from amendment.errors import ConfigError, Paused
from amendment.run import Result, Run
from amendment.run.status import read_status, status_lines
from amendment.statistics.calibrators import Calibrator
from tests.run.spot_checked import (
    ANNA,
    CHECKED,
    PAGED,
    SIMULATED,
    agreeing,
    contents,
    label_all,
    questions,
    rows,
    run,
    sample,
    say_anew,
    told,
)

STAGES = ["inputs", "candidates", "judging", "spot_check", "labels", "calibration", "audit", "dataset"]
AFTER_LABELS = ("labels", "calibration", "audit", "dataset")
TEXTS = ("dataset", "labels", "calibration", "spot_check", "certificate.json", "certificate.md", "audit")


LILLIPUT = Path(simulator.__file__).parent / "lilliput.yaml"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(tmp_path_factory.mktemp("simulated"), SIMULATED)


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The same without a spot check."""
    return run(tmp_path_factory.mktemp("unchecked"), CHECKED)


@pytest.fixture
def waiting(waiting_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(waiting_folder, tmp_path / "waiting"))


@pytest.fixture
def labelled(finished_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_folder, tmp_path / "labelled"))


# The simulated people.


def test_every_stage_is_made_and_a_second_start_makes_nothing(simulated: Result) -> None:
    assert list(simulated.ran) == STAGES
    assert set(simulated.summary["stages"]) == set(STAGES)
    assert simulated.summary["missing"] == []
    assert simulated.summary["stages"]["labels"]["people"] == 2
    before = contents(simulated.folder, *TEXTS)
    again = run(simulated.folder.parent, SIMULATED)
    assert (again.ran, again.sent) == ((), 0)
    assert contents(simulated.folder, *TEXTS) == before


def test_equal_runs_are_equal_to_the_byte_whatever_the_concurrency(simulated: Result, tmp_path: Path) -> None:
    other = run(tmp_path, SIMULATED, "models.gavel.concurrency=2", "models.writer.concurrency=1")
    assert contents(other.folder, *TEXTS) == contents(simulated.folder, *TEXTS)


def test_raw_probabilities_are_those_of_a_run_without_people(simulated: Result, unchecked: Result) -> None:
    raw, made = rows(unchecked.folder), rows(simulated.folder)
    counts = simulated.summary["stages"]["dataset"]
    assert set(made) < set(raw)
    undecided = ("people call it a tie", "people disagree with each other")
    left_out = {name: counts["left out"][name] for name in undecided if name in counts["left out"]}
    assert len(raw) - len(made) == sum(left_out.values()) > 0
    assert left_out == {name: counts[name] for name in left_out}
    turned = 0
    for name, row in made.items():
        before = raw[name]
        is_same = row.chosen_id == before.chosen_id
        turned += not is_same
        # a label turns a pair round, and what the judge says of it with it
        assert row.p_chosen_raw == pytest.approx(before.p_chosen_raw if is_same else 1 - before.p_chosen_raw)
        assert is_same or row.decided_by == "person"
    assert turned == counts["people disagree with the judge"] > 0


def test_calibrated_probabilities_are_what_the_recipe_makes_of_raw_ones(simulated: Result) -> None:
    calibrator = Calibrator.from_json(told(simulated.folder, "calibration/calibrator.json"))
    temperature = told(simulated.folder, "calibration/calibrator.json")["parameters"]["temperature"]
    for row in rows(simulated.folder).values():
        assert row.p_chosen_calibrated is not None
        assert row.p_chosen_calibrated == pytest.approx(float(calibrator.apply([row.p_chosen_raw])[0]), abs=1e-9)
        p = min(max(row.p_chosen_raw, 1e-6), 1 - 1e-6)
        odds = (p / (1 - p)) ** (1 / temperature)  # one factor on the log-odds
        assert row.p_chosen_calibrated == pytest.approx(odds / (1 + odds), abs=1e-6)


def test_open_labels_decide_their_comparisons_and_sealed_ones_never(simulated: Result) -> None:
    items = {item.comparison_id: item for item in sample(simulated.folder)}
    made = rows(simulated.folder)
    people = {name for name, row in made.items() if row.decided_by == "person"}
    assert people
    assert people <= {name for name, item in items.items() if not item.is_sealed}
    assert {one for name in people for one in made[name].raters} == {"simulated person 1", "simulated person 2"}
    assert simulated.summary["stages"]["dataset"]["decided by people"] == len(people)


def test_labels_that_decide_nothing_leave_every_pair_to_the_judge(
    simulated: Result, unchecked: Result, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(simulated.folder.parent, tmp_path / "again"))
    again = run(folder, SIMULATED, "spot_check.decide=false", "dataset.probabilities=raw")
    assert again.ran == ("dataset",)
    forget = {"p_chosen_calibrated": None}
    made = {name: row.model_copy(update=forget) for name, row in rows(again.folder).items()}
    assert made == rows(unchecked.folder)


def test_simulated_people_are_never_taken_for_real_ones(simulated: Result, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(simulated.folder.parent, tmp_path / "again"))
    before = contents(folder / "run", *TEXTS)
    with pytest.raises(ConfigError, match=r"labels\.sqlite: holds labels of simulated people.*Move the file"):
        run(folder, SIMULATED, "spot_check.people=page")
    assert contents(folder / "run", *TEXTS) == before
    assert run(folder, SIMULATED).ran == ()


# People on the page.


def test_a_run_without_labels_waits_and_names_the_way_on(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(PAGED)
    command = [sys.executable, "-m", "amendment", "run", "run.yaml"]
    quiet = {**os.environ, "COLUMNS": "1000"}
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=quiet)
    assert ended.returncode == 3, ended.stderr
    last = " ".join(ended.stderr.split())
    assert "150 labels are missing; people give them on the page: amendment label runs/checked" in last
    assert last.endswith("Go on with: amendment run run.yaml")
    assert "Traceback" not in ended.stderr
    folder = tmp_path / "runs" / "checked"
    assert label_all(folder) >= 150
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False, env=quiet)
    assert ended.returncode == 0, ended.stderr
    assert "ran labels, calibration, audit, dataset; 0 model calls" in " ".join(ended.stdout.split())


def test_one_more_label_makes_anew_what_depends_on_it_and_nothing_else(labelled: Path) -> None:
    before = contents(labelled / "run", "judging", "spot_check", "candidates")
    say_anew(labelled / "run", is_sealed=False)
    again = run(labelled, PAGED)
    assert (again.ran, again.sent) == (AFTER_LABELS, 0)
    assert contents(labelled / "run", "judging", "spot_check", "candidates") == before
    assert run(labelled, PAGED).ran == ()


def test_a_sealed_label_changes_neither_calibrator_nor_dataset(labelled: Path) -> None:
    kept = ("calibration", "dataset", "labels/open.parquet")
    before, certificate = contents(labelled / "run", *kept), told(labelled / "run", "certificate.json")
    say_anew(labelled / "run", is_sealed=True, count=10)
    again = run(labelled, PAGED)
    assert (again.ran, again.sent) == (("labels", "audit"), 0)
    assert contents(labelled / "run", *kept) == before
    now = told(labelled / "run", "certificate.json")
    assert now["spot_check"]["agreement"] != certificate["spot_check"]["agreement"]


def test_people_who_cannot_say_hold_no_run_up(waiting: Path) -> None:
    label_all(waiting / "run")
    say_anew(waiting / "run", is_sealed=True, count=1000, choice="skip")
    result = run(waiting, PAGED)
    found = told(waiting / "run", "certificate.json")["spot_check"]
    assert (found["sealed"], found["basis"]) == (0, "all")
    assert result.summary["stages"]["labels"]["skip"] > 0
    assert any("have no label" in note for note in found["notes"])
    assert any("no label is sealed" in note for note in found["notes"])


def test_a_run_that_gives_its_spot_check_up_is_as_if_it_never_had_one(
    labelled: Path, unchecked: Result, tmp_path: Path
) -> None:
    again = run(labelled, CHECKED)
    assert (again.ran, again.sent) == (("audit", "dataset"), 0)
    assert contents(again.folder, "dataset") == contents(unchecked.folder, "dataset")
    for name in ("certificate.json", "certificate.md"):
        assert (again.folder / name).read_bytes() == (unchecked.folder / name).read_bytes()
    audited = audit_path(again.folder, folder=tmp_path / "out")
    assert "spot_check" not in audited.document
    assert not audited.certificate.persons


# Plans and status.


def test_plan_and_status_know_what_waits_for_people(waiting: Path) -> None:
    loaded = Run.from_file(waiting / "run.yaml", folder=waiting / "run")
    plan = loaded.plan()
    assert plan.total.calls == 0
    assert [*plan.done] == STAGES[:4]
    status = read_status(waiting / "run")
    lines = status_lines(status)
    assert lines[-1] == "next: labels"
    assert "150 labels are missing; people give them on the page: amendment label" in lines[-2]
    label_all(waiting / "run", people=[ANNA])
    told_now = status_lines(read_status(waiting / "run"))[-2]
    # of 80 items Anna has seen all, of which Bert sees 70 as well
    assert told_now == f"labels: 70 labels are missing; people give them on the page: amendment label {waiting / 'run'}"
    label_all(waiting / "run")
    assert status_lines(read_status(waiting / "run"))[-2:] == [
        "labels: all labels are there; amendment run FILE goes on",
        "next: labels",
    ]
    run(waiting, PAGED)
    assert [*Run.from_file(waiting / "run.yaml", folder=waiting / "run").plan().done] == STAGES


# New judgements.


def test_an_edited_principle_judges_anew_and_keeps_the_labels_of_items_that_stay(tmp_path: Path) -> None:
    shutil.copy(LILLIPUT, tmp_path / "rules.yaml")
    text = PAGED.replace("constitution: lilliput", "constitution: ./rules.yaml")
    with pytest.raises(Paused):
        run(tmp_path, text)
    label_all(tmp_path / "run")
    run(tmp_path, text)
    first = {item.comparison_id for item in sample(tmp_path / "run")}
    with Labels(tmp_path / "run" / "labels.sqlite", read_only=True) as labels:
        kept = labels.current()
    edit_a_principle(tmp_path / "rules.yaml")
    with pytest.raises(Paused) as waits:
        run(tmp_path, text)
    second = {item.comparison_id for item in sample(tmp_path / "run")}
    assert first & second
    assert second - first
    with Labels(tmp_path / "run" / "labels.sqlite", read_only=True) as labels:
        assert labels.current() == kept
    missing = int(str(waits.value).split("labels: ")[1].split()[0])
    assert 0 < missing <= 2 * len(second - first)
    asked: list[str] = []

    def says(annotator: str, item: SampledItem) -> bool:
        asked.append(item.comparison_id)
        return agreeing(annotator, item)

    label_all(tmp_path / "run", says)
    assert set(asked) - first == second - first
    assert {one.comparison_id for one in questions(tmp_path / "run")} == second
    result = run(tmp_path, text)
    assert result.ran == AFTER_LABELS


def edit_a_principle(file: Path) -> None:
    text = file.read_text()
    assert "statement: " in text
    file.write_text(text.replace("statement: ", "statement: As far as you can, ", 1))
