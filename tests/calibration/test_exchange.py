"""Spot checks as files: what leaves is blind, what comes back is what was said, and every mistake has its place."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.calibration.exchange import ENDINGS, LabelFormat, label_file, question_file, question_items, read_labels
from amendment.calibration.label import CHOICES, Label
from amendment.calibration.label_tools import LABEL_STUDIO_CONFIG
from amendment.calibration.samples import LabelQuestion, PrincipleText
from amendment.errors import DataError
from amendment.records import Message
from amendment.tables import read_rows
from tests.calibration.exchanged import NOW, blind, items, question_of, said, saved, taken

# What leaves for others to answer.


def test_the_questions_leave_blind_with_the_repeat_turned_and_last() -> None:
    rows = blind("csv")
    (tea,) = [row for row in rows[:2] if row["prompt"] == "Tea?"]
    assert (rows[2]["prompt"], rows[2]["answer_a"]) == ("Tea?", tea["answer_b"])
    assert len({row["item"] for row in rows}) == 3
    assert {row["choice"] + row["annotator"] + row["comparison_id"] for row in rows} == {""}
    assert rows[0]["principles"] == "house/kind: Be kind."


def test_a_label_studio_project_has_the_fields_that_its_interface_shows() -> None:
    interface = ElementTree.fromstring(LABEL_STUDIO_CONFIG)
    wanted = {one.get("value", "")[1:] for one in interface.iter() if (one.get("value") or "").startswith("$")}
    assert all(wanted <= set(task["data"]) for task in blind("label-studio"))


# What comes back.


def shown(name: str) -> tuple[str, str]:
    """The answers to an item as they stand in the files."""
    row = next(row for row in blind("csv") if row["item"] == items()[name])
    return row["answer_a"], row["answer_b"]


def test_a_spreadsheet_comes_back_filled_in_by_hand(tmp_path: Path) -> None:
    rows = blind("csv")
    by_item = {row["item"]: row for row in rows}
    by_item[items()["rain"]] |= {"choice": " a ", "confidence": "2,0", "comment": "'=so it is"}
    by_item[items()["tea"]] |= {"choice": "Both bad"}
    path = saved(tmp_path / "filled.csv", rows)
    found = taken(path, raters={"": "Ada"})
    assert said(found) == {
        ("Why does it rain?", "Ada", 0, shown("rain")[0], 2, "=so it is"),
        ("Tea?", "Ada", 0, "both_bad", None, None),
    }
    assert {one.at for one in found} == {NOW}
    with pytest.raises(DataError, match=r"row 2 and 1 more: annotator: missing; .*--rater NAME"):
        taken(path)


def test_a_project_of_label_studio_comes_back(tmp_path: Path) -> None:
    def choice(name: str, **value: Any) -> dict[str, Any]:
        return {"id": "Dx_aB91ISN", "from_name": name, "to_name": "prompt", "type": "x", "value": value}

    tasks = {task["data"]["item"]: task for task in blind("label-studio")}
    rain, tea, again = (tasks[items()[name]] for name in ("rain", "tea", "again"))
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
    found = taken(path, raters={"5": "Bo"})
    assert said(found) == {
        ("Why does it rain?", "ada@example.org", 0, shown("rain")[0], 3, "Wet."),
        ("Why does it rain?", "Bo", 0, "skip", None, None),
        ("Tea?", "Bo", 0, "tie", None, None),
        ("Tea?", "Bo", 1, shown("again")[0], None, None),
    }
    first_label = next(one for one in found if one.annotator == "ada@example.org")
    assert (first_label.at, first_label.seconds) == ("2026-04-01T09:30:00.746926+00:00", 14.25)
    assert [one.uuid for one in taken(path, raters={"5": "Bo"})] == [one.uuid for one in found]


def test_records_of_argilla_come_back(tmp_path: Path) -> None:
    ada, bo = "3fa85f64-5717-4562-b3fc-2c963f66afa6", "b7e4cf11-8f2e-4d5a-9c7e-0d4a3c1e2f90"
    rain = {
        "id": items()["rain"],
        "preference.responses": ["response_2", "tie"],
        "preference.responses.users": [ada, bo],
        "preference.responses.status": ["submitted", "submitted"],
        "comment.responses": ["Hm."],
        "comment.responses.users": [ada],
        "comment.responses.status": ["submitted"],
    }
    tea = {
        "id": items()["tea"],
        "preference.responses": ["response_1", None, "flag"],
        "preference.responses.users": [ada, bo, "someone"],
        "preference.responses.status": ["submitted", "discarded", "draft"],
        "confidence.responses": None,
    }
    assert said(taken(saved(tmp_path / "records.json", [rain, tea]), raters={ada: "Ada", bo: "Bo"})) == {
        ("Why does it rain?", "Ada", 0, shown("rain")[1], None, "Hm."),
        ("Why does it rain?", "Bo", 0, "tie", None, None),
        ("Tea?", "Ada", 0, shown("tea")[0], None, None),
        ("Tea?", "Bo", 0, "skip", None, None),
    }


def test_a_name_in_a_file_is_the_same_person_as_on_the_page(tmp_path: Path) -> None:
    row = {"item": items()["rain"], "choice": "A"}
    rows = [{**row, "annotator": "Zoe\u0308  Doe "}, {"item": items()["tea"], "choice": "B", "annotator": "z."}]
    found = taken(saved(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, rows))), raters={"z.": " Zo\u00eb Doe"})
    assert [one.annotator for one in found] == ["Zo\u00eb Doe"] * 2


# Mistakes.


def test_every_mistake_in_a_table_is_named_by_row_and_column(tmp_path: Path) -> None:
    good = dict.fromkeys(["confidence", "principle", "comment", "seconds", "at"], "")
    good |= {"item": items()["rain"], "choice": "A", "annotator": "Ada"}
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
        ("item", {"choice": "B"}),
    ]
    path = saved(tmp_path / "labels.csv", [good, *({**good, **one} for _, one in wrong)])
    with pytest.raises(DataError) as told:
        taken(path)
    places = [problem.place for problem in told.value.problems]
    assert places == [f"{path}: row {row}: {column}" for row, (column, _) in enumerate(wrong, start=3)]


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
def test_documents_that_are_built_otherwise_are_named(tmp_path: Path, row: dict[str, Any], place: str) -> None:
    with pytest.raises(DataError) as told:
        taken(saved(tmp_path / "labels.json", json.dumps([row]).replace("RAIN", items()["rain"])))
    assert place in told.value.problems[0].place


# Out and back, for any text.

HOSTILE = ["=1+1", "'=1", "+cmd|' /C calc'!A0", '"', "\n", "a\r\nb", "\x00", "\u202eabc", " @x", "text_a", "[1]", "{}"]
words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(HOSTILE)
PSEUDONYMS = {"Ada Lovelace": "person-2", "bo@example.org": "person-1", "=HYPERLINK(1)": "person-3"}


class SpotCheck(NamedTuple):
    questions: list[LabelQuestion]
    labels: list[Label]


@st.composite
def asked(draw: st.DrawFn) -> LabelQuestion:
    turns = draw(st.lists(words, min_size=1, max_size=2))
    messages = tuple(Message(role="user" if i == 0 else "assistant", content=turn) for i, turn in enumerate(turns))
    texts = draw(st.lists(words, min_size=2, max_size=2, unique=True))
    principles = tuple(PrincipleText(id=f"house/{i}", statement=draw(words)) for i in range(draw(st.integers(0, 2))))
    return question_of(messages, texts, principles=principles, is_repeated=draw(st.booleans()))


@st.composite
def labelled(draw: st.DrawFn, question: LabelQuestion, annotator: str, showing: int, number: int) -> Label:
    ids = (question.a_id, question.b_id)
    return Label(
        uuid=f"browser-{number}",
        comparison_id=question.comparison_id,
        prompt_id=question.prompt_id,
        shown=ids if draw(st.booleans()) else ids[::-1],
        annotator=annotator,
        showing=showing,
        choice=draw(st.sampled_from(CHOICES)),
        confidence=draw(st.none() | st.integers(1, 3)),
        principle_id=draw(st.sampled_from([None, *(one.id for one in question.principles)])),
        comment=draw(st.none() | words),
        seconds=draw(st.none() | st.floats(0, 1e4)),
        at=draw(st.datetimes().map(lambda time: f"{time.isoformat()}+00:00")),
    )


@st.composite
def spot_checks(draw: st.DrawFn) -> SpotCheck:
    questions = draw(st.lists(asked(), min_size=1, max_size=3, unique_by=lambda one: one.comparison_id))
    keys = st.tuples(st.integers(0, len(questions) - 1), st.sampled_from([*PSEUDONYMS]), st.integers(0, 1))
    chosen = draw(st.lists(keys, min_size=1, max_size=6, unique=True))
    return SpotCheck(
        questions, [draw(labelled(questions[i], name, showing, n)) for n, (i, name, showing) in enumerate(chosen)]
    )


def through_a_file(text: str, name: LabelFormat) -> list[Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"labels{'.json' if name in ('argilla', 'label-studio') else f'.{name}'}"
        path.write_bytes(text.encode("utf-8"))
        return read_rows(path)


def facts(labels: list[Label]) -> list[dict[str, Any]]:
    plain = [{k: v for k, v in one.to_json().items() if k not in ("uuid", "comment")} for one in labels]
    return sorted(plain, key=lambda one: (one["comparison_id"], one["annotator"], one["showing"]))


@pytest.mark.parametrize("name", ["csv", "jsonl"])
@settings(max_examples=50)
@given(check=spot_checks())
def test_labels_come_back_as_they_went_without_names_and_comments(name: LabelFormat, check: SpotCheck) -> None:
    labels = [one.model_copy(update={"comment": "private words"}) for one in check.labels]
    text = label_file(name, check.questions, labels, name_of=PSEUDONYMS.__getitem__)
    for word in ("private words", "browser-", "Lovelace", "bo@example", "HYPERLINK"):
        assert word not in text
    back = {pseudonym: name for name, pseudonym in PSEUDONYMS.items()}
    rows = through_a_file(text, name)
    found = read_labels(rows, check.questions, at=NOW, raters=back)
    assert facts(found) == facts(check.labels)
    again = read_labels(rows, check.questions, at="2027-01-01T00:00:00+00:00", raters=back)
    assert [one.uuid for one in again] == [one.uuid for one in found]
    with_comments = label_file(name, check.questions, labels, name_of=PSEUDONYMS.__getitem__, comments=str.upper)
    rows = through_a_file(with_comments, name)
    assert {one.comment for one in read_labels(rows, check.questions, at=NOW)} == {"PRIVATE WORDS"}


@pytest.mark.parametrize("name", ENDINGS)
@settings(max_examples=30)
@given(check=spot_checks())
def test_questions_leave_without_labels_and_ids(name: LabelFormat, check: SpotCheck) -> None:
    text = question_file(name, question_items(check.questions, seed=0))
    assert len(through_a_file(text, name)) == sum(2 if one.is_repeated else 1 for one in check.questions)
    for question in check.questions:
        for told in (question.comparison_id, question.a_id, question.b_id, question.prompt_id):
            assert told not in text
