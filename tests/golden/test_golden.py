"""Ids, rows, certificates, questions, verdicts and losses are as they were frozen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.make import Difference, differences, differences_of, is_same_machine, made, read
from tests.golden.subjects import SUBJECTS

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] if subject.is_long else []) for name, subject in SUBJECTS.items()],
)
def test_what_was_frozen_holds(name: str) -> None:
    subject, golden = SUBJECTS[name], read(name)
    if isinstance(subject.needs, Path) and not subject.needs.is_dir():
        pytest.skip(f"{subject.needs.name} is no part of this repository")
    if isinstance(subject.needs, str):
        pytest.importorskip(subject.needs)
    if subject.draws and not is_same_machine(golden):
        pytest.skip("trained on another processor or with another torch")
    found = differences_of(name, golden, made(name))
    assert not found, "\n".join(map(str, found[:100]))


def test_a_difference_tells_its_place_and_what_was_there() -> None:
    old = {"a": {"b": [1, 0.5]}, "note": "one sentence", "gone": {"x": 1}}
    new = {"a": {"b": [1, 0.5 + 1e-12, 2]}, "note": "another sentence", "new": True}
    found = list(differences(old, new))
    assert [one.path for one in found] == ["a.b[2]", "note", "gone", "new"]
    assert not any(one.changes_figure for one in found)
    assert str(found[1]) == 'note: "one sentence" -> "another sentence"'


@pytest.mark.parametrize(
    ("old", "new"), [(1, 2), (0.5, 0.5 + 1e-6), (1, True), (None, 0.0), ("PASS", "FAIL"), (0.1, "0.1")]
)
def test_a_changed_figure_is_one(old: object, new: object) -> None:
    (found,) = differences({"x": old}, {"x": new})
    assert found == Difference("x", old, new)
    assert found.changes_figure


def test_a_section_that_was_dropped_may_be_missing_and_no_other() -> None:
    content = {
        "ids": {"critiques": {"count": 1}, "verdicts": {"count": 2}},
        "columns": {"decisive": "x"},
        "export": {"columns": {"decisive": "x", "weight": "y"}},
    }
    golden = {"dropped": ["ids.critiques", "*.columns.decisive"], "content": content}
    found = differences_of("own_pairs", golden, {"ids": {}, "columns": {}, "export": {"columns": {}}})
    assert [one.path for one in found] == ["ids.verdicts", "columns.decisive", "export.columns.weight"]
