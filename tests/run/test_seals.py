"""The seal of a spot check: how often a certificate has looked at the labels that nothing else sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from amendment.calibration.store import Labels
from amendment.cli._people import audit_path
from amendment.data.workspace import Workspace
from amendment.errors import Paused
from amendment.records import Verdict
from amendment.stages.gate import calibrate_run
from tests.run.spot_checked import PAGED, label_all, run, sample, say_anew, told


@pytest.fixture
def labelled(labelled_folder: Path, tmp_path: Path) -> Path:
    """All labels are there; the run has not read them yet."""
    return Path(shutil.copytree(labelled_folder, tmp_path / "labelled"))


def opened(folder: Path) -> int:
    with Labels(folder / "run" / "labels.sqlite", read_only=True) as labels:
        return labels.seal_openings()


def certified(folder: Path) -> int:
    return int(told(folder / "run", "certificate.json")["spot_check"]["opened"])


def test_a_certificate_opens_the_seal_and_looking_at_it_again_does_not(labelled: Path, tmp_path: Path) -> None:
    assert opened(labelled) == 0
    calibrate_run(labelled / "run")
    run(labelled, PAGED, until="calibration")
    assert opened(labelled) == 0
    run(labelled, PAGED)
    assert (opened(labelled), certified(labelled)) == (1, 1)
    run(labelled, PAGED)
    calibrate_run(labelled / "run")
    audited = audit_path(labelled / "run", folder=tmp_path / "out")
    assert audited.document["spot_check"]["opened"] == 1
    assert (opened(labelled), certified(labelled)) == (1, 1)
    assert "the seal was opened once so far" in (labelled / "run" / "certificate.md").read_text()


def test_every_different_certificate_is_counted(labelled: Path) -> None:
    run(labelled, PAGED)
    say_anew(labelled / "run", is_sealed=False)  # another calibrator is measured on sealed labels
    run(labelled, PAGED)
    assert certified(labelled) == 2
    say_anew(labelled / "run", is_sealed=True)
    run(labelled, PAGED)
    assert certified(labelled) == 3
    run(labelled, PAGED, "spot_check.calibration.method=platt")
    assert certified(labelled) == 4
    run(labelled, PAGED, "spot_check.calibration.method=temperature")  # as it was
    assert certified(labelled) == 4
    assert "the seal was opened 4 times so far" in (labelled / "run" / "certificate.md").read_text()


def test_new_labels_do_not_show_what_sealed_ones_say_before_they_are_certified(labelled: Path) -> None:
    run(labelled, PAGED)
    say_anew(labelled / "run", is_sealed=True, count=20)
    for until in ("labels", "calibration"):
        run(labelled, PAGED, until=until)
        told_ = calibrate_run(labelled / "run")
        assert told_.document["is"] == "preview"
        assert "amendment run FILE reads them, and certifies" in "\n".join(told_.lines)
    assert opened(labelled) == 1
    run(labelled, PAGED)
    assert calibrate_run(labelled / "run").document["is"] == "certified"


def test_a_lost_file_of_the_seal_has_not_closed_it(labelled: Path) -> None:
    run(labelled, PAGED)
    run(labelled, PAGED, "spot_check.calibration.method=platt")
    assert certified(labelled) == 2
    (labelled / "run" / "labels-seal.sqlite").unlink()
    run(labelled, PAGED)
    assert certified(labelled) == 2


@pytest.mark.parametrize(("first", "later"), [((), ("spot_check.sealed=0.9",)), (("spot_check.purpose=debug",), ())])
def test_labels_that_were_looked_at_are_never_sealed_again(
    tmp_path: Path, first: tuple[str, ...], later: tuple[str, ...]
) -> None:
    folder = tmp_path / "run"
    _finish(tmp_path, *first)
    seen = {verdict.prompt_id for verdict in Workspace(folder).read("labels/open", Verdict)}
    _finish(tmp_path, *later)
    assert {item.prompt_id for item in sample(folder) if item.is_sealed} & seen  # the sample would seal some of them
    assert not {verdict.prompt_id for verdict in Workspace(folder).read("labels/sealed", Verdict)} & seen
    assert "their labels were looked at before" in (folder / "certificate.md").read_text()


def _finish(folder: Path, *overrides: str) -> None:
    """Run, and let people give what labels are missing."""
    try:
        run(folder, PAGED, *overrides)
    except Paused:
        label_all(folder / "run")
        run(folder, PAGED, *overrides)
