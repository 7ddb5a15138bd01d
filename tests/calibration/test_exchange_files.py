"""Files as other tools write them, worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from amendment.calibration.exchange import LABEL_STUDIO_CONFIG
from amendment.errors import DataError
from tests.calibration.exchanged import (
    NOW,
    RAIN,
    TEA,
    a_of,
    b_of,
    blind,
    items,
    said,
    saved,
    taken,
)

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
    assert record["fields"]["prompt"] == [{"role": "user", "content": "Why does it rain?"}]
    assert (record["fields"]["response_1"], record["fields"]["response_2"]) == (a_of(RAIN), b_of(RAIN))
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
    with pytest.raises(DataError, match=r"row 2 and 1 more: annotator: missing; .*--rater NAME"):
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
