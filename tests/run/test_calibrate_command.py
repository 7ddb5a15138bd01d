"""`amendment calibrate DIR`: a preview by open labels while people are at it, and what is certified afterwards."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.calibration.store import Labels
from amendment.cli._people import audit_path
from amendment.errors import LedgerError
from amendment.stages.gate import calibrate_run
from tests.command_line import called
from tests.run.spot_checked import CHECKED, PAGED, contents, run, sample, say_anew, told


@pytest.fixture
def waiting(waiting_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(waiting_folder, tmp_path / "waiting")) / "run"


@pytest.fixture
def labelled(labelled_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(labelled_folder, tmp_path / "labelled")) / "run"


def without_sealed(folder: Path) -> None:
    """The same labels in a new file, as if nobody had ever labelled a sealed item."""
    sealed = {item.comparison_id for item in sample(folder) if item.is_sealed}
    with Labels(folder / "labels.sqlite", read_only=True) as labels:
        kept = [one for one in labels.history() if one.comparison_id not in sealed]
    for file in folder.glob("labels*.sqlite*"):
        file.unlink()
    with Labels(folder / "labels.sqlite") as labels:
        for one in kept:
            labels.add(one)


def everything(folder: Path) -> dict[str, bytes]:
    """All files of a run, but for those that SQLite keeps beside a file that is read."""
    return {place: found for place, found in contents(folder, ".").items() if not place.endswith(("-shm", "-wal"))}


def test_before_anybody_has_labelled_it_says_what_is_missing(waiting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("calibrate", str(waiting)) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert f"150 labels are missing; people give them with: amendment label {waiting}" in out
    assert "No calibration: too few labels: found 0" in out
    assert called("calibrate", str(waiting), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["is"], document["missing"], document["labelled"]) == ("preview", 150, 0)
    assert document["agreement"]["value"] is None
    assert not (waiting / "labels.sqlite").exists()


def test_a_preview_changes_nothing_and_never_sees_a_sealed_label(labelled: Path) -> None:
    before = everything(labelled)
    with_sealed = calibrate_run(labelled)
    assert everything(labelled) == before
    say_anew(labelled, is_sealed=True, count=30)
    assert calibrate_run(labelled) == with_sealed
    without_sealed(labelled)
    alone = calibrate_run(labelled)
    missing = ("missing",)
    assert {k: v for k, v in alone.document.items() if k not in missing} == {
        k: v for k, v in with_sealed.document.items() if k not in missing
    }
    assert alone.lines[:-1] == with_sealed.lines[:-1]  # the last one says what is missing
    assert with_sealed.document["missing"] == 0 < alone.document["missing"]
    assert "amendment run FILE reads them, and certifies" in with_sealed.lines[-1]


def test_what_is_certified_is_told_and_for_machines_too(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(labelled.parent, PAGED)
    before = everything(labelled)
    assert called("calibrate", str(labelled)) == 0
    out = capsys.readouterr().out
    assert "## Spot check" in out
    assert "Gate: " in out
    assert f"All of it: {labelled / 'certificate.md'}" in out
    section = (labelled / "certificate.md").read_text().split("## Spot check")[1].split("## Gate before")[0]
    assert section.strip() in out
    assert called("calibrate", str(labelled), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["is"], document["missing"]) == ("certified", 0)
    assert document["gate"] == told(labelled, "certificate.json")["gate"]
    assert everything(labelled) == before


def test_what_cannot_be_calibrated_says_what_to_do(
    tmp_path: Path, waiting: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unchecked = tmp_path / "unchecked"
    unchecked.mkdir()
    run(unchecked, CHECKED, until="inputs")
    early = tmp_path / "early"
    early.mkdir()
    run(early, PAGED, until="inputs")
    (tmp_path / "empty").mkdir()
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.yaml").write_text("name: [")
    wrong = [
        ([str(tmp_path / "nowhere")], "not a run's folder (no run.yaml)"),
        ([str(tmp_path / "empty")], "not a run's folder (no run.yaml)"),
        ([str(waiting / "run.yaml")], "not a run's folder"),
        ([str(unchecked / "run")], "its run file has no `spot_check:`; add one and run it again"),
        ([str(early / "run")], "draw the sample with: amendment run FILE --until spot_check"),
        ([str(broken)], "run.yaml"),
    ]
    for arguments, message in wrong:
        assert called("calibrate", *arguments) == 2, arguments
        err = " ".join(capsys.readouterr().err.split())
        assert message in err
        assert "Traceback" not in err


# Damaged labels.


def garbled(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 400)


def changed(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TRIGGER entry_stays")
        db.execute("""UPDATE entry SET body = replace(body, '"A"', '"B"') WHERE body LIKE '%"A"%'""")
    db.close()


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "garbled": (garbled, "damaged, or no file of labels"),
    "changed": (changed, "is not as it was written"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_labels_that_cannot_be_read_end_in_a_clear_message_and_lose_nothing(
    name: str, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    harm, message = DAMAGE[name]
    run(labelled.parent, PAGED)
    kept = {place: found for place, found in contents(labelled, ".").items() if not place.startswith("labels.sqlite")}
    saved = (labelled / "labels.sqlite").read_bytes()
    for beside in labelled.glob("labels.sqlite-*"):
        beside.unlink()
    harm(labelled / "labels.sqlite")
    held = (labelled / "labels.sqlite").read_bytes()
    file = str(labelled.parent / "run.yaml")
    commands = [
        ("run", file, "--folder", str(labelled)),
        ("calibrate", str(labelled)),
        ("label", str(labelled), "--export", str(tmp_path / "x.csv")),
        ("plan", file, "--folder", str(labelled)),
    ]
    for command in commands:
        code = called(*command)
        err = " ".join(capsys.readouterr().err.split())
        assert code == 1, (command, err)
        assert message in err, command
        assert "labels.sqlite" in err
        assert "Traceback" not in err
    assert (labelled / "labels.sqlite").read_bytes() == held
    now = contents(labelled, ".")
    assert {place: now[place] for place in kept if place != "status.json"} == {
        place: found for place, found in kept.items() if place != "status.json"
    }
    (labelled / "labels.sqlite").write_bytes(saved)
    assert run(labelled.parent, PAGED).ran == ()


def test_a_seal_that_cannot_be_read_stops_the_certificate(labelled: Path, tmp_path: Path) -> None:
    run(labelled.parent, PAGED, until="calibration")
    garbled(labelled / "labels-seal.sqlite")
    with pytest.raises(LedgerError, match=r"labels-seal\.sqlite"):
        run(labelled.parent, PAGED)
    with pytest.raises(LedgerError, match=r"labels-seal\.sqlite"):
        audit_path(labelled, folder=tmp_path / "out")
