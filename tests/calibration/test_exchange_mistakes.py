"""Files with every mistake, each named by its place; and what is no mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.calibration.exchange import format_of_path, format_of_row, write_labels
from amendment.calibration.labels import Label
from amendment.errors import DataError
from tests.calibration.exchanged import (
    LEAVING,
    NOW,
    RAIN,
    TEA,
    canonical,
    items,
    saved,
    taken,
)


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
        "row 3: item: found 'rain', expected the name of an item as it was exported: s2: and 32 hexadecimal digits",
        f"row 4: item: found 's2:{'0' * 32}', which is no item of this spot check; is the file of another run, or of "
        "an earlier sample?",
        "row 5: choice: found 'C', expected one of A, B, tie, both_bad, skip, flag",
        "row 6: choice: found nothing, expected one of A, B, tie, both_bad, skip, flag",
        "row 7: annotator: missing; expected whoever labelled, or say it for the whole file (--rater NAME)",
        "row 8: annotator: found 121 characters, expected at most 120",
        "row 9: confidence: found '7', expected 1 (unsure), 2 or 3 (sure)",
        "row 10: principle: found 'house/kinder', expected one of house/kind",
        "row 11: seconds: found '-1', expected a number of seconds, 0 or more",
        "row 12: at: found 'yesterday', expected a time such as 2026-01-31T09:30:00+00:00",
        "row 13: comment: found 10,001 characters, expected at most 10,000",
        f"row 14: item: {path}: row 2 answers the same item of the same annotator otherwise; expected one answer, or "
        "times that differ",
    ]
    assert str(told.value).splitlines() == [f"{path}: {line}" for line in expected]


def test_a_mistake_that_many_rows_make_is_told_once_with_how_many_they_are(tmp_path: Path) -> None:
    rows = [{"item": items()["rain"], "choice": "A"}, {"item": items()["tea"], "choice": "C", "annotator": "Ada"}]
    rows += [{"item": items()["tea"], "choice": "B"}] * 3
    path = saved(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError) as told:
        taken(path)
    assert str(told.value).splitlines() == [
        f"{path}: line 1 and 3 more: annotator: missing; expected whoever labelled, or say it for the whole file "
        "(--rater NAME)",
        f"{path}: line 2: choice: found 'C', expected one of A, B, tie, both_bad, skip, flag",
    ]


def test_a_row_that_stands_there_twice_counts_once_and_a_later_answer_comes_later(tmp_path: Path) -> None:
    first = {"item": items()["rain"], "choice": "A", "annotator": "Ada", "at": "2026-04-02T10:00:00+02:00"}
    later = {**first, "choice": "B", "at": "2026-04-02T09:00:00Z"}
    found = taken(saved(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, [later, first, first]))))
    assert [(one.choice, one.at) for one in found] == [
        ("A", "2026-04-02T08:00:00+00:00"),
        ("B", "2026-04-02T09:00:00Z"),
    ]


def test_a_name_in_a_file_is_the_same_person_as_on_the_page(tmp_path: Path) -> None:
    row = {"item": items()["rain"], "choice": "A"}
    rows = [{**row, "annotator": "Zoe\u0308  Doe "}, {"item": items()["tea"], "choice": "B", "annotator": "z."}]
    found = taken(saved(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, rows))), raters={"z.": " Zo\u00eb Doe"})
    assert [one.annotator for one in found] == ["Zo\u00eb Doe"] * 2


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


def test_a_table_without_a_place_for_the_choice_is_no_table_without_answers(tmp_path: Path) -> None:
    # what Label Studio calls JSON-MIN: the task's data and the controls in one object
    row = {"item": items()["rain"], "text1": "x", "pw": "left", "annotator": 1, "lead_time": 2.5}
    with pytest.raises(DataError, match="row 1: choice: no row has it, found item, text1, pw, annotator, lead_time;"):
        taken(saved(tmp_path / "min.json", [row]))


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
