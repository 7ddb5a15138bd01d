"""Whole runs with a spot check: what is drawn, what labels change, the preview, the seal, and what leaves a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import parquet

from amendment import simulator
from amendment.cli._people import audit_path
from amendment.data.store import Workspace
from amendment.errors import ConfigError, LedgerError, Paused
from amendment.people.gate import preview_labels
from amendment.people.store import Labels
from amendment.publishing.publication import prepare
from amendment.records import Judgement, Preference, Verdict
from amendment.run import Run, RunResult, load_run_file
from amendment.run.status import read_status, status_lines
from tests.command_line import amendment
from tests.publishing.test_outgoing import published_texts
from tests.rows import save
from tests.run.spot_checked import (
    ANNA,
    BERT,
    CHECKED,
    COMMENT,
    PAGED,
    SIMULATED,
    contents,
    label_all,
    questions,
    rows,
    run,
    sample,
    say_anew,
    told,
)

SPOT_CHECK = "spot_check: {items: 30, overlap: 8, repeats: 0.2}\n"
SAMPLED = CHECKED + SPOT_CHECK
ALL = "spot_check.items=9999"
VARIANTS = {
    "a ranking": ["judging.ranking=adaptive", "judging.pairs=best_worst"],
    "drafts and revisions": [
        "critique={model: writer, rounds: 1}",
        "candidates=[{from: critique, take: draft_and_last}, {model: writer, per_prompt: 1}]",
    ],
}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(tmp_path_factory.mktemp("sampled"), SAMPLED, until="spot_check")


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS)
def test_what_can_be_drawn_is_what_the_dataset_exports(overrides: list[str], tmp_path: Path) -> None:
    place = Workspace(run(tmp_path, CHECKED, *overrides, until="dataset").folder)
    exported = {row.comparison_id for side in ("train", "test") for row in place.read(f"dataset/{side}", Preference)}
    judged = {one.comparison_id for one in place.read("judging/judgements", Judgement) if one.p_a is not None}
    drawn = sample(run(tmp_path, SAMPLED, ALL, *overrides, until="spot_check").folder)
    assert {item.comparison_id for item in drawn} == exported & judged != set()


def test_what_the_user_has_decided_is_not_asked_again(tmp_path: Path) -> None:
    folder = run(tmp_path, SAMPLED, ALL, until="spot_check").folder
    asked = questions(folder)
    own = [{name: getattr(one, name)[-1].content for name in ("prompt", "a", "b")} for one in asked[:5]]
    save(tmp_path / "own.jsonl", [{**row, "anna": "a"} for row in own])
    pairs = "pairs: [{path: own.jsonl, columns: {prompt: prompt, a: a, b: b, votes: [anna]}, kind: person}]\n"
    text = SAMPLED.replace("min_margin: 0.1", "min_margin: 0.1, judge_labelled: true") + pairs
    again = questions(run(tmp_path, text, ALL, until="spot_check").folder)
    assert {one.comparison_id for one in again} == {one.comparison_id for one in asked[5:]}


def test_the_questions_hold_neither_judge_nor_writer_nor_verdict(sampled: RunResult) -> None:
    path = Workspace(sampled.folder).path("spot_check/questions")
    table = parquet.read_table(path)
    held = path.read_bytes() + repr(table.to_pylist()).encode() + repr(table.schema).encode()
    for hidden in ("gavel", "writer", "persona", "label-tokens", "stratum", "inclusion", "p_a", "sealed"):
        assert hidden.encode() not in held
    for item in sample(sampled.folder):
        assert item.stratum.encode() not in held
        assert repr(item.p_a).encode() not in held


def test_who_labels_and_what_follows_draw_nothing_anew_and_the_size_does(sampled: RunResult, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sampled.folder.parent, tmp_path / "again"))
    later = ("spot_check.annotators=3", "spot_check.gate.max_gap_to_human=0.1")
    assert "spot_check" not in run(folder, SAMPLED, *later, until="spot_check").ran
    assert "spot_check" in run(folder, SAMPLED, "spot_check.items=20", until="spot_check").ran


REFUSED = {
    "spot_check.overlap=31": "spot_check.overlap: found 31, expected 30 at most",
    "spot_check.annotators=1": "spot_check.overlap: found 8, expected 0: one annotator agrees with nobody",
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_spot_check_that_could_not_be_made_is_refused(run_file: Callable[[str], Path], override: str) -> None:
    with pytest.raises(ConfigError, match=REFUSED[override]):
        load_run_file(run_file(SAMPLED), [override])


LILLIPUT = Path(simulator.__file__).parent / "lilliput.yaml"
STAGES = ["inputs", "candidates", "judging", "spot_check", "labels", "calibration", "audit", "dataset"]
AFTER_LABELS = ("labels", "calibration", "audit", "dataset")
TEXTS = ("dataset", "labels", "calibration", "spot_check", "certificate.json", "certificate.md", "audit")
WORDS = (*ANNA.split(), *BERT.replace("-", " ").split(), "Wilhelmine", COMMENT)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(tmp_path_factory.mktemp("simulated"), SIMULATED)


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """The same without a spot check."""
    return run(tmp_path_factory.mktemp("unchecked"), CHECKED)


@pytest.fixture
def waiting(waiting_folder: Path, tmp_path: Path) -> Path:
    """All is drawn and nobody has labelled."""
    return Path(shutil.copytree(waiting_folder, tmp_path / "waiting"))


@pytest.fixture
def labelled(labelled_folder: Path, tmp_path: Path) -> Path:
    """All labels are there; the run has not read them yet."""
    return Path(shutil.copytree(labelled_folder, tmp_path / "labelled"))


@pytest.fixture
def finished(finished_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished_folder, tmp_path / "finished"))


# The simulated people.


def test_every_stage_is_made_and_a_second_start_makes_nothing(simulated: RunResult) -> None:
    assert list(simulated.ran) == STAGES
    before = contents(simulated.folder, *TEXTS)
    again = run(simulated.folder.parent, SIMULATED)
    assert (again.ran, again.sent) == ((), 0)
    assert contents(simulated.folder, *TEXTS) == before


def test_open_labels_decide_their_comparisons_and_sealed_ones_never(simulated: RunResult) -> None:
    unsealed = {item.comparison_id for item in sample(simulated.folder) if not item.is_sealed}
    decided = {name: row for name, row in rows(simulated.folder).items() if row.decided_by == "person"}
    assert decided
    assert set(decided) <= unsealed
    assert {one for row in decided.values() for one in row.raters} == {"simulated person 1", "simulated person 2"}


def test_simulated_people_are_never_taken_for_real_ones(simulated: RunResult, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(simulated.folder.parent, tmp_path / "again"))
    before = contents(folder / "run", *TEXTS)
    with pytest.raises(ConfigError, match=r"labels\.sqlite: holds labels of simulated people.*Move the file"):
        run(folder, SIMULATED, "spot_check.people=page")
    assert contents(folder / "run", *TEXTS) == before
    assert run(folder, SIMULATED).ran == ()


# People on the page.


def test_people_on_the_page_of_a_simulated_judge_are_not_said_to_be_simulated(
    finished: Path, simulated: RunResult
) -> None:
    for folder, are_people in ((finished / "run", True), (simulated.folder, False)):
        ready = prepare(folder, repo="org/checked", license="cc0-1.0")
        assert "simulated" in ready.metadata["tags"]
        assert ("human-feedback" in ready.metadata["tags"]) == are_people
        assert ("simulated people" not in ready.body) == are_people
        told_of = str(told(folder, "certificate.json")["simulated"])
        assert ("and all human labels" not in told_of) == are_people


def test_one_more_label_makes_anew_what_depends_on_it_and_nothing_else(finished: Path) -> None:
    before = contents(finished / "run", "judging", "spot_check", "candidates")
    say_anew(finished / "run", is_sealed=False)
    again = run(finished, PAGED)
    assert (again.ran, again.sent) == (AFTER_LABELS, 0)
    assert contents(finished / "run", "judging", "spot_check", "candidates") == before
    assert run(finished, PAGED).ran == ()


def test_a_sealed_label_changes_neither_calibrator_nor_dataset(finished: Path) -> None:
    kept = ("calibration", "dataset", "labels/open.parquet")
    before, certificate = contents(finished / "run", *kept), told(finished / "run", "certificate.json")
    say_anew(finished / "run", is_sealed=True, count=10)
    again = run(finished, PAGED)
    assert (again.ran, again.sent) == (("labels", "audit"), 0)
    assert contents(finished / "run", *kept) == before
    now = told(finished / "run", "certificate.json")
    assert now["spot_check"]["agreement"] != certificate["spot_check"]["agreement"]


def test_people_who_cannot_say_hold_no_run_up(labelled: Path) -> None:
    say_anew(labelled / "run", is_sealed=True, count=1000, choice="skip")
    run(labelled, PAGED)
    found = told(labelled / "run", "certificate.json")["spot_check"]
    assert (found["sealed"], found["basis"]) == (0, "all")
    assert any("no label is sealed" in note for note in found["notes"])


# Plans and status.


def test_plan_and_status_know_what_waits_for_people(waiting: Path) -> None:
    def last_lines() -> list[str]:
        return status_lines(read_status(waiting / "run"))[-2:]

    plan = Run.from_file(waiting / "run.yaml", folder=waiting / "run").plan()
    assert (plan.total.calls, [*plan.done]) == (0, STAGES[:4])
    assert "150 labels are missing; collect them with: amendment label" in last_lines()[0]
    label_all(waiting / "run", people=[ANNA])
    # of 80 items Anna has seen all, of which Bert sees 70 as well
    assert last_lines()[0] == f"labels: 70 labels are missing; collect them with: amendment label {waiting / 'run'}"
    label_all(waiting / "run")
    assert last_lines() == ["labels: all labels are there. Resume with: amendment run FILE", "next: labels"]


# New judgements.


def test_an_edited_principle_judges_anew_and_keeps_the_labels_of_items_that_stay(tmp_path: Path) -> None:
    text, folder = PAGED.replace("constitution: lilliput", "constitution: ./rules.yaml"), tmp_path / "run"
    rules = LILLIPUT.read_text()
    (tmp_path / "rules.yaml").write_text(rules)
    with pytest.raises(Paused):
        run(tmp_path, text)
    label_all(folder)
    run(tmp_path, text)
    first = {item.comparison_id for item in sample(folder)}
    (tmp_path / "rules.yaml").write_text(rules.replace("statement: ", "statement: As far as you can, ", 1))
    with pytest.raises(Paused) as waits:
        run(tmp_path, text)
    second = {item.comparison_id for item in sample(folder)}
    assert first & second
    missing = int(str(waits.value).split("labels: ")[1].split()[0])
    assert 0 < missing <= 2 * len(second - first)
    label_all(folder)
    assert run(tmp_path, text).ran == AFTER_LABELS


def test_a_preview_changes_nothing_and_never_sees_a_sealed_label(labelled: Path) -> None:
    def everything() -> dict[str, bytes]:
        """All files of a run, but for those that SQLite keeps next to a file that is read."""
        return {place: held for place, held in contents(folder, ".").items() if not place.endswith(("-shm", "-wal"))}

    folder = labelled / "run"
    before = everything()
    preview = preview_labels(folder)
    assert everything() == before
    say_anew(folder, is_sealed=True, count=30)
    assert preview_labels(folder) == preview


def garbled(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 400)


def test_labels_that_cannot_be_read_end_in_a_clear_message_and_lose_nothing(finished: Path, tmp_path: Path) -> None:
    folder, file = finished / "run", finished / "run.yaml"
    for beside in folder.glob("labels.sqlite-*"):
        beside.unlink()
    saved = (folder / "labels.sqlite").read_bytes()
    garbled(folder / "labels.sqlite")
    before = contents(folder, ".")
    commands = (("run", file, "--folder", folder), ("label", folder, "--export", tmp_path / "x.csv"))
    for command in (*commands, ("calibrate", folder), ("plan", file, "--folder", folder)):
        ended = amendment(*command)
        assert ended.code == 1, command
        assert "labels.sqlite: damaged, or not a file of labels" in " ".join(ended.err.split()), command
    assert {**contents(folder, "."), "status.json": b""} == {**before, "status.json": b""}
    (folder / "labels.sqlite").write_bytes(saved)
    assert run(finished, PAGED).ran == ()


def test_a_seal_that_cannot_be_read_stops_the_certificate(labelled: Path, tmp_path: Path) -> None:
    run(labelled, PAGED, until="calibration")
    garbled(labelled / "run/labels-seal.sqlite")
    for certify in (lambda: run(labelled, PAGED), lambda: audit_path(labelled / "run", folder=tmp_path / "out")):
        with pytest.raises(LedgerError, match=r"labels-seal\.sqlite"):
            certify()


def test_the_seal_counts_every_different_certificate_and_looking_at_one_again_does_not(
    labelled: Path, tmp_path: Path
) -> None:
    def openings(*overrides: str) -> int:
        run(labelled, PAGED, *overrides)
        return int(told(labelled / "run", "certificate.json")["spot_check"]["opened"])

    preview_labels(labelled / "run")
    run(labelled, PAGED, until="calibration")
    assert openings() == 1
    preview_labels(labelled / "run")
    assert audit_path(labelled / "run", folder=tmp_path / "out").document["spot_check"]["opened"] == 1
    say_anew(labelled / "run", is_sealed=False)  # another calibrator is measured on sealed labels
    assert openings() == 2
    say_anew(labelled / "run", is_sealed=True)
    assert openings() == 3
    for method in ("platt", "temperature"):  # the second as it was
        assert openings(f"spot_check.calibration={method}") == 4
    (labelled / "run" / "labels-seal.sqlite").unlink()  # a lost file has not closed it
    assert openings() == 4


def test_labels_that_were_looked_at_are_never_sealed_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Paused):
        run(tmp_path, PAGED, "spot_check.sealed=0")
    label_all(folder)
    run(tmp_path, PAGED, "spot_check.sealed=0")
    seen = {verdict.prompt_id for verdict in Workspace(folder).read("labels/open", Verdict)}
    try:
        run(tmp_path, PAGED)
    except Paused:  # where the second sample has other items
        label_all(folder)
        run(tmp_path, PAGED)
    assert {item.prompt_id for item in sample(folder) if item.is_sealed} & seen  # the sample would seal some of them
    assert not {verdict.prompt_id for verdict in Workspace(folder).read("labels/sealed", Verdict)} & seen
    assert "their labels were looked at before" in (folder / "certificate.md").read_text()


def test_nobodys_name_and_nobodys_words_leave_in_rows_cards_and_exports(finished_folder: Path, tmp_path: Path) -> None:
    texts = published_texts(finished_folder / "run", tmp_path)
    assert [word for word in WORDS if word.lower() in texts.lower()] == []
    assert "person-1" in texts


def test_what_people_wrote_beside_a_verdict_stays_in_the_labels(finished_folder: Path) -> None:
    for path in (finished_folder / "run").rglob("*"):
        if path.is_file() and not path.name.startswith("labels.sqlite"):
            held = path.read_bytes()
            if path.suffix == ".parquet":
                held += json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
            assert b"Wilhelmine" not in held, path
    assert any(b"Wilhelmine" in path.read_bytes() for path in (finished_folder / "run").glob("labels.sqlite*"))


def test_clocks_and_the_order_in_which_labels_came_stand_in_no_artefact(finished: Path) -> None:
    folder = finished / "run"
    with Labels(folder / "labels.sqlite", read_only=True) as labels:
        said = labels.history()
    for file in folder.glob("labels.sqlite*"):
        file.unlink()
    with Labels(folder / "labels.sqlite") as labels:
        for number, one in enumerate(reversed(said)):
            later = {"uuid": f"said-later-{number}", "at": "2031-01-01T00:00:00Z", "seconds": 99.0}
            labels.add(one.model_copy(update=later))
    before = contents(folder, "labels", "dataset", "certificate.json")
    shutil.rmtree(folder / "labels")
    assert run(finished, PAGED).ran == ("labels",)
    assert contents(folder, "labels", "dataset", "certificate.json") == before
