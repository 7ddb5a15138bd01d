"""Two constitutions side by side: what changed, where, and nothing else; and how a terminal shows it."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.constitutions import (
    Change,
    Constitution,
    Edit,
    Move,
    Principle,
    diff,
    diff_lines,
    load_constitution,
    shipped,
)
from amendment.constitutions._diff_lines import marked


def principle(id: str, **fields: Any) -> Principle:
    return Principle(**{"id": id, "statement": f"About {id}.", "compare": (f"Which is better at {id}?",)} | fields)


def constitution(*principles: Principle, **fields: Any) -> Constitution:
    head = {"id": "ours", "version": "1.0.0", "title": "A test", "license": "CC0-1.0"}
    return Constitution(**head | {"principles": principles} | fields)


A, B, C, D = (principle(id) for id in "abcd")


def test_the_same_is_no_difference() -> None:
    found = diff(constitution(A, B), constitution(A, B))
    assert found.is_empty
    assert diff_lines(found) == [f"no difference: both are {constitution(A, B).reference}"]


def test_added_and_removed_principles_are_named() -> None:
    found = diff(constitution(A, B), constitution(B, C))
    assert (found.removed, found.added, found.moved, found.changed) == ((A,), (C,), (), ())
    assert diff_lines(found)[1:] == ["- a: About a.", "+ c: About c."]


def test_a_rename_is_told_from_removing_and_adding() -> None:
    renamed = B.model_copy(update={"id": "bee", "weight": 2.0})
    found = diff(constitution(A, B), constitution(A, renamed))
    assert found.renamed == (Edit("b", "bee", (Change("weight", 1.0, 2.0),)),)
    assert (found.removed, found.added, found.moved) == ((), (), ())
    assert diff_lines(found)[1:] == ["~ b is now called bee", "    weight: 1 -> 2"]


def test_a_principle_with_other_texts_under_another_id_is_another() -> None:
    found = diff(constitution(A), constitution(B))
    assert (found.removed, found.added, found.renamed) == ((A,), (B,), ())


def test_changes_are_told_field_by_field() -> None:
    before = principle(
        "a", critique=("one", "two", "three"), tags=("x",), score={"question": "q", "anchors": {1: "l", 9: "h"}}
    )
    after = principle(
        "a",
        critique=("one", "deux", "three", "four"),
        weight=0.5,
        rationale="why",
        score={"question": "q", "anchors": {1: "low", 9: "h"}},
    )
    (edit,) = diff(constitution(before), constitution(after)).changed
    assert edit.changes == (
        Change("weight", 1.0, 0.5),
        Change("tags[0]", "x", None),
        Change("critique[1]", "two", "deux"),
        Change("critique[3]", None, "four"),
        Change("score.anchors.1", "l", "low"),
        Change("rationale", None, "why"),
    )


def test_a_new_tier_a_veto_and_a_new_scope_are_changes() -> None:
    before = principle("a", applies_when={"categories": ["people"]})
    after = principle("a", tier=2, hard=True, applies_when={"categories": ["people"], "tags": ["minors"]})
    (edit,) = diff(constitution(before), constitution(after)).changed
    assert edit.changes == (
        Change("tier", 1, 2),
        Change("hard", False, True),
        Change("applies_when.tags[0]", None, "minors"),
    )
    lines = diff_lines(diff(constitution(before), constitution(after)))
    assert lines[2:] == ["    tier: 1 -> 2", "    hard: false -> true", "    + applies_when.tags[0]: minors"]


def test_the_fewest_moves_explain_a_new_order() -> None:
    # a b c d -> d a b c: d alone moved, from 4 to 1
    found = diff(constitution(A, B, C, D), constitution(D, A, B, C))
    assert found.moved == (Move("d", 4, 1),)
    assert diff_lines(found)[1:] == ["~ d moved from place 4 to 1"]
    # with a removed and c renamed, b and see keep their order although their places change
    renamed = C.model_copy(update={"id": "see"})
    assert diff(constitution(A, B, C), constitution(B, renamed)).moved == ()
    assert diff(constitution(A, B, C), constitution(renamed, B)).moved == (Move("b", 2, 2),)


def test_the_header_and_the_worked_examples_count() -> None:
    shot = {"prompt": "p", "a": "x", "b": "y", "answer": "A"}
    before = constitution(A, few_shot={"compare": [shot, shot | {"a": "z"}]})
    after = constitution(
        A, version="1.1.0", source={"kind": "adapted", "document": "d"}, few_shot={"compare": [shot | {"answer": "B"}]}
    )
    found = diff(before, after)
    assert found.header == (
        Change("version", "1.0.0", "1.1.0"),
        Change("source.kind", "original", "adapted"),
        Change("source.document", None, "d"),
    )
    assert [change.field for change in found.examples] == ["compare[0].answer", "compare[1]"]
    assert diff_lines(found)[1:5] == [
        "version: 1.[-0-]{+1+}.0",
        "source.kind: [-original-]{+adapted+}",
        "+ source.document: d",
        "~ few_shot",
    ]


def test_parents_are_merged_in_before(tmp_path: Any) -> None:
    head = "id: ours\nversion: 1.0.0\ntitle: t\nlicense: CC0-1.0\n"
    (tmp_path / "a.yaml").write_text(f"{head}extends: [./b.yaml]\n")
    (tmp_path / "b.yaml").write_text(f"{head}principles:\n  - {{id: p, statement: Be right., compare: [q]}}\n")
    assert diff(load_constitution(tmp_path / "a.yaml"), load_constitution(tmp_path / "b.yaml")).is_empty


@pytest.mark.parametrize("id", shipped())
def test_every_two_shipped_ones_differ(id: str) -> None:
    for other in shipped():
        found = diff(load_constitution(id), load_constitution(other))
        assert found.is_empty is (id == other)
        json.dumps(found.to_json(), allow_nan=False)
        assert all("\n" not in line for line in diff_lines(found))


@settings(max_examples=60, deadline=None)
@given(st.from_type(Constitution), st.from_type(Constitution), st.booleans())
def test_no_difference_is_found_exactly_where_the_hashes_are_equal(
    a: Constitution, b: Constitution, same: bool
) -> None:
    if same:
        b = a.model_copy(update={"principles": a.principles[::-1]})
    found = diff(a, b)
    assert found.is_empty is (a.content_hash == b.content_hash)
    assert diff(a, a).is_empty
    signs = set("".join(diff_lines(found)))
    assert all(sign.isprintable() or unicodedata.category(sign) == "Zs" for sign in signs)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from("abcdefg"), unique=True), st.data())
def test_what_did_not_move_kept_its_order_and_what_moved_could_not_be_less(ids: list[str], data: st.DataObject) -> None:
    after = data.draw(st.permutations(ids))
    found = diff(constitution(*map(principle, ids)), constitution(*map(principle, after)))
    moved = {move.id for move in found.moved}
    assert [id for id in ids if id not in moved] == [id for id in after if id not in moved]
    for extra in moved:
        still = moved - {extra}
        assert [id for id in ids if id not in still] != [id for id in after if id not in still]


# Words.


def test_changed_words_are_marked_in_their_sentence() -> None:
    assert marked("Answer at once.", "Answer at length.") == "Answer at [-once-]{+length+}."
    assert marked("a b c", "d e f") == "[-a b c-]{+d e f+}"
    assert marked("be kind", "be very kind") == "be {+very +}kind"
    assert marked("two\nlines", "two lines") == "two[-\\n-]{+ +}lines"


def test_what_did_not_change_is_shown_around_the_change_alone() -> None:
    before = " ".join(f"w{n}" for n in range(100))
    shown = marked(before, before.replace("w50", "new"))
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert "[-w50-]{+new+}" in shown
    assert len(shown) < 80


def test_a_text_that_would_steer_a_terminal_does_not() -> None:
    assert "\x1b" not in marked("a \x1b[31m red", "a blue")


def test_huge_texts_are_compared_in_time() -> None:
    words = ["the", "a"] * 60_000
    shown = marked(" ".join(words), " ".join(reversed(words)) + " end")
    assert len(shown) < 6000


def test_long_lists_are_compared_in_time_and_their_ends_are_still_matched() -> None:
    before = principle("a", critique=("same",) * 30_000 + ("end",))
    after = principle("a", critique=("new", *("other",) * 30_000, "end"))
    (edit,) = diff(constitution(before), constitution(after)).changed
    assert len(edit.changes) == 30_001
    assert edit.changes[-1] == Change("critique[30000]", None, "other")
