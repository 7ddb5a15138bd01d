"""Files as other tools write them, worked out by hand; and files with every mistake, each named by its place."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from amendment.calibration import (
    LABEL_STUDIO_CONFIG,
    Label,
    LabelFormatName,
    LabelQuestion,
    Leaving,
    PrincipleText,
    format_of_path,
    format_of_row,
    read_labels,
    write_labels,
)
from amendment.errors import DataError
from amendment.records import Candidate, Comparison, Message, Prompt, user
from amendment.tables import read_rows

NOW = "2026-05-01T10:00:00+00:00"
KIND = PrincipleText(id="house/kind", statement="Be kind.")
LEAVING = Leaving(name_of={"Ada": "person-1", "Bo": "person-2"}.__getitem__)


def asked(text: str, *answers: str, is_repeated: bool = False) -> LabelQuestion:
    prompt = Prompt(messages=user(text))
    both = [
        Candidate(prompt_id=prompt.id, messages=(Message(role="assistant", content=one),), kind="imported")
        for one in answers
    ]
    a, b = sorted(both, key=lambda one: one.id)
    return LabelQuestion(
        comparison_id=Comparison.between(a, b).id,
        prompt_id=prompt.id,
        prompt=prompt.messages,
        a_id=a.id,
        b_id=b.id,
        a=a.messages,
        b=b.messages,
        principles=(KIND,),
        is_repeated=is_repeated,
    )


RAIN = asked("Why does it rain?", "Clouds.", "It does not.")
TEA = asked("Tea?", "Green.", "Black.", is_repeated=True)
QUESTIONS = [RAIN, TEA]


def canonical(question: LabelQuestion, showing: int) -> tuple[str, str]:
    """a stands first, and second in the repeat."""
    return (question.a_id, question.b_id) if showing == 0 else (question.b_id, question.a_id)


def blind(name: LabelFormatName) -> Any:
    text = write_labels(name, QUESTIONS, None, leaving=LEAVING, order=canonical)
    if name == "csv":
        return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    return [json.loads(line) for line in text.splitlines()] if name == "jsonl" else json.loads(text)


def items() -> dict[str, str]:
    """The names of items: rain, tea and tea's repeat; in the file the repeat is the last."""
    rows = blind("csv")
    found = {row["prompt"]: row["item"] for row in rows[:2]}
    return {"rain": found["Why does it rain?"], "tea": found["Tea?"], "again": rows[2]["item"]}


def saved(path: Path, content: Any) -> Path:
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, content[0])
            writer.writeheader()
            writer.writerows(content)
    else:
        path.write_text(json.dumps(content))
    return path


def taken(path: Path, *, raters: dict[str, str] | None = None) -> list[Label]:
    rows = read_rows(path)
    name = format_of_row(rows[0].values, path)
    assert name is not None
    return read_labels(name, rows, QUESTIONS, at=NOW, raters=raters)


def said(labels: list[Label]) -> set[tuple[str, str, int, str, int | None, str | None]]:
    """What matters of each: question, annotator, showing, the preferred text or the choice, confidence, comment."""
    told = {RAIN.comparison_id: RAIN, TEA.comparison_id: TEA}
    found = set()
    for one in labels:
        question = told[one.comparison_id]
        texts = {question.a_id: question.a[0].content, question.b_id: question.b[0].content}
        word = {"A": texts[one.shown[0]], "B": texts[one.shown[1]]}.get(one.choice, one.choice)
        asked_for = str(question.prompt[0].content)
        found.add((asked_for, one.annotator, one.showing, str(word), one.confidence, one.comment))
    return found


def a_of(question: LabelQuestion) -> str:
    return str(question.a[0].content)


def b_of(question: LabelQuestion) -> str:
    return str(question.b[0].content)


# What leaves for others to answer.


def test_the_questions_leave_blind_with_the_repeat_turned_and_last() -> None:
    rows = blind("csv")
    assert [row["answer_a"] for row in rows if row["prompt"] == "Tea?"] == [a_of(TEA), b_of(TEA)]
    assert rows[2]["prompt"] == "Tea?"
    assert len({row["item"] for row in rows}) == 3
    assert {row["choice"] + row["annotator"] + row["comparison_id"] for row in rows} == {""}
    assert rows[0]["principles"] == "house/kind: Be kind."


def test_a_label_studio_project_has_the_fields_that_its_interface_shows() -> None:
    interface = ElementTree.fromstring(LABEL_STUDIO_CONFIG)
    wanted = {one.get("value", "")[1:] for one in interface.iter() if (one.get("value") or "").startswith("$")}
    tasks = blind("label-studio")
    assert all(wanted <= set(task["data"]) and task["annotations"] == [] for task in tasks)
    known = {one.get("name") for one in interface.iter()}
    for one in interface.iter():
        assert set(filter(None, (one.get("toName") or "").split(","))) <= known


def test_records_for_argilla_have_a_chat_two_texts_and_no_suggestion() -> None:
    record = next(one for one in blind("argilla") if one["id"] == items()["rain"])
    assert record["fields"] == {
        "prompt": [{"role": "user", "content": "Why does it rain?"}],
        "response_1": a_of(RAIN),
        "response_2": b_of(RAIN),
        "principles": "house/kind: Be kind.",
    }
    assert (record["suggestions"], record["responses"], record["status"]) == ({}, {}, "pending")


# What comes back.


def test_a_spreadsheet_comes_back_filled_in_by_hand(tmp_path: Path) -> None:
    rows = blind("csv")
    by_item = {row["item"]: row for row in rows}
    by_item[items()["rain"]] |= {"choice": " a ", "confidence": "2,0", "comment": "=so it is"}
    by_item[items()["tea"]] |= {"choice": "Both bad"}
    path = saved(tmp_path / "filled.csv", rows)
    path.write_text(path.read_text().replace("=so it is", "'=so it is"))  # as a spreadsheet keeps a text
    found = taken(path, raters={"": "Ada"})
    assert said(found) == {
        ("Why does it rain?", "Ada", 0, a_of(RAIN), 2, "=so it is"),
        ("Tea?", "Ada", 0, "both_bad", None, None),
    }
    assert {one.at for one in found} == {NOW}
    with pytest.raises(DataError, match=r"row 1: annotator: missing; .*--rater NAME(.|\n)*row 2: annotator: missing"):
        taken(path)


def label_studio_export() -> list[dict[str, Any]]:
    """As Label Studio 1.x exports a project (JSON), with keys that nobody needs here."""
    tasks = {task["data"]["item"]: task for task in blind("label-studio")}
    base = {"ground_truth": False, "draft_created_at": None, "task": 7, "result_count": 1, "unique_id": "5e0c"}
    rain, tea, again = (tasks[items()[name]] for name in ("rain", "tea", "again"))
    pick = {"id": "Dx_aB91ISN", "from_name": "pw", "to_name": "text1,text2", "type": "pairwise", "origin": "manual"}
    sure = {"id": "q1", "from_name": "confidence", "to_name": "prompt", "type": "rating", "value": {"rating": 3}}
    note = {"id": "q2", "from_name": "comment", "to_name": "prompt", "type": "textarea", "value": {"text": ["Wet."]}}
    tie = {"id": "q3", "from_name": "other", "to_name": "prompt", "type": "choices", "value": {"choices": ["tie"]}}
    rain |= {"id": 7, "drafts": [], "created_at": "2026-04-01T08:00:00.000000Z", "project": 3, "comment_count": 0}
    rain["annotations"] = [
        {
            **base,
            "id": 101,
            "completed_by": {"id": 4, "email": "ada@example.org", "first_name": "Ada"},
            "result": [{**pick, "value": {"selected": "left"}}, sure, note],
            "was_cancelled": False,
            "created_at": "2026-04-01T09:00:00.513742Z",
            "updated_at": "2026-04-01T09:30:00.746926Z",
            "lead_time": 14.25,
        },
        {
            **base,
            "id": 102,
            "completed_by": 5,
            "result": [],
            "was_cancelled": True,
            "created_at": "2026-04-01T09:10:00Z",
        },
    ]
    second = {**base, "id": 103, "completed_by": 5, "was_cancelled": False, "created_at": "2026-04-01T09:20:00Z"}
    tea["annotations"] = [{**second, "result": [tie], "lead_time": 3}]
    again["annotations"] = [{**second, "result": [{**pick, "value": {"selected": "left"}}]}, {**second, "result": []}]
    return [rain, tea, again]


def test_a_project_of_label_studio_comes_back(tmp_path: Path) -> None:
    path = saved(tmp_path / "project-3.json", label_studio_export())
    found = taken(path, raters={"5": "Bo"})
    assert said(found) == {
        ("Why does it rain?", "ada@example.org", 0, a_of(RAIN), 3, "Wet."),
        ("Why does it rain?", "Bo", 0, "skip", None, None),
        ("Tea?", "Bo", 0, "tie", None, None),
        ("Tea?", "Bo", 1, b_of(TEA), None, None),  # the repeat shows b on the left
    }
    first = next(one for one in found if one.annotator == "ada@example.org")
    assert (first.at, first.seconds) == ("2026-04-01T09:30:00.746926Z", 14.25)
    assert [one.uuid for one in taken(path, raters={"5": "Bo"})] == [one.uuid for one in found]


ADA, BO = "3fa85f64-5717-4562-b3fc-2c963f66afa6", "b7e4cf11-8f2e-4d5a-9c7e-0d4a3c1e2f90"


def test_records_of_argilla_come_back_nested_and_flat(tmp_path: Path) -> None:
    nested = {
        "id": items()["rain"],
        "fields": {"response_1": a_of(RAIN)},
        "metadata": {},
        "suggestions": {},
        "responses": {
            "preference": [{"value": "response_2", "user_id": ADA}, {"value": "tie", "user_id": BO}],
            "confidence": [{"value": 1, "user_id": ADA}],
            "comment": [{"value": "Hm.", "user_id": ADA}],
        },
        "vectors": {},
        "status": "completed",
        "_server_id": "0c1d",
    }
    flat = {
        "id": items()["tea"],
        "status": "pending",
        "response_1": a_of(TEA),
        "preference.responses": ["response_1", None, "flag"],
        "preference.responses.users": [ADA, BO, "someone"],
        "preference.responses.status": ["submitted", "discarded", "draft"],
        "confidence.responses": None,
        "confidence.responses.users": None,
        "confidence.responses.status": None,
        "preference.suggestion": "response_2",
    }
    path = saved(tmp_path / "records.json", [nested, flat])
    assert said(taken(path, raters={ADA: "Ada", BO: "Bo"})) == {
        ("Why does it rain?", "Ada", 0, b_of(RAIN), 1, "Hm."),
        ("Why does it rain?", "Bo", 0, "tie", None, None),
        ("Tea?", "Ada", 0, a_of(TEA), None, None),
        ("Tea?", "Bo", 0, "skip", None, None),
    }


def test_annotated_pairs_of_others_come_back(tmp_path: Path) -> None:
    document = blind("annotated-pairs")
    document["annotators"] = {
        "h1": {"name": "Jo", "type": "human", "description": "a person"},
        "p1": {"description": "Select the kinder response", "type": "principle"},
    }
    said_of = {one["id"]: one["annotations"] for one in document["comparisons"]}
    said_of[items()["rain"]] |= {"h1": {"pref": "text_b"}, "p1": {"pref": "a"}}
    said_of[items()["tea"]] |= {"h1": {"pref": None, "no_pref_reason": "not_applicable"}}
    said_of[items()["again"]] |= {"h1": {"pref": "a"}}
    assert said(taken(saved(tmp_path / "ap.json", document))) == {
        ("Why does it rain?", "Jo", 0, b_of(RAIN), None, None),
        ("Tea?", "Jo", 1, b_of(TEA), None, None),
    }


# Mistakes.


def test_every_mistake_in_a_table_is_named_by_row_and_column(tmp_path: Path) -> None:
    good = {
        "item": items()["rain"],
        "choice": "A",
        "annotator": "Ada",
        "confidence": "",
        "principle": "",
        "comment": "",
    }
    good |= {"seconds": "", "at": ""}
    wrong = [
        {"item": "rain"},
        {"item": "s2:" + "0" * 32},
        {"choice": "C", "annotator": "x1"},
        {"choice": "", "annotator": "x2", "comment": "Which one?"},
        {"annotator": " "},
        {"annotator": "n" * 121},
        {"annotator": "x3", "confidence": "7"},
        {"annotator": "x4", "principle": "house/kinder"},
        {"annotator": "x5", "seconds": "-1"},
        {"annotator": "x6", "at": "yesterday"},
        {"annotator": "x7", "comment": "c" * 10_001},
        {"choice": "B"},
        {},
    ]
    path = saved(tmp_path / "labels.csv", [good, *({**good, **one} for one in wrong)])
    with pytest.raises(DataError) as told:
        taken(path)
    expected = [
        "row 2: item: found 'rain', expected the name of an item as it was exported: s2: and 32 hexadecimal digits",
        f"row 3: item: found 's2:{'0' * 32}', which is no item of this spot check; is the file of another run, or of "
        "an earlier sample?",
        "row 4: choice: found 'C', expected one of a, b, tie, both_bad, skip, flag, both bad",
        "row 5: choice: found nothing, expected one of a, b, tie, both_bad, skip, flag, both bad",
        "row 6: annotator: missing; expected whoever labelled, or say it for the whole file (--rater NAME)",
        "row 7: annotator: found 121 characters, expected at most 120",
        "row 8: confidence: found '7', expected 1 (unsure), 2 or 3 (sure)",
        "row 9: principle: found 'house/kinder', expected one of house/kind",
        "row 10: seconds: found '-1', expected a number of seconds, 0 or more",
        "row 11: at: found 'yesterday', expected a time such as 2026-01-31T09:30:00+00:00",
        "row 12: comment: found 10,001 characters, expected at most 10,000",
        f"row 13: item: {path}: row 1 answers the same item of the same annotator otherwise; expected one answer, or "
        "times that differ",
    ]
    assert str(told.value).splitlines() == [f"{path}: {line}" for line in expected]


def test_a_row_that_stands_there_twice_counts_once_and_a_later_answer_comes_later(tmp_path: Path) -> None:
    first = {"item": items()["rain"], "choice": "A", "annotator": "Ada", "at": "2026-04-02T10:00:00+02:00"}
    later = {**first, "choice": "B", "at": "2026-04-02T09:00:00Z"}
    found = taken(saved(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, [later, first, first]))))
    assert [(one.choice, one.at) for one in found] == [
        ("A", "2026-04-02T08:00:00+00:00"),
        ("B", "2026-04-02T09:00:00Z"),
    ]


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ([{"from_name": "pw", "value": {"selected": "middle"}}], "found 'middle', expected one of left, right"),
        (
            [{"from_name": "pw", "value": {"selected": "left"}}, {"from_name": "other", "value": {"choices": ["tie"]}}],
            "found 'left and tie', expected one of left, right",
        ),
        ([{"from_name": "verdict", "value": {"selected": "left"}}], "found 'verdict', expected one of left, right"),
    ],
)
def test_an_annotation_that_chooses_nothing_we_know_is_named(
    tmp_path: Path, results: list[dict[str, Any]], message: str
) -> None:
    task = {"data": {"item": items()["rain"]}, "annotations": [{"completed_by": 1, "result": results}]}
    with pytest.raises(DataError, match=f"row 1, annotation 1: pw or other: {message}"):
        taken(saved(tmp_path / "ls.json", [task]))


BAD_DOCUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"data": [], "annotations": []}, "row 1: data: expected a task with `data` and `annotations`"),
    ({"data": {"item": 3}, "annotations": []}, "row 1: data.item: found '3', expected the name of an item"),
    ({"data": {"item": "RAIN"}, "annotations": [1]}, "row 1, annotation 1: annotations: expected an object, found int"),
    ({"id": "RAIN", "responses": {"preference": [3]}}, "row 1: responses.preference: expected a list of objects"),
    ({"id": "RAIN", "responses": [3]}, "row 1: responses.preference: expected a list of objects"),
    (
        {"id": "RAIN", "preference.responses": ["tie"], "preference.responses.users": []},
        "row 1: preference.responses: expected lists of one length",
    ),
    (
        {"id": "RAIN", "responses": {"preference": [{"value": "tie", "user_id": None}]}},
        "row 1: user_id: missing; expected whoever labelled",
    ),
    ({"id": None, "responses": {}}, "row 1: id: found nothing, expected the name of an item"),
    ({"id": "RAIN", "annotators": {}, "annotations": 3}, "row 1: annotations: expected an object, found int"),
    (
        {"id": "RAIN", "annotators": {}, "annotations": {"h": "a"}},
        "row 1, annotation h: annotations: expected an object, found str",
    ),
    (
        {"id": "RAIN", "annotators": {}, "annotations": {"h": {"pref": "c"}}},
        "row 1, annotation h: pref: found 'c', expected one of a, b, tie, both_bad, skip, flag",
    ),
]


@pytest.mark.parametrize(("row", "message"), BAD_DOCUMENTS)
def test_documents_that_are_built_otherwise_are_named(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    text = json.dumps([row]).replace("RAIN", items()["rain"])
    with pytest.raises(DataError) as told:
        taken(saved(tmp_path / "labels.json", text))
    assert message in str(told.value)


def test_formats_are_told_by_ending_and_content(tmp_path: Path) -> None:
    assert format_of_path(Path("x.csv")) == "csv"
    assert format_of_path(Path("x.jsonl")) == "jsonl"
    assert format_of_path(Path("x.json")) is None
    assert format_of_row({"prompt": "x"}, Path("x.csv")) is None
    assert format_of_row({"item": "x"}, Path("x.tsv.gz")) == "csv"


def test_labels_of_what_is_not_asked_do_not_leave() -> None:
    label = Label(
        uuid="12345678",
        comparison_id=TEA.comparison_id,
        prompt_id=TEA.prompt_id,
        shown=(TEA.a_id, TEA.b_id),
        annotator="Ada",
        choice="A",
        at=NOW,
    )
    with pytest.raises(DataError, match="1 labels are of comparisons that are not asked"):
        write_labels("csv", [RAIN], [label], leaving=LEAVING, order=canonical)
