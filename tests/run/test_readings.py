"""Verdicts as files have them: every layout, every coordinate, every problem with file, row and column."""

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


def lines(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Reads the votes of these rows, as one file under `verdicts` with these settings."""

    def reading(rows: Rows, **settings: Any) -> AuditInputs:
        lines(tmp_path / "v.jsonl", rows)
        return read_votes(
            RunFile.model_validate({"name": "t", "verdicts": [{"path": "v.jsonl", **settings}]}), tmp_path
        )

    return reading


@pytest.fixture
def refused(read: Read, tmp_path: Path) -> Refused:
    """The problems of these rows, without the folder."""

    def reading(rows: Rows, **settings: Any) -> list[str]:
        with pytest.raises(DataError) as told:
            read(rows, **settings)
        return [str(problem).replace(f"{tmp_path}/", "") for problem in told.value.problems]

    return reading


def told(inputs: AuditInputs) -> list[tuple[str, str, str | None]]:
    """Item, value and first of each vote."""
    return [(vote.item, vote.value, vote.first) for vote in inputs.votes]


def test_a_column_for_each_rater(read: Read) -> None:
    rows = [{"i": 1, "u": 1, "v": 2.0, "w": None}, {"i": 2, "u": "0", "v": "9", "w": "2"}]
    found = read(
        rows,
        columns={"item": "i", "votes": ["u", "v", "w"]},
        words={"a": 1, "b": 2, "tie": 0, "both_bad": 9},
        kind="person",
    )
    assert [(vote.item, vote.rater, vote.value) for vote in found.votes] == [
        ("1", "u", "A"),
        ("1", "v", "B"),
        ("2", "u", "tie"),
        ("2", "v", "both_bad"),
        ("2", "w", "B"),
    ]
    assert {vote.kind for vote in found.votes} == {"person"}
    assert found.counts["empty cells without a vote"] == 1


def test_a_row_for_each_rater_and_several_columns_for_one_name(read: Read) -> None:
    rows = [
        {"set": "x", "n": 0, "judge": "m", "how": "cot", "v": "a"},
        {"set": "x", "n": 0, "judge": "m", "how": "", "v": "b"},
    ]
    columns = {"item": ["set", "n"], "principle": "how", "verdict": "v"}
    found = read(rows, columns={**columns, "rater": "judge"}, kind="model")
    assert {vote.item for vote in found.votes} == {'["x", "0"]'}
    assert [(vote.rater, vote.principle, vote.value) for vote in found.votes] == [("m", "cot", "A"), ("m", None, "B")]
    found = read(rows, columns={**columns, "rater": ["judge", "set"]}, kind="model")
    assert {vote.rater for vote in found.votes} == {"m/x"}


@pytest.mark.parametrize(
    ("coordinates", "expected"),
    # the judge says "first" in both orders; displayed: the answer shown first, so x in the one order and y in the other
    [
        ("displayed", [("1", "A", "A"), ("1", "B", "B")]),
        ("content", [("1", "A", "A"), ("1", "A", "B")]),
    ],
)
def test_coordinates_are_what_the_file_says(coordinates: str, expected: list[tuple[str, str, str]], read: Read) -> None:
    by_order = read(
        [{"i": 1, "o": "xy", "v": 1}, {"i": 1, "o": "yx", "v": 1}],
        columns={"item": "i", "order": "o", "verdict": "v"},
        orders={"ab": "xy", "ba": "yx"},
        words={"a": 1, "b": 2},
        coordinates=coordinates,
        kind="model",
    )
    assert told(by_order) == expected
    by_column = read(
        [{"i": 1, "v": 1, "w": 1}],
        columns={"item": "i", "verdict": "v", "swapped": "w"},
        words={"a": 1, "b": 2},
        coordinates=coordinates,
        kind="model",
    )
    assert told(by_column) == expected


def test_a_probability_speaks_in_the_coordinates_of_its_verdict(read: Read) -> None:
    rows = [{"i": 1, "o": "ab", "p": 0.75}, {"i": 1, "o": "ba", "p": 0.75}, {"i": 2, "o": "ba", "p": 0.5}]
    columns = {"item": "i", "order": "o", "p": "p"}
    # displayed, B first: P(first shown) = 0.75 is P(A) = 0.25, and the verdict is B
    found = read(rows, columns=columns, coordinates="displayed", kind="model")
    assert [(vote.value, vote.p_a) for vote in found.votes] == [("A", 0.75), ("B", 0.25), ("tie", 0.5)]
    found = read(rows, columns=columns, coordinates="content", kind="model")
    assert [(vote.value, vote.p_a) for vote in found.votes] == [("A", 0.75), ("A", 0.75), ("tie", 0.5)]


@pytest.mark.parametrize(
    ("kind", "empty", "values"),
    [
        ("person", None, ["A"]),
        ("model", None, ["A", "invalid"]),
        ("person", "invalid", ["A", "invalid"]),
        ("model", "no_vote", ["A"]),
    ],
)
def test_an_empty_cell_is_a_person_who_did_not_vote_and_a_model_that_could_not_be_read(
    kind: str, empty: str | None, values: list[str], read: Read
) -> None:
    settings = {"columns": {"item": "i", "verdict": "v"}, "kind": kind, "empty": empty}
    assert [vote.value for vote in read([{"i": 1, "v": "a"}, {"i": 2, "v": " "}], **settings).votes] == values


def test_a_word_that_means_nothing_is_told_once_with_its_count(read: Read, refused: Refused) -> None:
    rows = [{"i": i, "u": word, "v": "a"} for i, word in enumerate(["a", "left", "left", "right", "left"])]
    settings = {"columns": {"item": "i", "votes": ["u", "v"]}, "kind": "model"}
    assert refused(rows, **settings) == [
        "v.jsonl: line 2: u: found 'left' (and in 2 more rows), expected one of a, A, b, B, tie, both_bad, invalid; "
        "see `words`",
        "v.jsonl: line 4: u: found 'right', expected one of a, A, b, B, tie, both_bad, invalid; see `words`",
    ]
    found = read(rows, **settings, unreadable="invalid")
    assert [vote.value for vote in found.votes if vote.rater == "u"] == ["A", *["invalid"] * 4]
    assert found.counts["words read as invalid"] == 4
    skipped = read(rows, **settings, bad_rows="skip")
    assert len(skipped.votes) == 2
    assert skipped.counts["bad rows left out"] == 4


def test_who_decided_is_asked_and_never_guessed(refused: Refused, read: Read) -> None:
    rows = [{"i": i, "r": rater, "v": "a"} for i, rater in enumerate(["ann", "gpt", "ann", "bo"])]
    columns = {"item": "i", "rater": "r", "verdict": "v"}
    (line,) = refused(rows, columns=columns)
    assert line.startswith("v.jsonl: who are the raters ann, gpt, bo? Say kind: person, kind: model")
    (line,) = refused(rows, columns=columns, people=["an*", "bob"])
    assert line == "v.jsonl: no rater fits 'bob' under people (did you mean 'bo'?); there are ann, gpt, bo"
    kinds = {vote.rater: vote.kind for vote in read(rows, columns=columns, people=["an*", "bo"]).votes}
    assert kinds == {"ann": "person", "gpt": "model", "bo": "person"}


def test_all_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    lines(tmp_path / "one.jsonl", [{"i": "", "v": "a"}, {"i": 2, "v": "?"}, {"i": 3, "v": "a", "s": "x"}])
    lines(tmp_path / "two.jsonl", [{"i": 1, "v": "a", "o": "up", "r": ""}])
    (tmp_path / "three.csv").write_text("i,v\n1,a\n2\n3,what\n")
    columns = {"item": "i", "verdict": "v"}
    config = RunFile.model_validate(
        {
            "name": "t",
            "verdicts": [
                {"path": "one.jsonl", "kind": "person", "columns": {**columns, "sample": "s"}},
                {
                    "path": "two.jsonl",
                    "kind": "model",
                    "columns": {**columns, "order": "o", "rater": "r"},
                    "coordinates": "content",
                },
                {"path": "three.csv", "kind": "person", "columns": columns},
                {"path": "one.jsonl", "kind": "person", "columns": {"item": "j", "verdict": "v"}},
                {"path": "gone.csv", "kind": "person", "columns": columns},
            ],
        }
    )
    with pytest.raises(DataError) as told:
        read_votes(config, tmp_path)
    found = [str(problem).replace(f"{tmp_path}/", "") for problem in told.value.problems]
    expected = [
        "one.jsonl: line 1: s: found '', expected the number of a draw",
        "one.jsonl: line 1: i: names no comparison; fill it in",
        "one.jsonl: line 2: s: found '', expected the number of a draw",
        "one.jsonl: line 3: s: found 'x', expected the number of a draw",
        "one.jsonl: line 2: v: found '?', expected one of",
        "two.jsonl: line 1: r: names no rater",
        "two.jsonl: line 1: o: found 'up', expected one of ab, AB, ba, BA; see `orders`",
        "three.csv: row 3: expected 2 cells",
        "three.csv: row 4: v: found 'what'",
        "one.jsonl: j: no such column in any row; ",
        "gone.csv: no such file",
    ]
    assert len(found) == len(expected), found
    for line, beginning in zip(found, expected, strict=True):
        assert line.startswith(beginning), (line, beginning)


def test_prompts_are_what_intervals_are_clustered_by(read: Read) -> None:
    rows = [
        {"q": " one ", "c": "", "x": "1", "y": "2", "v": "a", "g": 7},
        {"q": "one", "c": "more", "x": "1", "y": "2", "v": "a", "g": 7},
    ]
    columns = {"prompt": ["q", "c"], "a": "x", "b": "y", "verdict": "v"}
    assert [item.prompt for item in read(rows, columns=columns, kind="person").items.values()] == ["one", "one\n\nmore"]
    columns["prompt_id"] = "g"
    assert [item.prompt for item in read(rows, columns=columns, kind="person").items.values()] == ["7", "7"]
    found = read([{"i": "x", "v": "a"}], columns={"item": "i", "verdict": "v"}, kind="person")
    assert found.items["x"].prompt is None, "a cluster by itself"
    asked = [{"i": name, "q": " one ", "v": "a"} for name in "xy"]
    found = read(asked, columns={"item": "i", "prompt": "q", "verdict": "v"}, kind="person")
    assert [item.prompt for item in found.items.values()] == ["one", "one"], "without any answer"


def test_a_word_and_a_probability_that_contradict_each_other_are_named_once_for_all_rows(
    read: Read, refused: Refused
) -> None:
    said = [("a", 0.9), ("b", 0.9), ("b", 0.2), ("a", 0.5), ("b", 0.5), ("tie", 0.7), ("a", 0.1), ("a", None)]
    rows = [{"i": i, "v": word, "p": p} for i, (word, p) in enumerate(said)]
    settings: dict[str, Any] = {"columns": {"item": "i", "verdict": "v", "p": "p"}, "kind": "model"}
    (line,) = refused(rows, **settings)
    assert line.startswith("v.jsonl: line 2: p: found 0.9 beside the verdict 'b'; p is P(the first answer is better)")
    assert "confidence" in line
    assert line.endswith("(and 1 more row like this)")
    skipped = read(rows, **settings, bad_rows="skip")
    assert (len(skipped.votes), skipped.counts["bad rows left out"]) == (6, 2)
    # content is compared before anything is turned: shown b first, "b" is P(first shown) = 0.1
    ordered = {"columns": {**settings["columns"], "order": "o"}, "coordinates": "displayed", "kind": "model"}
    (vote,) = read([{"i": 1, "v": "b", "p": 0.25, "o": "ba"}], **ordered).votes
    assert (vote.value, vote.p_a) == ("A", 0.75)


def test_a_number_too_large_for_any_machine_is_named(refused: Refused) -> None:
    rows = [{"i": 1, "p": 10**400, "s": 0}, {"i": 2, "p": 0.5, "s": 10**400}]
    found = refused(rows, columns={"item": "i", "p": "p", "sample": "s"}, kind="model")
    assert [line.partition(": found '1000")[0] for line in found] == ["v.jsonl: line 1: p", "v.jsonl: line 2: s"]
