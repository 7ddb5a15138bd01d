"""A run's spot check goes to other tools and its labels come back: by store, command and our own reader."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.calibration.label import Label
from amendment.calibration.label_files import export_labels, export_questions, import_labels
from amendment.calibration.queue import labels_missing
from amendment.calibration.samples import LabelQuestion, SampledItem
from amendment.calibration.store import Labels
from amendment.data.store import write_records
from amendment.errors import ConfigError, DataError
from amendment.records import user
from amendment.stages.labels import SIMULATED
from tests.calibration.exchanged import KIND, question_of
from tests.command_line import called

LATER = "2026-04-01T09:00:00+00:00"


def question(i: int) -> LabelQuestion:
    marks = {"in_overlap": i < 2, "is_repeated": i == 0}
    return question_of(user(f"ask {i}"), (f"yes {i}", f"no {i}"), principles=(KIND,), **marks)


QUESTIONS = [question(i) for i in range(6)]


def label(one: LabelQuestion, annotator: str, choice: Any = "A", *, at: str = LATER, **more: Any) -> Label:
    ids = (one.a_id, one.b_id)
    return Label(
        uuid=f"{annotator}-{one.prompt_id[-8:]}-{choice}-{more.get('showing', 0)}",
        comparison_id=one.comparison_id,
        prompt_id=one.prompt_id,
        shown=ids if more.get("showing", 0) == 0 else ids[::-1],
        annotator=annotator,
        choice=choice,
        at=at,
        **more,
    )


LABELS = [
    *(label(one, "Ada Lovelace", choice) for one, choice in zip(QUESTIONS, "ABABAB", strict=True)),
    label(QUESTIONS[0], "Ada Lovelace", "B", showing=1, confidence=3),
    label(QUESTIONS[0], "bo@example.org", "tie", comment="As Ada Lovelace said.", seconds=2.5),
    label(QUESTIONS[1], "bo@example.org", "skip"),
]


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Path]:
    def made(name: str = "run", labels: list[Label] | None = None) -> Path:
        """A run's folder after the stage spot_check, with labels."""
        folder = tmp_path / name
        (folder / "spot_check").mkdir(parents=True)
        (folder / "run.yaml").write_text("name: sent\nseed: 3\nspot_check: {annotators: 2}\n")
        write_records(folder / "spot_check" / "questions.parquet", LabelQuestion, QUESTIONS)
        items = [
            SampledItem(
                prompt_id=one.prompt_id, a=one.a_id, b=one.b_id, p_a=0.5, stratum="all", inclusion=1, is_sealed=i == 5
            )
            for i, one in enumerate(QUESTIONS)
        ]
        write_records(folder / "spot_check" / "sample.parquet", SampledItem, items)
        with Labels(folder / "labels.sqlite") as store:
            for one in labels or []:
                store.add(one)
        return folder

    return made


def current(folder: Path) -> list[Label]:
    with Labels(folder / "labels.sqlite", read_only=True) as store:
        return store.current()


def facts(labels: list[Label], *left_out: str) -> list[Any]:
    named = [one.model_dump(exclude={"uuid", *left_out}) for one in labels]
    return sorted(named, key=lambda one: (one["comparison_id"], one["showing"], one["choice"]))


@pytest.mark.parametrize("file", ["x.csv", "x.jsonl"])
def test_labels_move_to_another_machine(run: Callable[..., Path], tmp_path: Path, file: str) -> None:
    here, there, path = run("here", LABELS), run("there"), tmp_path / file
    sent = export_labels(here, path, comments=True)
    assert (sent.labels, sent.people, sent.left_out, sent.with_sealed) == (9, 2, 0, True)
    for name in ("Lovelace", "bo@example"):
        assert name not in path.read_text()
    taken = import_labels(there, path)
    assert (taken.new, taken.people, taken.known, taken.older) == (9, 2, 0, 0)
    assert taken.missing == labels_missing(QUESTIONS, current(there), annotators=2) == 0
    clockless = ("at", "seconds", "annotator", "comment")
    assert facts(current(there), *clockless) == facts(LABELS, *clockless)
    assert {one.annotator for one in current(there)} == {"person-1", "person-2"}
    said = next(one.comment for one in current(there) if one.comment)
    assert said.replace("person-2", "person-1") == "As person-1 said."
    before = current(there)
    again = import_labels(there, path)
    assert (again.new, again.known) == (0, 9)
    assert current(there) == before


def test_a_pseudonym_that_may_be_somebody_here_is_asked_for(run: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    export_labels(run("there", [label(QUESTIONS[3], "Cy", "tie")]), path)
    folder = run("here", LABELS)
    with pytest.raises(DataError, match=r"x.csv: person-1: a pseudonym, and perhaps .* \(--rater person-1=NAME\)"):
        import_labels(folder, path)
    assert len(current(folder)) == 9
    assert import_labels(folder, path, raters=["person-1= Cy\u200b "]).new == 1
    assert {one.annotator for one in current(folder)} == {"Ada Lovelace", "bo@example.org", "Cy"}
    with pytest.raises(ConfigError, match=r"--rater person-7=Di: .* has no labels of 'person-7'; it has person-1"):
        import_labels(folder, path, raters=["person-7=Di"])
    for bad in (["Cy", "Di"], ["person-1="], [""]):
        with pytest.raises(ConfigError, match="expected NAME at most once"):
            import_labels(folder, path, raters=bad)


def test_whoever_has_answered_anew_since_keeps_the_new_answer(run: Callable[..., Path], tmp_path: Path) -> None:
    first = label(QUESTIONS[3], "Ada", "A", at="2026-04-01T09:00:00+00:00")
    anew = label(QUESTIONS[3], "Ada", "B", at="2026-04-02T09:00:00+00:00")
    path = tmp_path / "older.csv"
    export_labels(run("old", [first]), path)
    folder = run("new", [anew])
    assert import_labels(folder, path, raters=["person-1=Ada"]).older == 1
    export_labels(run("newer", [anew]), path)
    folder = run("behind", [first])
    assert import_labels(folder, path, raters=["person-1=Ada"]).new == 1
    assert [one.choice for one in current(folder)] == ["B"]


def test_a_spreadsheet_is_sent_answered_and_taken_in(run: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = run(), tmp_path / "ask.csv"
    assert export_questions(folder, path).items == 7  # six, and one of them twice
    text = path.read_text(encoding="utf-8-sig")
    for one in QUESTIONS:
        assert one.comparison_id not in text
        assert one.a_id not in text
    rows = list(csv.DictReader(text.splitlines()))
    for row in rows:
        row["choice"] = "A" if row["answer_a"].startswith("yes") else "B"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    taken = import_labels(folder, path, raters=["Ada"])
    assert (taken.new, taken.missing) == (7, 2)  # the overlap of two waits for somebody else
    told = {one.a_id: str(one.a[0].content) for one in QUESTIONS} | {
        one.b_id: str(one.b[0].content) for one in QUESTIONS
    }
    preferred = [told[one.shown[0 if one.choice == "A" else 1]] for one in current(folder)]
    assert all(text.startswith("yes") for text in preferred)
    assert len({row["item"] for row in rows}) == 7


def test_a_mistake_keeps_the_whole_file_out(run: Callable[..., Path], tmp_path: Path) -> None:
    folder, path = run(), tmp_path / "x.jsonl"
    export_labels(run("there", LABELS), path)
    path.write_text(path.read_text() + '{"item": "s2:00000000000000000000000000000000", "choice": "A"}\n')
    with pytest.raises(DataError, match=r"x.jsonl: line 10: item: found 's2:0+', no item of this spot check"):
        import_labels(folder, path)
    assert current(folder) == []


@pytest.mark.parametrize("name", [f"{SIMULATED} 1", f"{SIMULATED} 2".title()])
def test_a_file_brings_no_simulated_people(run: Callable[..., Path], tmp_path: Path, name: str) -> None:
    file, folder = tmp_path / "x.csv", run()
    export_questions(folder, file)
    item = next(csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines()))["item"]
    file.write_text(f"item,choice,annotator\n{item},A,{name}\n")
    with pytest.raises(DataError, match=rf"{name} is a name kept for simulated people; say who it is \(--rater"):
        import_labels(folder, file)
    with pytest.raises(ConfigError, match=rf"--rater .*: {name} is a name kept for simulated people"):
        import_labels(folder, file, raters=[f"Ada={name}"])
    assert current(folder) == []
    assert import_labels(folder, file, raters=[f"{name}=Ada"]).new == 1


def test_pseudonyms_are_those_of_the_certificate(run: Callable[..., Path], tmp_path: Path) -> None:
    folder = run("here", LABELS)
    raters = [{"name": name, "kind": "person"} for name in ("bo@example.org",)]
    (folder / "certificate.json").write_text(json.dumps({"counts": {"raters": raters}}))
    export_labels(folder, tmp_path / "x.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert {one["annotator"] for one in lines if one["choice"] in ("tie", "skip")} == {"person-1"}
    assert sum(one["annotator"] == "person-2" for one in lines) == 7


# The command.


def test_the_command_sends_and_takes_in(
    run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = run("here", LABELS), run("there")
    path = tmp_path / "x.jsonl"
    assert called("label", str(here), "--export", str(path)) == 0
    told = capsys.readouterr()
    assert "9 labels of 2 people under pseudonyms, without comments (--comments writes them too)." in told.out
    assert "opening the seal" in told.err
    assert called("label", str(there), "--import", str(path)) == 0
    assert "9 new labels of 2 people.\nall labels are there; go on with: amendment run FILE" in capsys.readouterr().out
    assert called("label", str(there), "--import", str(path)) == 0
    assert "0 new labels, 9 here already." in capsys.readouterr().out
    questions = ("--export", str(tmp_path / "q.json"), "--questions", "--format", "label-studio")
    assert called("label", str(there), *questions) == 0
    assert "q.json: 7 items without labels." in capsys.readouterr().out
    assert (tmp_path / "q-interface.xml").read_text().startswith("<View>")


WRONG: list[tuple[list[str], str]] = [
    (["--export", "x.csv"], "nobody has labelled yet; to send the questions away, add --questions"),
    (["--export", "x.json", "--questions"], "or .json with --format argilla or --format label-studio"),
    (["--export", "x.json", "--format", "argilla"], "labels are written as CSV or JSONL"),
    (["--export", "x.csv", "--import", "x.csv"], "--export and --import: one at a time"),
    (["--export", "x.csv", "--rater", "Ada"], "--rater works with the page or with --import FILE"),
    (["--export", "x.csv", "--port", "8000"], "--annotators belong to the page, which is not served"),
    (["--import", "other.csv"], "expected the columns as they were exported, found prompt, verdict"),
    (["--export", "run.yaml/x.csv", "--questions"], "cannot be written"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_cannot_be_done_is_said(
    run: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    folder = run()
    monkeypatch.chdir(folder)
    (folder / "other.csv").write_text("prompt,verdict\nx,A\n")
    assert called("label", str(folder), *options) == 2
    assert message in " ".join(capsys.readouterr().err.split())
