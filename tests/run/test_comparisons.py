"""Rows of several files are joined by item or by content, and a row that has the answers the other way round is
turned."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.audit.inputs import AuditInputs, read_votes
from amendment.errors import DataError
from amendment.run import RunFile

Rows = Sequence[dict[str, Any]]
Read = Callable[..., AuditInputs]
Refused = Callable[..., list[str]]
TEXTS = {"columns": {"item": "i", "prompt": "q", "a": "x", "b": "y", "votes": ["u"]}, "kind": "person"}
LOG = {"columns": {"item": "i", "verdict": "v"}, "kind": "model", "rater": "m"}
CONTENT = {"columns": {"prompt": "q", "a": "x", "b": "y", "verdict": "v"}, "kind": "model", "rater": "m"}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads files of these rows, each with its settings, under `verdicts`; `pairs` are settings with rows too."""

    def reading(*files: tuple[Rows, dict[str, Any]], pairs: tuple[Rows, dict[str, Any]] | None = None) -> AuditInputs:
        config: dict[str, Any] = {"name": "t", "verdicts": []}
        for number, (rows, settings) in enumerate(files):
            (tmp_path / f"{number}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
            config["verdicts"].append({"path": f"{number}.jsonl", **settings})
        if pairs:
            (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs[0]))
            config["pairs"] = [{"path": "pairs.jsonl", **pairs[1]}]
        return read_votes(RunFile.model_validate(config), tmp_path)

    return reading


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Refused:
    def reading(*files: tuple[Rows, dict[str, Any]]) -> list[str]:
        with pytest.raises(DataError) as told:
            read(*files)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in told.value.problems]

    return reading


def values(inputs: AuditInputs) -> list[tuple[str, str]]:
    return [(vote.rater, vote.value) for vote in inputs.votes]


def test_texts_may_stand_in_one_file_only_and_names_are_the_same_in_any_kind_of_cell(read: Read) -> None:
    texts = [{"i": n, "q": f"question {n}", "x": "xx", "y": "yyy", "u": "a"} for n in range(3)]
    log = [{"i": f"{n}.0", "v": "b"} for n in range(3)]
    for files in (((texts, TEXTS), (log, LOG)), ((log, LOG), (texts, TEXTS))):
        found = read(*files)
        assert list(found.items) == ["0", "1", "2"]
        assert {(vote.item, vote.rater) for vote in found.votes} == {(str(n), r) for n in range(3) for r in "um"}
        assert [(item.prompt, item.length_a, item.length_b) for item in found.items.values()] == [
            (f"question {n}", 2, 3) for n in range(3)
        ]
        assert sorted((file.name, file.rows) for file in found.files) == [("0.jsonl", 3), ("1.jsonl", 3)]
        assert all(file.sha256 and len(file.sha256) == 64 for file in found.files)


def test_an_item_that_no_file_has_texts_of_is_named(refused: Refused, read: Read) -> None:
    texts = [{"i": f"a-{n}", "q": "q", "x": "x", "y": "y", "u": "a"} for n in range(3)]
    log = [{"i": f"a-{n}", "v": "b"} for n in (1, 5, 6, 5)]
    (line,) = refused((texts, TEXTS), (log, LOG))
    assert line.startswith(
        "1.jsonl: line 2: i: items 'a-5', 'a-6' stand in no file with texts, where items are called like 'a-0'"
    )
    found = read((texts, TEXTS), (log, {**LOG, "bad_rows": "skip"}))
    assert len(found.items) == 3
    assert found.counts["bad rows left out"] == 3
    # a trial reads the first rows of each file, which need not be the same items
    assert len(read((texts, {**TEXTS, "take": 1}), (log, LOG)).items) == 4


def test_without_texts_anywhere_items_are_what_the_log_says(read: Read) -> None:
    found = read(([{"i": 1, "v": "a"}, {"i": 2, "v": "b"}], LOG))
    assert [(name, item.length_a) for name, item in found.items.items()] == [("1", None), ("2", None)]


def test_a_row_with_the_answers_the_other_way_round_is_turned(read: Read) -> None:
    one = {"q": "q", "x": "good", "y": "bad", "v": "a"}
    other = {"q": " q", "x": "bad", "y": "good", "v": "b"}
    found = read(([one], CONTENT), ([other], {**CONTENT, "rater": "n"}))
    assert len(found.items) == 1
    assert values(found) == [("m", "A"), ("n", "A")]


def test_a_turned_row_turns_order_and_probability_too(read: Read) -> None:
    columns = {"prompt": "q", "a": "x", "b": "y", "order": "o", "p": "p"}
    settings = {**CONTENT, "columns": columns, "coordinates": "content"}
    one = {"q": "q", "x": "good", "y": "bad", "o": "ab", "p": 0.75}
    other = {"q": "q", "x": "bad", "y": "good", "o": "ab", "p": 0.25}  # P(bad) = 0.25, bad was shown first
    found = read(([one, other], settings))
    assert [(vote.value, vote.first, vote.p_a) for vote in found.votes] == [("A", "A", 0.75), ("A", "B", 0.75)]


def test_without_texts_the_writers_tell_which_way_round_a_row_is(read: Read) -> None:
    columns = {"item": "i", "model_a": "k", "model_b": "l", "verdict": "v"}
    rows = [{"i": 1, "k": "x", "l": "y", "v": "a"}, {"i": 1, "k": "y", "l": "x", "v": "b"}]
    found = read((rows[:1], {**LOG, "columns": columns}), (rows[1:], {**LOG, "columns": columns, "rater": "n"}))
    assert values(found) == [("m", "A"), ("n", "A")]
    assert (found.items["1"].model_a, found.items["1"].model_b) == ("x", "y")


def test_one_name_for_two_comparisons_is_refused(refused: Refused) -> None:
    rows = [{"i": 1, "q": "q", "x": "x", "y": y, "u": "a"} for y in ("y", "z")]
    (line,) = refused((rows, TEXTS))
    assert line == (
        "0.jsonl: line 2: item '1' has other texts here than at 0.jsonl: line 1; expected one name for one comparison"
    )


def test_repeated_verdicts_count_once_and_contradictions_are_asked_about(read: Read, refused: Refused) -> None:
    found = read(([{"i": 1, "v": "a"}] * 3, LOG))
    assert (len(found.votes), found.counts["repeated verdicts"]) == (1, 2)
    rows = [{"i": 1, "v": "a", "s": 0}, {"i": 1, "v": "b", "s": 1}]
    (line,) = refused((rows, LOG))
    assert line.startswith("0.jsonl: line 2: v: m says B of item '1' here, and A at 0.jsonl: line 1; ")
    assert "columns.sample" in line
    numbered = {**LOG, "columns": {"item": "i", "verdict": "v", "sample": "s"}}
    assert [(vote.value, vote.sample) for vote in read((rows, numbered)).votes] == [("A", 0), ("B", 1)]


def test_one_rater_may_be_asked_by_several_principles_and_in_both_orders(read: Read) -> None:
    columns = {"item": "i", "verdict": "v", "swapped": "w", "principle": "p"}
    rows = [{"i": 1, "p": p, "v": "a", "w": "b"} for p in ("kind", "true", "")]
    found = read((rows, {**LOG, "columns": columns, "coordinates": "content"}))
    assert len(found.votes) == 6


def test_pairs_that_people_decided_meet_the_log_of_a_judge_by_their_texts(read: Read) -> None:
    log = [{"i": n, "q": f"q{n}", "x": "good", "y": "bad", "v": "b"} for n in range(20)]
    with_items = {**CONTENT, "columns": {"item": "i", **CONTENT["columns"]}}  # type: ignore[dict-item]
    pairs = [{"prompt": f"q{n}", "chosen": "good", "rejected": "bad"} for n in range(20)]
    found = read((log, with_items), pairs=(pairs, {"rater": "person"}))
    assert list(found.items) == [str(n) for n in range(20)], "pairs take the names of the log"
    people = {vote.item: vote for vote in found.votes if vote.kind == "person"}
    judge = {vote.item: vote for vote in found.votes if vote.kind == "model"}
    assert all({people[item].value, judge[item].value} == {"A", "B"} for item in found.items)


def test_of_pairs_the_better_answer_is_not_always_the_first(read: Read) -> None:
    pairs = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": f"bad {n}"} for n in range(60)]
    found = read(pairs=(pairs, {"rater": "person"}))
    firsts = sum(vote.value == "A" for vote in found.votes)
    assert 15 < firsts < 45, "a rater who always says A would agree with nobody beyond chance"


def test_pairs_with_several_raters_are_votes_of_people(read: Read) -> None:
    rows = [{"prompt": "q", "x": "1", "y": "2", "u": "a", "w": "tie"}]
    found = read(pairs=(rows, {"rater": "person", "columns": {"a": "x", "b": "y", "votes": ["u", "w"]}}))
    assert [(vote.rater, vote.kind, vote.value) for vote in found.votes] == [
        ("u", "person", "A"),
        ("w", "person", "tie"),
    ]


EXCHANGED = [{"q": f"q{n}", "x": "good", "y": "bad", "v": "a"} for n in range(4)] + [
    {"q": f"q{n}", "x": "bad", "y": "good", "v": "b" if n < 3 else "a"} for n in range(4)
]
"""A judge asked about four comparisons in both orders; of the last it always takes the first shown."""


def test_a_judge_on_exchanged_answers_looks_like_a_second_order_and_is_asked_about(refused: Refused) -> None:
    for skipping in ({}, {"bad_rows": "skip"}):
        (line,) = refused((EXCHANGED, {**CONTENT, **skipping}))
        assert line.startswith(
            "0.jsonl: line 5: v: m has judged these two answers at 0.jsonl: line 1 already, and here they stand the "
            "other way round (and 3 more rows like this): this looks like a second displayed order."
        )
        assert "coordinates: displayed" in line
        assert "coordinates: content" in line


def test_exchanged_answers_are_two_orders_where_the_file_says_displayed(read: Read) -> None:
    found = read((EXCHANGED, {**CONTENT, "coordinates": "displayed"}))
    votes = {(vote.item, vote.first): vote.value for vote in found.votes}
    assert len(votes) == 8
    consistent = [votes[item, "A"] == votes[item, "B"] for item in found.items]
    assert consistent == [True, True, True, False]
    assert found.counts["repeated verdicts"] == 0


def test_exchanged_answers_are_repetitions_where_the_file_says_content(read: Read, refused: Refused) -> None:
    content = {**CONTENT, "coordinates": "content"}
    found = read((EXCHANGED[:3] + EXCHANGED[4:7], content))
    assert (len(found.votes), found.counts["repeated verdicts"]) == (3, 3)
    (line,) = refused((EXCHANGED, content))
    assert "columns.sample" in line


def test_a_person_who_saw_the_answers_exchanged_is_no_second_order(read: Read) -> None:
    found = read((EXCHANGED[:1] + EXCHANGED[4:5], {**CONTENT, "kind": "person"}))
    assert (len(found.votes), found.counts["repeated verdicts"]) == (1, 1)


FACTS = {
    **LOG,
    "columns": {"item": "i", "model_a": "k", "model_b": "l", "category": "c", "prompt_id": "n", "verdict": "v"},
}
FACT = {"i": 1, "k": "x", "l": "y", "c": "math", "n": 7, "v": "a"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"c": "law"}, "c: found 'law' for item '1', which has 'math' at 0.jsonl: line 1; expected one category"),
        ({"n": 8}, "n: found '8' for item '1', which has '7' at 0.jsonl: line 1; expected one prompt_id"),
        ({"k": "z"}, "k: found 'z' for item '1', which has 'x' at 0.jsonl: line 1; expected one model_a"),
        ({"l": "z"}, "l: found 'z' for item '1', which has 'y' at 0.jsonl: line 1; expected one model_b"),
    ],
)
def test_rows_that_contradict_each_other_about_an_item_are_named(
    change: dict[str, Any], told: str, read: Read, refused: Refused
) -> None:
    rows = [FACT, {**FACT, **change}]
    (line,) = refused((rows, FACTS))
    assert line.startswith(f"0.jsonl: line 2: {told}")
    (line,) = refused((rows[:1], FACTS), (rows[1:], {**FACTS, "rater": "n"}))
    assert line.startswith(f"1.jsonl: line 1: {told}")
    found = read((rows, {**FACTS, "bad_rows": "skip"}))
    assert (len(found.votes), found.counts["bad rows left out"]) == (1, 1)
    assert found.items["1"].category == "math"


def test_what_a_row_leaves_open_or_says_the_other_way_round_contradicts_nothing(read: Read) -> None:
    rows = [FACT, {**FACT, "c": "", "n": None}, {**FACT, "k": "y", "l": "x", "v": "b"}]
    found = read((rows, {**FACTS, "coordinates": "content"}))
    assert (len(found.votes), found.counts["repeated verdicts"]) == (1, 2)
    columns = {"item": "i", "prompt": "q", "a": "x", "b": "y", "model_a": "k", "model_b": "l", "verdict": "v"}
    same = {"i": 1, "q": "q", "x": "yes", "y": "yes", "v": "tie"}
    sides = [{**same, "k": "one", "l": "two"}, {**same, "k": "two", "l": "one"}]
    assert len(read((sides, {**LOG, "columns": columns, "coordinates": "content"})).votes) == 1


def test_items_of_other_names_and_rows_without_items_may_differ(read: Read) -> None:
    columns = {"prompt": "q", "a": "x", "b": "y", "category": "c", "verdict": "v"}
    rows = [{"q": "q", "x": "1", "y": "2", "c": c, "v": "a"} for c in ("math", "law")]
    assert len(read((rows, {**LOG, "columns": columns})).votes) == 1
