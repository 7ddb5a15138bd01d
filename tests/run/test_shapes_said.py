"""What is said of a file decides before what is recognised; a file of no known shape is told with its columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.audit.inputs import read_votes
from amendment.errors import DataError
from amendment.run import RunFile
from tests.run.shaped import ask, audited, battle, inputs, save, say

# What is said of a file decides before what is recognised.


def test_a_shape_that_is_said_and_not_there_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "x.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])
    with pytest.raises(DataError, match="text_a: no such column in any row"):
        inputs(path, "pairs", shape="annotated-pairs")


def test_words_of_ones_own_hold_in_a_known_shape(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jsonl", [battle("left"), battle("right", question_id=8)])
    found = inputs(path, "verdicts", kind="person", words={"a": "left", "b": "right"})
    assert len(found.verdicts) == 2
    with pytest.raises(DataError, match=r"winner: found 'left'"):
        inputs(path, "verdicts", kind="person")


# What is no shape.


def test_columns_for_pairs_are_printed_with_the_keys_of_pairs(tmp_path: Path) -> None:
    rows = [{"question": "q", "answer_1": "x", "answer_2": "y | z", "vote": label} for label in "121"]
    with pytest.raises(DataError) as told:
        inputs(save(tmp_path / "p.csv", rows), "pairs")
    text = str(told.value)
    assert "\n  answer_2: y \\| z / y \\| z\n" in text
    lines = [line.strip() for line in text.split("\n") if line.startswith("    ")]
    assert lines == [
        "columns:",
        "prompt: question",
        "a: answer_1",
        "b: answer_2",
        "votes: [vote]",
        "votes:",
        "a: 1",
        "b: 2",
    ]


def test_prompts_without_a_column_of_that_name_get_a_guess_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError) as told:
        inputs(save(tmp_path / "p.jsonl", [{"n": 1, "Question": "Why?"}]), "prompts")
    assert str(told.value).endswith(
        "p.jsonl: prompt: no such column in any row; there are n (1), Question (Why?). Name it in the run file, such "
        "as column: Question"
    )


def test_an_arena_asked_in_both_orders_is_asked_about_and_then_both_orders_count(tmp_path: Path) -> None:
    talks = battle("model_a", judge="j")
    turned = {
        **talks,
        "model_a": "two",
        "model_b": "one",
        "conversation_a": talks["conversation_b"],
        "conversation_b": talks["conversation_a"],
    }
    for texts in (True, False):
        for winner, other in (("model_b", "A"), ("model_a", "B")):  # consistent, and always the first shown
            rows = [
                {key: cell for key, cell in row.items() if texts or "conversation" not in key}
                for row in (talks, {**turned, "winner": winner})
            ]
            path = save(tmp_path / "a.jsonl", rows)
            with pytest.raises(DataError, match=r"line 2: winner: j has judged .* looks like a second displayed order"):
                audited(path, kind="model")
            source = {"path": str(path), "kind": "model", "coordinates": "displayed"}
            found = read_votes(RunFile.model_validate({"name": "t", "verdicts": [source]}), Path())
            assert [(vote.value, vote.first) for vote in found.votes] == [("A", "A"), (other, "B")]


# The same file has the same prompts, whatever it is read for.

TALKS = {f"conversation_{side}": [ask("hi"), say(f"from {side}")] for side in "ab"}
SIDES = {"response_a": "x", "response_b": "y", "model_a": "m", "model_b": "n", "winner": "model_a"}
RATED = [
    {"model": name, "response": f"by {name}", "annotations": {}, "overall_score": n} for n, name in enumerate("xy")
]
ANNOTATED = {"text_a": "cat", "text_b": "dog", "preferred_text": "text_a"}
LISTS = {"response_a": '["a", "b"]', "response_b": '["c", "d"]'}
JOINED = {"instruction": "Add.", "input": "1 and 2"}


@pytest.mark.parametrize(
    "row",
    [
        {**ANNOTATED, **JOINED},
        {**ANNOTATED, "question": "Why?", "input": "rain"},
        {**ANNOTATED, "prompt": "Sum up.", **JOINED},
        {**ANNOTATED, "instruction": " Add. ", "input": ""},
        {**SIDES, **JOINED},
        {**SIDES, "prompt": '["p", "q"]', **LISTS},
        {**SIDES, "prompt": "not asked", **TALKS},
        {**JOINED, "completions": RATED},
        {"prompt": "Say.", "instruction": "Do.", "completions": RATED},
        {**JOINED, "chosen": "good", "rejected": "bad", "score_chosen": 2, "score_rejected": 1},
        {"question": "hey", "chosen": TALKS["conversation_a"], "rejected": TALKS["conversation_b"], "score_chosen": 2},
    ],
)
def test_the_prompts_of_a_file_are_the_same_whatever_it_is_read_for(row: dict[str, Any], tmp_path: Path) -> None:
    path = save(tmp_path / "x.jsonl", [row])
    parts: list[tuple[str, dict[str, str]]] = [("pairs", {}), ("candidates", {}), ("verdicts", {"kind": "model"})]
    (prompt,) = inputs(path, "prompts").prompts.values()
    for part, settings in parts:
        assert list(inputs(path, part, **settings).prompts) == [prompt.id], part


def test_chosen_and_rejected_that_change_places_are_no_second_order(tmp_path: Path) -> None:
    row = {"prompt": "q", "chosen": "x", "rejected": "y", "score_chosen": 2, "score_rejected": 1}
    path = save(tmp_path / "uf.jsonl", [row, {**row, "chosen": "y", "rejected": "x"}])
    with pytest.raises(DataError, match=r"uf\.jsonl says . of item"):
        inputs(path, "verdicts")
    with pytest.raises(DataError, match="the better answer stands first in each row, so displayed coordinates say"):
        inputs(path, "verdicts", coordinates="displayed")
