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
from amendment.people.samples import LabelQuestion
from amendment.people.store import Labels
from amendment.publishing.publication import prepare, write_preview
from amendment.records import Judgement, Preference, Verdict
from amendment.run import Result, Run, load_run_file
from amendment.run.status import read_status, status_lines
from tests.command_line import called
from tests.publishing.test_outgoing import published_texts
from tests.run.spot_checked import (
    ANNA,
    BERT,
    CHECKED,
    COMMENT,
    PAGED,
    SIMULATED,
    contents,
    label_all,
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
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(tmp_path_factory.mktemp("sampled"), SAMPLED, until="spot_check")


@pytest.mark.parametrize("overrides", VARIANTS.values(), ids=VARIANTS)
def test_what_can_be_drawn_is_what_the_dataset_exports(overrides: list[str], tmp_path: Path) -> None:
    unchecked = tmp_path / "unchecked"
    unchecked.mkdir()
    place = Workspace(run(unchecked, CHECKED, *overrides, until="dataset").folder)
    exported = {row.comparison_id for side in ("train", "test") for row in place.read(f"dataset/{side}", Preference)}
    judged = {one.comparison_id for one in place.read("judging/judgements", Judgement) if one.p_a is not None}
    assert {
        item.comparison_id for item in sample(run(tmp_path, SAMPLED, ALL, *overrides, until="spot_check").folder)
    } == exported & judged
    assert exported


def test_what_the_user_has_decided_is_not_asked_again(tmp_path: Path) -> None:
    folder = run(tmp_path, SAMPLED, ALL, until="spot_check").folder
    first = [item.comparison_id for item in sample(folder)]
    asked = {one.comparison_id: one for one in Workspace(folder).read("spot_check/questions", LabelQuestion)}
    texts = [[part[-1].content for part in (asked[one].prompt, asked[one].a, asked[one].b)] for one in first[:5]]
    own = [dict(zip(("prompt", "a", "b", "anna"), [*row, "a"], strict=True)) for row in texts]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    pairs = "pairs: [{path: own.jsonl, columns: {prompt: prompt, a: a, b: b, votes: [anna]}, kind: person}]\n"
    text = SAMPLED.replace("min_margin: 0.1", "min_margin: 0.1, judge_labelled: true") + pairs
    again = {item.comparison_id for item in sample(run(tmp_path, text, ALL, until="spot_check").folder)}
    assert again == set(first[5:])


def test_the_questions_hold_neither_judge_nor_writer_nor_verdict(sampled: Result) -> None:
    path = Workspace(sampled.folder).path("spot_check/questions")
    table = parquet.read_table(path)
    held = path.read_bytes() + repr(table.to_pylist()).encode() + repr(table.schema).encode()
    for hidden in ("gavel", "writer", "persona", "label-tokens", "stratum", "inclusion", "p_a", "sealed"):
        assert hidden.encode() not in held
    for item in sample(sampled.folder):
        assert item.stratum.encode() not in held
        assert repr(item.p_a).encode() not in held


def test_who_labels_and_what_follows_draw_nothing_anew_and_the_size_does(sampled: Result, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(sampled.folder.parent, tmp_path / "again"))
    later = ("spot_check.annotators=3", "spot_check.gate.max_gap_to_human=0.1")
    assert "spot_check" not in run(folder, SAMPLED, *later, until="spot_check").ran
    assert "spot_check" in run(folder, SAMPLED, "spot_check.items=20", until="spot_check").ran


REFUSED = {
    "spot_check.overlap=31": "spot_check.overlap: found 31, expected 30 at most",
    "spot_check.annotators=1": "spot_check.overlap: found 8, expected 0: one annotator agrees with nobody",
    "spot_check.annotators=0": "spot_check.annotators",
    "spot_check.sampling=random": "spot_check.sampling",
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
REPO = "org/checked"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run(tmp_path_factory.mktemp("simulated"), SIMULATED)


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory) -> Result:
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


def test_every_stage_is_made_and_a_second_start_makes_nothing(simulated: Result) -> None:
    assert list(simulated.ran) == STAGES
    assert set(simulated.summary["stages"]) == set(STAGES)
    assert simulated.summary["missing"] == []
    assert simulated.results["labels"].count("people") == 2
    before = contents(simulated.folder, *TEXTS)
    again = run(simulated.folder.parent, SIMULATED)
    assert (again.ran, again.sent) == ((), 0)
    assert contents(simulated.folder, *TEXTS) == before


def test_open_labels_decide_their_comparisons_and_sealed_ones_never(simulated: Result) -> None:
    items = {item.comparison_id: item for item in sample(simulated.folder)}
    made = rows(simulated.folder)
    people = {name for name, row in made.items() if row.decided_by == "person"}
    assert people
    assert people <= {name for name, item in items.items() if not item.is_sealed}
    assert {one for name in people for one in made[name].raters} == {"simulated person 1", "simulated person 2"}
    assert simulated.results["dataset"].count("decided", how="decided by people") == len(people)


def test_simulated_people_are_never_taken_for_real_ones(simulated: Result, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(simulated.folder.parent, tmp_path / "again"))
    before = contents(folder / "run", *TEXTS)
    with pytest.raises(ConfigError, match=r"labels\.sqlite: holds labels of simulated people.*Move the file"):
        run(folder, SIMULATED, "spot_check.people=page")
    assert contents(folder / "run", *TEXTS) == before
    assert run(folder, SIMULATED).ran == ()


# People on the page.


def test_people_on_the_page_of_a_simulated_judge_are_not_said_to_be_simulated(
    finished: Path, simulated: Result
) -> None:
    labelled, toy = (prepare(folder, repo=REPO, license="cc0-1.0") for folder in (finished / "run", simulated.folder))
    assert ("human-feedback" in labelled.metadata["tags"], "human-feedback" in toy.metadata["tags"]) == (True, False)
    assert "simulated" in labelled.metadata["tags"]
    assert ("simulated people" in labelled.body, "simulated annotators" in labelled.body) == (False, False)
    assert ("simulated people" in toy.body, "simulated annotators" in toy.body) == (True, True)
    banner = "all prompts and all replies of writer, gavel come from Lilliput"
    assert banner in told(finished / "run", "certificate.json")["simulated"]
    assert "all replies of writer, gavel and all human labels" in str(simulated.summary["simulated"])


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


def test_people_who_cannot_say_hold_no_run_up(waiting: Path) -> None:
    label_all(waiting / "run")
    say_anew(waiting / "run", is_sealed=True, count=1000, choice="skip")
    result = run(waiting, PAGED)
    found = told(waiting / "run", "certificate.json")["spot_check"]
    assert (found["sealed"], found["basis"]) == (0, "all")
    assert result.results["labels"].count("skip") > 0
    assert any("have no label" in note for note in found["notes"])
    assert any("no label is sealed" in note for note in found["notes"])


# Plans and status.


def test_plan_and_status_know_what_waits_for_people(waiting: Path) -> None:
    loaded = Run.from_file(waiting / "run.yaml", folder=waiting / "run")
    plan = loaded.plan()
    assert plan.total.calls == 0
    assert [*plan.done] == STAGES[:4]
    status = read_status(waiting / "run")
    lines = status_lines(status)
    assert lines[-1] == "next: labels"
    assert "150 labels are missing; collect them with: amendment label" in lines[-2]
    label_all(waiting / "run", people=[ANNA])
    told_now = status_lines(read_status(waiting / "run"))[-2]
    # of 80 items Anna has seen all, of which Bert sees 70 as well
    assert told_now == f"labels: 70 labels are missing; collect them with: amendment label {waiting / 'run'}"
    label_all(waiting / "run")
    assert status_lines(read_status(waiting / "run"))[-2:] == [
        "labels: all labels are there. Resume with: amendment run FILE",
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
    rules = (tmp_path / "rules.yaml").read_text()
    (tmp_path / "rules.yaml").write_text(rules.replace("statement: ", "statement: As far as you can, ", 1))
    with pytest.raises(Paused) as waits:
        run(tmp_path, text)
    second = {item.comparison_id for item in sample(tmp_path / "run")}
    assert first & second
    assert second - first
    with Labels(tmp_path / "run" / "labels.sqlite", read_only=True) as labels:
        assert labels.current() == kept
    missing = int(str(waits.value).split("labels: ")[1].split()[0])
    assert 0 < missing <= 2 * len(second - first)
    label_all(tmp_path / "run")
    assert run(tmp_path, text).ran == AFTER_LABELS


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
    """All files of a run, but for those that SQLite keeps next to a file that is read."""
    return {place: found for place, found in contents(folder, ".").items() if not place.endswith(("-shm", "-wal"))}


def test_a_preview_changes_nothing_and_never_sees_a_sealed_label(labelled: Path) -> None:
    labelled = labelled / "run"
    before = everything(labelled)
    with_sealed = preview_labels(labelled)
    assert everything(labelled) == before
    say_anew(labelled, is_sealed=True, count=30)
    assert preview_labels(labelled) == with_sealed
    without_sealed(labelled)
    alone = preview_labels(labelled)
    missing = ("missing",)
    assert {k: v for k, v in alone.document.items() if k not in missing} == {
        k: v for k, v in with_sealed.document.items() if k not in missing
    }
    assert alone.lines[:-1] == with_sealed.lines[:-1]  # the last one says what is missing
    assert with_sealed.document["missing"] == 0 < alone.document["missing"]
    assert "Run amendment run FILE to read them" in with_sealed.lines[-1]


def garbled(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 400)


def test_labels_that_cannot_be_read_end_in_a_clear_message_and_lose_nothing(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = finished / "run"
    for beside in folder.glob("labels.sqlite-*"):
        beside.unlink()
    saved = (folder / "labels.sqlite").read_bytes()
    garbled(folder / "labels.sqlite")
    before = contents(folder, ".")
    file = str(finished / "run.yaml")
    for command in (
        ("run", file, "--folder", str(folder)),
        ("calibrate", str(folder)),
        ("label", str(folder), "--export", str(tmp_path / "x.csv")),
        ("plan", file, "--folder", str(folder)),
    ):
        assert called(*command) == 1, command
        err = " ".join(capsys.readouterr().err.split())
        assert "labels.sqlite: damaged, or not a file of labels" in err, command
        assert "Traceback" not in err
    now = contents(folder, ".")
    assert {**now, "status.json": b""} == {**before, "status.json": b""}
    (folder / "labels.sqlite").write_bytes(saved)
    assert run(finished, PAGED).ran == ()


def test_a_seal_that_cannot_be_read_stops_the_certificate(labelled: Path, tmp_path: Path) -> None:
    labelled = labelled / "run"
    run(labelled.parent, PAGED, until="calibration")
    garbled(labelled / "labels-seal.sqlite")
    with pytest.raises(LedgerError, match=r"labels-seal\.sqlite"):
        run(labelled.parent, PAGED)
    with pytest.raises(LedgerError, match=r"labels-seal\.sqlite"):
        audit_path(labelled, folder=tmp_path / "out")


def opened(folder: Path) -> int:
    with Labels(folder / "run" / "labels.sqlite", read_only=True) as labels:
        return labels.seal_openings()


def certified(folder: Path) -> int:
    return int(told(folder / "run", "certificate.json")["spot_check"]["opened"])


def test_the_seal_counts_every_different_certificate_and_looking_at_one_again_does_not(
    labelled: Path, tmp_path: Path
) -> None:
    preview_labels(labelled / "run")
    run(labelled, PAGED, until="calibration")
    assert opened(labelled) == 0
    for _ in range(2):
        run(labelled, PAGED)
        assert "have been read" in preview_labels(labelled / "run").lines[-1]
        assert audit_path(labelled / "run", folder=tmp_path / "out").document["spot_check"]["opened"] == 1
        assert (opened(labelled), certified(labelled)) == (1, 1)
    say_anew(labelled / "run", is_sealed=False)  # another calibrator is measured on sealed labels
    run(labelled, PAGED)
    assert certified(labelled) == 2
    say_anew(labelled / "run", is_sealed=True)
    run(labelled, PAGED)
    assert certified(labelled) == 3
    for method in ("platt", "temperature"):  # the second as it was
        run(labelled, PAGED, f"spot_check.calibration={method}")
        assert certified(labelled) == 4
    assert "the seal was opened 4 times so far" in (labelled / "run" / "certificate.md").read_text()
    (labelled / "run" / "labels-seal.sqlite").unlink()  # a lost file has not closed it
    run(labelled, PAGED)
    assert certified(labelled) == 4


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


def names_in(texts: str) -> list[str]:
    return [word for word in WORDS if word.lower() in texts.lower()]


@pytest.fixture
def own(finished: Path) -> Path:
    return finished / "run"


def test_nobodys_name_and_nobodys_words_leave_in_rows_cards_and_exports(own: Path, tmp_path: Path) -> None:
    texts = published_texts(own, tmp_path)
    assert names_in(texts) == []
    assert "person-1" in texts
    ready = prepare(own, repo=REPO, license="mit")
    verdicts = [row for rows in ready.configs["verdicts"].values() for row in rows]
    people = {row["rater"] for row in verdicts if row["rater_kind"] == "person"}
    assert people == {"person-1", "person-2"}
    published = b"".join(path.read_bytes() for path in write_preview(ready).rglob("*") if path.is_file())
    assert names_in(published.decode("utf-8", "replace")) == []


def test_what_people_wrote_beside_a_verdict_stays_in_the_labels(finished_folder: Path) -> None:
    for path in (finished_folder / "run").rglob("*"):
        if path.is_file() and not path.name.startswith("labels.sqlite"):
            held = path.read_bytes()
            if path.suffix == ".parquet":
                held += json.dumps(pq.read_table(path).to_pylist(), default=str).encode()
            assert b"Wilhelmine" not in held, path
    assert any(b"Wilhelmine" in path.read_bytes() for path in (finished_folder / "run").glob("labels.sqlite*"))


def test_a_run_that_waits_for_people_is_not_published(own: Path) -> None:
    with Labels(own / "labels.sqlite") as labels:
        while (one := labels.undo(ANNA, f"undo-{len(labels.current())}-of-anna")) and one.showing:
            pass
    with pytest.raises(Paused):
        run(own.parent, PAGED)
    with pytest.raises(ConfigError, match="out of date"):
        prepare(own, repo=REPO, license="mit")


def test_clocks_and_the_order_in_which_labels_came_stand_in_no_artefact(own: Path) -> None:
    with Labels(own / "labels.sqlite", read_only=True) as labels:
        said = labels.history()
    for file in own.glob("labels.sqlite*"):
        file.unlink()
    with Labels(own / "labels.sqlite") as labels:
        for number, one in enumerate(reversed(said)):
            later = {"uuid": f"said-later-{number}", "at": "2031-01-01T00:00:00Z", "seconds": 99.0}
            labels.add(one.model_copy(update=later))
    before = contents(own, "labels", "dataset", "certificate.json")
    shutil.rmtree(own / "labels")
    assert run(own.parent, PAGED).ran == ("labels",)
    assert contents(own, "labels", "dataset", "certificate.json") == before
