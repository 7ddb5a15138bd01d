"""Spot checks as files: what leaves is blind, what comes back is what was said, and every mistake has its place."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.data.store import Workspace
from amendment.errors import ConfigError, DataError
from amendment.people.exchange import (
    ENDINGS,
    LabelFormat,
    export_labels,
    export_questions,
    import_labels,
    label_file,
    question_file,
    question_items,
    read_labels,
)
from amendment.people.label_tools import LABEL_STUDIO_CONFIG
from amendment.people.labelling import SAMPLE, SPOT_CHECK
from amendment.people.samples import CHOICES, SOMETHING_ELSE, Label, LabelQuestion, PrincipleText, SampledItem
from amendment.people.store import Labels
from amendment.records import Candidate, Comparison, Message, Prompt
from amendment.tables import read_rows
from tests.command_line import called

NOW = "2026-05-01T10:00:00+00:00"
KIND = PrincipleText(id="house/kind", statement="Be kind.")


def question_of(turns: Sequence[str], answers: Sequence[str], **more: Any) -> LabelQuestion:
    """A comparison of two answers; `more` are fields of the question."""
    roles = ("user", "assistant")
    prompt = Prompt(messages=tuple(Message(role=roles[i % 2], content=turn) for i, turn in enumerate(turns)))
    texts = [(Message(role="assistant", content=text),) for text in answers]
    both = [Candidate(prompt_id=prompt.id, messages=text, kind="imported") for text in texts]
    a, b = sorted(both, key=lambda candidate: candidate.id)
    ids = {"comparison_id": Comparison.between(a, b).id, "prompt_id": prompt.id, "a_id": a.id, "b_id": b.id}
    return LabelQuestion(prompt=prompt.messages, a=a.messages, b=b.messages, **ids, **more)


RAIN = question_of(["Why does it rain?"], ["Clouds.", "It does not."], principles=(KIND,), in_overlap=True)
TEA = question_of(["Tea?"], ["Green.", "Black."], principles=(KIND,), is_repeated=True)
QUESTIONS = [RAIN, TEA]


def label(question: LabelQuestion, annotator: str, choice: Any = "A", *, day: int = 1, **more: Any) -> Label:
    ids = (question.a_id, question.b_id)
    return Label(
        uuid=f"{annotator}-{question.prompt_id[-8:]}-{choice}-{more.get('showing', 0)}",
        comparison_id=question.comparison_id,
        prompt_id=question.prompt_id,
        shown=ids[::-1] if more.get("showing") else ids,
        annotator=annotator,
        choice=choice,
        at=f"2026-04-0{day}T09:00:00+00:00",
        **more,
    )


LABELS = [
    label(RAIN, "Ada Lovelace"),
    label(TEA, "Ada Lovelace", "B"),
    label(TEA, "Ada Lovelace", "B", showing=1, confidence=3),
    label(RAIN, "bo@example.org", "tie", comment="As Ada Lovelace said.", seconds=2.5),
]


def run_folder(path: Path, labels: Sequence[Label] = ()) -> Path:
    """A run's folder after the stage spot_check, with labels; the question about tea is sealed."""
    path.mkdir()
    (path / "run.yaml").write_text("name: sent\nseed: 3\nspot_check: {annotators: 2}\n")
    place = Workspace(path)
    place.write(SPOT_CHECK.questions, LabelQuestion, QUESTIONS)
    drawn: dict[str, Any] = {"p_a": 0.5, "stratum": "all", "inclusion": 1}
    ids = [{"prompt_id": one.prompt_id, "a": one.a_id, "b": one.b_id, "is_sealed": one is TEA} for one in QUESTIONS]
    place.write(SAMPLE, SampledItem, [SampledItem.model_validate({**drawn, **one}) for one in ids])
    with Labels(path / "labels.sqlite") as store:
        for one in labels:
            store.add(one)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return run_folder(tmp_path / "run")


def current(folder: Path) -> list[Label]:
    with Labels(folder / "labels.sqlite", read_only=True) as store:
        return store.current()


def said(folder: Path) -> set[tuple[str, str, int, str, int | None, str | None]]:
    """Of each label the question, annotator, showing, the preferred text or the choice, confidence, comment."""
    rows, questions = set(), {one.comparison_id: one for one in QUESTIONS}
    for one in current(folder):
        question = questions[one.comparison_id]
        texts = {question.a_id: question.a[0].content, question.b_id: question.b[0].content}
        word = {"A": texts[one.shown[0]], "B": texts[one.shown[1]]}.get(one.choice, one.choice)
        rows.add((str(question.prompt[0].content), one.annotator, one.showing, str(word), one.confidence, one.comment))
    return rows


def asked(form: LabelFormat) -> Any:
    """The questions as a file has them."""
    text = question_file(form, question_items(QUESTIONS, seed=3))
    return list(csv.DictReader(text.removeprefix("\ufeff").splitlines())) if form == "csv" else json.loads(text)


ROWS = asked("csv")
(RAIN_ROW,) = [row for row in ROWS if row["prompt"] == "Why does it rain?"]
TEA_ROW, AGAIN_ROW = [row for row in ROWS if row["prompt"] == "Tea?"]


def saved(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], delimiter=";")
            writer.writeheader()
            writer.writerows(rows)
    else:
        path.write_text(json.dumps(rows))
    return path


# What leaves for others to answer.


def test_the_questions_leave_blind_with_the_repeat_turned_and_last() -> None:
    assert ROWS[2] is AGAIN_ROW
    assert AGAIN_ROW["answer_a"] == TEA_ROW["answer_b"]
    assert len({row["item"] for row in ROWS}) == 3
    assert {row["choice"] + row["annotator"] + row["comparison_id"] for row in ROWS} == {""}
    assert ROWS[0]["principles"] == "house/kind: Be kind."


def test_a_label_studio_project_has_the_fields_that_its_interface_shows() -> None:
    values = [element.get("value") or "" for element in ElementTree.fromstring(LABEL_STUDIO_CONFIG).iter()]
    wanted = {value[1:] for value in values if value.startswith("$")}
    assert all(wanted <= set(task["data"]) for task in asked("label-studio"))


# What comes back.


def test_a_spreadsheet_comes_back_filled_in_by_hand(folder: Path, tmp_path: Path) -> None:
    filled = [
        {**RAIN_ROW, "choice": " a ", "confidence": "2,0", "comment": "'=so it is"},
        {**TEA_ROW, "choice": "Both bad"},
        AGAIN_ROW,
    ]
    path = saved(tmp_path / "filled.csv", filled)
    with pytest.raises(DataError, match=r"row 2 and 1 more: annotator: missing; .*--rater NAME"):
        import_labels(folder, path)
    taken = import_labels(folder, path, raters=["Ada"])
    assert (taken.new, taken.missing) == (2, 1)  # the overlap waits for somebody else
    assert said(folder) == {
        ("Why does it rain?", "Ada", 0, RAIN_ROW["answer_a"], 2, "=so it is"),
        ("Tea?", "Ada", 0, "both_bad", None, None),
    }


def test_a_row_whose_answers_changed_places_is_refused_and_white_space_may_change(folder: Path, tmp_path: Path) -> None:
    row = {**TEA_ROW, "choice": "A", "annotator": "Ada"}
    turned = {**row, "answer_a": row["answer_b"], "answer_b": row["answer_a"]}
    with pytest.raises(DataError, match=r"row 2: answer_a: another text .*\n.*row 2: answer_b: another text"):
        import_labels(folder, saved(tmp_path / "turned.csv", [turned]))
    spaced = {**row, "answer_a": f" {row['answer_a']}\r\n"}
    assert import_labels(folder, saved(tmp_path / "spaced.csv", [spaced])).new == 1


def test_a_project_of_label_studio_comes_back(folder: Path, tmp_path: Path) -> None:
    def choice(name: str, **value: Any) -> dict[str, Any]:
        return {"id": "Dx_aB91ISN", "from_name": name, "to_name": "prompt", "type": "x", "value": value}

    tasks = {task["data"]["item"]: task for task in asked("label-studio")}
    rain, tea, again = (tasks[row["item"]] for row in (RAIN_ROW, TEA_ROW, AGAIN_ROW))
    first = [choice("pw", selected="left"), choice("confidence", rating=3), choice("comment", text=["Wet."])]
    ada = {"completed_by": {"id": 4, "email": "ada@example.org"}, "result": first, "was_cancelled": False}
    bo = {"completed_by": 5, "was_cancelled": False, "created_at": "2026-04-01T09:20:00Z"}
    rain["annotations"] = [
        {**ada, "updated_at": "2026-04-01T09:30:00.746926Z", "lead_time": 14.25},
        {**bo, "result": [], "was_cancelled": True},
    ]
    tea["annotations"] = [{**bo, "result": [choice("other", choices=["tie"])], "lead_time": 3}]
    again["annotations"] = [{**bo, "result": [choice("pw", selected="left")]}, {**bo, "result": []}]
    path = saved(tmp_path / "project-3.json", [rain, tea, again])
    assert import_labels(folder, path, raters=["5=Bo"]).new == 4
    assert said(folder) == {
        ("Why does it rain?", "ada@example.org", 0, RAIN_ROW["answer_a"], 3, "Wet."),
        ("Why does it rain?", "Bo", 0, "skip", None, None),
        ("Tea?", "Bo", 0, "tie", None, None),
        ("Tea?", "Bo", 1, AGAIN_ROW["answer_a"], None, None),
    }
    (timed,) = [one for one in current(folder) if one.annotator == "ada@example.org"]
    assert (timed.at, timed.seconds) == ("2026-04-01T09:30:00.746926+00:00", 14.25)
    assert import_labels(folder, path, raters=["5=Bo"]).known == 4


def test_records_of_argilla_come_back(folder: Path, tmp_path: Path) -> None:
    def responses(question: str, values: list[Any], users: list[str], status: Sequence[str]) -> dict[str, Any]:
        return {
            f"{question}.responses": values,
            f"{question}.responses.users": users,
            f"{question}.responses.status": list(status),
        }

    submitted = ["submitted"] * 2
    rain = {
        "id": RAIN_ROW["item"],
        **responses("preference", ["response_2", "tie"], ["user-1", "user-2"], submitted),
        **responses("comment", ["Hm."], ["user-1"], submitted[:1]),
    }
    people = ["user-1", "user-2", "user-3"]
    tea = {
        "id": TEA_ROW["item"],
        **responses("preference", ["response_1", None, "flag"], people, ["submitted", "discarded", "draft"]),
        "confidence.responses": None,
    }
    import_labels(folder, saved(tmp_path / "records.json", [rain, tea]), raters=["user-1=Ada", "user-2=Bo"])
    assert said(folder) == {
        ("Why does it rain?", "Ada", 0, RAIN_ROW["answer_b"], None, "Hm."),
        ("Why does it rain?", "Bo", 0, "tie", None, None),
        ("Tea?", "Ada", 0, TEA_ROW["answer_a"], None, None),
        ("Tea?", "Bo", 0, "skip", None, None),
    }


# Who labelled.


@pytest.mark.parametrize("file", ["x.csv", "x.jsonl"])
def test_labels_move_to_another_machine_under_pseudonyms(tmp_path: Path, file: str) -> None:
    here, there, path = run_folder(tmp_path / "here", LABELS), run_folder(tmp_path / "there"), tmp_path / file
    assert export_labels(here, path, comments=True, sealed=True)[:4] == (4, 2, 0, True)
    assert not any(name in path.read_text() for name in ("Lovelace", "bo@example"))
    assert import_labels(there, path) == (4, 2, 0, 0)
    names = {one.annotator for one in current(there)}
    assert names == {"person-1", "person-2"}
    (comment,) = [one.comment for one in current(there) if one.comment]
    assert comment in {f"As {name} said." for name in names}
    assert {row[:1] + row[2:5] for row in said(there)} == {row[:1] + row[2:5] for row in said(here)}
    before = current(there)
    assert import_labels(there, path)[:3] == (0, 0, 4)
    assert current(there) == before


def test_a_pseudonym_that_may_be_somebody_here_is_asked_for(tmp_path: Path) -> None:
    path, folder = tmp_path / "x.csv", run_folder(tmp_path / "here", LABELS)
    export_labels(run_folder(tmp_path / "there", [label(TEA, "Cy", "tie")]), path, sealed=True)
    with pytest.raises(DataError, match=r"x.csv: person-1: a pseudonym, perhaps .* \(--rater person-1=NAME\)"):
        import_labels(folder, path)
    assert len(current(folder)) == 4
    assert import_labels(folder, path, raters=["person-1= Cy\u200b "]).new == 1
    assert {one.annotator for one in current(folder)} == {"Ada Lovelace", "bo@example.org", "Cy"}
    with pytest.raises(
        ConfigError, match=r"--rater person-7=Di: .* has no labels of that annotator; annotators: person-1"
    ):
        import_labels(folder, path, raters=["person-7=Di"])
    for bad in (["Cy", "Di"], ["person-1="], [""]):
        with pytest.raises(ConfigError, match="expected NAME at most once"):
            import_labels(folder, path, raters=bad)


def test_whoever_has_answered_again_since_keeps_the_later_answer(tmp_path: Path) -> None:
    first, later, path = label(TEA, "Ada", "A"), label(TEA, "Ada", "B", day=2), tmp_path / "x.csv"
    export_labels(run_folder(tmp_path / "old", [first]), path, sealed=True)
    assert import_labels(run_folder(tmp_path / "new", [later]), path, raters=["person-1=Ada"])[:3] == (0, 0, 1)
    export_labels(tmp_path / "new", path, sealed=True)
    assert import_labels(tmp_path / "old", path, raters=["person-1=Ada"]).new == 1
    assert [one.choice for one in current(tmp_path / "old")] == ["B"]


def test_a_file_brings_no_simulated_people(folder: Path, tmp_path: Path) -> None:
    name = "Simulated Person 2"
    file = saved(tmp_path / "x.csv", [{**RAIN_ROW, "choice": "A", "annotator": name}])
    with pytest.raises(DataError, match=rf"{name} is a name reserved for simulated people; say who it is \(--rater"):
        import_labels(folder, file)
    with pytest.raises(ConfigError, match=rf"--rater .*: {name} is a name reserved for simulated people"):
        import_labels(folder, file, raters=[f"Ada={name}"])
    assert current(folder) == []
    assert import_labels(folder, file, raters=[f"{name}=Ada"]).new == 1


def crowd(path: Path, answers: dict[str, str]) -> Path:
    """A file of labels on thirty questions; the answers of each person are a letter for each question."""
    rows = [
        {"item": item.name, "choice": choice, "annotator": name}
        for name, choices in answers.items()
        for item, choice in zip(question_items(CROWD, seed=3), choices, strict=True)
    ]
    return saved(path, rows)


CROWD = [question_of([f"Question {i}?"], ["Yes.", "No."], in_overlap=True) for i in range(30)]
ADA = "ABBAB" * 6


def test_the_labels_of_one_person_under_a_second_name_are_refused(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    Workspace(folder).write(SPOT_CHECK.questions, LabelQuestion, CROWD)
    others = {"Bo": "B" + ADA[1:-1] + "A", "Cy": ADA[:-1] + "A"}  # of one mind but for an answer or two
    assert import_labels(folder, crowd(tmp_path / "ada.csv", {"Ada": ADA, **others})).new == 90
    twice = crowd(tmp_path / "twice.csv", {"Di": ADA})
    with pytest.raises(DataError, match=r"twice.csv: Di gives the same answers as Ada, .*--rater 'Di=Ada'"):
        import_labels(folder, twice)
    assert len(current(folder)) == 90
    assert import_labels(folder, twice, raters=["Di=Ada"]).new == 0
    few = [{"item": item.name, "choice": "A", "annotator": "Ed"} for item in question_items(CROWD[:5], seed=3)]
    assert import_labels(folder, saved(tmp_path / "few.csv", few)).new == 5  # five alike are no proof
    timed = [{**row, "seconds": 3.5 + i} for i, row in enumerate(few)]
    for row in timed:
        row["annotator"] = "Flo"
    assert import_labels(folder, saved(tmp_path / "flo.csv", timed)).new == 5
    with pytest.raises(DataError, match="Gus gives the same answers as Flo"):
        import_labels(folder, saved(tmp_path / "gus.csv", [{**row, "annotator": "Gus"} for row in timed]))


def test_the_labels_of_a_person_can_be_withdrawn_and_stay_in_the_history(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run_folder(tmp_path / "run", LABELS)
    assert called("label", str(folder), "--forget", "Ada") == 2
    assert "annotators: Ada Lovelace, bo@example.org" in capsys.readouterr().err
    assert called("label", str(folder), "--forget", "Ada Lovelace") == 0
    printed = capsys.readouterr().out
    assert "3 labels of Ada Lovelace withdrawn" in printed
    assert "2 labels are missing" in printed
    assert {one.annotator for one in current(folder)} == {"bo@example.org"}
    with Labels(folder / "labels.sqlite", read_only=True) as store:
        assert len(store.history()) == 4


# Mistakes.


def test_every_mistake_in_a_table_is_named_by_row_and_column(folder: Path, tmp_path: Path) -> None:
    good = {**RAIN_ROW, "choice": "A", "annotator": "Ada"}
    wrong = [
        ("item", {"item": "s2:" + "0" * 32}),
        ("choice", {"choice": "C", "annotator": "x1"}),
        ("choice", {"choice": "", "annotator": "x2", "comment": "Which one?"}),
        ("annotator", {"annotator": " "}),
        ("annotator", {"annotator": "n" * 121}),
        ("confidence", {"annotator": "x3", "confidence": "7"}),
        ("principle", {"annotator": "x4", "principle": "house/kinder"}),
        ("seconds", {"annotator": "x5", "seconds": "-1"}),
        ("at", {"annotator": "x6", "at": "yesterday"}),
        ("comment", {"annotator": "x7", "comment": "c" * 10_001}),
        ("answer_a", {"annotator": "x8", "answer_a": "changed"}),
        ("item", {"choice": "B"}),
    ]
    path = saved(tmp_path / "labels.csv", [good, *({**good, **changed} for _, changed in wrong)])
    with pytest.raises(DataError) as refused:
        import_labels(folder, path)
    places = [problem.place for problem in refused.value.problems]
    assert places == [f"{path}: row {row}: {column}" for row, (column, _) in enumerate(wrong, start=3)]
    assert current(folder) == []


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ({"data": [], "annotations": []}, "row 1: annotations"),
        ({"data": {"item": 3}, "annotations": [{"completed_by": 1, "was_cancelled": True}]}, "annotation 1: item"),
        ({"data": {"item": "RAIN"}, "annotations": [1]}, "row 1: annotations"),
        ({"data": {"item": "RAIN"}, "annotations": [{"result": [{"from_name": "x", "value": {"y": "z"}}]}]}, "choice"),
        ({"id": "RAIN", "responses": {"preference": [{"value": "tie"}]}}, "row 1: preference"),
        ({"id": "RAIN", "preference.responses": ["tie"], "preference.responses.users": []}, "row 1: preference"),
        ({"item": "RAIN", "text1": "x", "pw": "left"}, "row 1"),  # Label Studio calls it JSON-MIN
    ],
)
def test_documents_that_are_built_otherwise_are_named(
    folder: Path, tmp_path: Path, row: dict[str, Any], place: str
) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([row]).replace("RAIN", RAIN_ROW["item"]))
    with pytest.raises(DataError) as refused:
        import_labels(folder, path)
    assert place in refused.value.problems[0].place


# Out and back, for any text.

HOSTILE = ["=1+1", "'=1", "+cmd|' /C calc'!A0", '"', "\n", "a\r\nb", "\x00", "\u202eabc", " @x", "text_a", "[1]", "{}"]
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(HOSTILE)
PSEUDONYMS = {"Ada Lovelace": "person-2", "bo@example.org": "person-1", "=HYPERLINK(1)": "person-3"}


@st.composite
def questions(draw: st.DrawFn) -> LabelQuestion:
    turns = draw(st.lists(words, min_size=1, max_size=2))
    texts = draw(st.lists(words, min_size=2, max_size=2, unique=True))
    principles = tuple(PrincipleText(id=f"house/{i}", statement=draw(words)) for i in range(draw(st.integers(0, 2))))
    return question_of(turns, texts, principles=principles, is_repeated=draw(st.booleans()))


@st.composite
def spot_checks(draw: st.DrawFn) -> tuple[list[LabelQuestion], list[Label]]:
    drawn = draw(st.lists(questions(), min_size=1, max_size=3, unique_by=lambda question: question.comparison_id))
    keys = st.tuples(st.integers(0, len(drawn) - 1), st.sampled_from([*PSEUDONYMS]), st.integers(0, 1))
    labels = []
    for place, annotator, showing in draw(st.lists(keys, min_size=1, max_size=6, unique=True)):
        question = drawn[place]
        made = label(question, annotator, draw(st.sampled_from(CHOICES)), showing=showing)
        changed = {
            "confidence": draw(st.none() | st.integers(1, 3)),
            "principle_id": draw(st.sampled_from([None, SOMETHING_ELSE, *(one.id for one in question.principles)])),
            "comment": "private words",
            "seconds": draw(st.none() | st.floats(0, 1e4)),
            "at": draw(st.datetimes().map(lambda time: f"{time.isoformat()}+00:00")),
        }
        labels.append(made.model_copy(update=changed))
    return drawn, labels


def through_a_file(text: str, form: LabelFormat) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{ENDINGS[form]}"
        path.write_bytes(text.encode("utf-8"))
        return read_rows(path)


def facts(labels: list[Label]) -> list[dict[str, Any]]:
    kept = [{k: v for k, v in one.to_json().items() if k not in ("uuid", "comment")} for one in labels]
    return sorted(kept, key=lambda one: (one["comparison_id"], one["annotator"], one["showing"]))


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@settings(max_examples=50)
@given(check=spot_checks())
def test_labels_come_back_as_they_went_without_names_and_comments(
    form: LabelFormat, check: tuple[list[LabelQuestion], list[Label]]
) -> None:
    asked_about, labels = check
    text = label_file(form, asked_about, labels, name_of=PSEUDONYMS.__getitem__)
    assert not any(word in text for word in ("private words", "Lovelace", "bo@example", "HYPERLINK"))
    back = {pseudonym: name for name, pseudonym in PSEUDONYMS.items()}
    rows = through_a_file(text, form)
    read = read_labels(rows, asked_about, at=NOW, raters=back)
    assert facts(read) == facts(labels)
    again = read_labels(rows, asked_about, at="2027-01-01T00:00:00+00:00", raters=back)
    assert [one.uuid for one in again] == [one.uuid for one in read]
    text = label_file(form, asked_about, labels, name_of=PSEUDONYMS.__getitem__, comments=str.upper)
    assert {one.comment for one in read_labels(through_a_file(text, form), asked_about, at=NOW)} == {"PRIVATE WORDS"}


@pytest.mark.parametrize("form", ENDINGS)
@settings(max_examples=30)
@given(drawn=st.lists(questions(), min_size=1, max_size=3, unique_by=lambda question: question.comparison_id))
def test_questions_leave_without_labels_and_ids(form: LabelFormat, drawn: list[LabelQuestion]) -> None:
    text = question_file(form, question_items(drawn, seed=0))
    assert len(through_a_file(text, form)) == sum(2 if question.is_repeated else 1 for question in drawn)
    for question in drawn:
        hidden = (question.comparison_id, question.a_id, question.b_id, question.prompt_id)
        assert not any(name in text for name in hidden)


# The command.


def test_the_command_sends_and_takes_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here, there = str(run_folder(tmp_path / "here", LABELS)), str(run_folder(tmp_path / "there"))
    path = str(tmp_path / "x.jsonl")
    assert called("label", here, "--export", path) == 0
    assert "Left out 2 sealed labels; --sealed exports them too" in capsys.readouterr().out
    with Labels(Path(here) / "labels.sqlite", read_only=True) as store:
        assert store.seal_openings() == 0
    assert called("label", here, "--export", path, "--sealed") == 0
    printed = capsys.readouterr()
    assert "4 labels of 2 people under pseudonyms, without comments (--comments writes them too)." in printed.out
    assert "opening the seal" in printed.err
    assert called("label", there, "--import", path) == 0
    assert (
        "4 new labels of 2 people.\nNo labels are missing. Resume with: amendment run FILE" in capsys.readouterr().out
    )
    assert called("label", there, "--import", path) == 0
    assert "0 new labels, 4 already here." in capsys.readouterr().out
    tasks = ("--export", str(tmp_path / "q.json"), "--questions", "--format", "label-studio")
    assert called("label", there, *tasks) == 0
    assert "q.json: 3 items without labels." in capsys.readouterr().out
    assert (tmp_path / "q-interface.xml").read_text() == LABEL_STUDIO_CONFIG
    assert export_questions(Path(there), tmp_path / "q.csv").lines == 3
