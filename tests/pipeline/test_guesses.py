"""A file of an unknown shape: the run file that is printed says where the parts stand, and runs once it is complete."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.pipeline import RunFile
from amendment.tables import read_rows
from amendment.yamlfile import parse_yaml
from tests.pipeline.guessing import Rows, audited, german, german_log, guess, pasted, prose, save, told

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def guess_of(folder: Path, rows: Rows, name: str = "votes.csv") -> dict[str, Any]:
    return guess(save(folder / name, rows))


# Whole files: what is printed runs.


def test_the_labels_of_the_examples_are_audited_by_what_is_printed_alone(tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "people.csv", tmp_path))
    source = guess(path)
    assert source == {
        "path": "people.csv",
        "columns": {"item": "qid", "prompt": "question", "a": "reply_1", "b": "reply_2"}
        | {"votes": ["ann", "bo", "cleo"], "category": "topic"},
        "words": {"a": 1, "b": 2, "tie": "="},
        "kind": "person",
    }
    found = audited(path, pasted(told(path)))
    assert len(found.items) == 120
    assert {vote.rater for vote in found.votes} == {"ann", "bo", "cleo"}


def test_the_log_of_the_examples_waits_for_its_coordinates_and_for_nothing_else(tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "judge_log.csv", tmp_path))
    source = guess(path)
    assert source["columns"] == {"item": "qid", "order": "shown", "verdict": "said"}
    assert source["words"] == {"a": "first", "b": "second", "invalid": "I cannot compare these."}
    assert source["orders"] == {"ab": 12, "ba": 21}
    assert (source["kind"], source["rater"], source["coordinates"]) == ("model", "judge_log", "?")
    text = pasted(told(path))
    with pytest.raises(ConfigError, match=r"coordinates: found the text '\?', expected one of displayed, content"):
        audited(path, text)
    found = audited(path, text.replace('"?"', "displayed", 1))
    assert Counter(vote.value for vote in found.votes)["invalid"] == 4


def test_own_pairs_are_audited_by_what_is_printed_alone(tmp_path: Path) -> None:
    path = Path(shutil.copy(EXAMPLES / "own_pairs.csv", tmp_path))
    source = guess(path)
    assert source["columns"] == {"prompt": ["instruction", "input"], "a": "response1", "b": "response2"} | {
        "votes": ["annotator1", "annotator2", "annotator3"]
    }
    assert source["words"] == {"a": 1, "b": 2, "tie": 0}
    assert len(audited(path, pasted(told(path))).votes) == 108, "36 rows of three people"


def test_german_labels_are_audited_by_what_is_printed_alone(tmp_path: Path) -> None:
    rows = german()
    path = save(tmp_path / "bewertungen.csv", rows)
    source = guess(path)
    assert source["columns"] == {"item": "Vorgang", "prompt": "Aufgabe", "a": "Text_L", "b": "Text_R"} | {
        "votes": ["Meier", "Schulz", "Yilmaz"]
    }
    assert source["words"] == {"a": "L", "b": "R", "tie": "gleich"}
    found = audited(path, pasted(told(path)))
    said = Counter(row[name] for row in rows for name in ("Meier", "Schulz", "Yilmaz"))
    assert Counter(vote.value for vote in found.votes) == {"A": said["L"], "B": said["R"], "tie": said["gleich"]}


@pytest.mark.parametrize(("coordinates", "first_of_rl"), [("displayed", "B"), ("content", "A")])
def test_a_german_log_runs_once_the_coordinates_are_said(tmp_path: Path, coordinates: str, first_of_rl: str) -> None:
    path = save(tmp_path / "log.jsonl", german_log())
    source = guess(path)
    assert source["columns"] == {"item": "Vorgang", "order": "reihenfolge", "verdict": "urteil"}
    assert source["orders"] == {"ab": "LR", "ba": "RL"}
    assert source["words"] == {"a": "erste", "b": "zweite", "invalid": "???"}
    found = audited(path, pasted(told(path)).replace('"?"', coordinates, 1))
    # Row 2 (order RL) says `erste`: the place on the screen, where R stood, or the column of L.
    assert found.votes[1].value == first_of_rl
    assert found.votes[1].kind == "model"


def test_labels_and_log_belong_into_one_list_as_the_message_says(tmp_path: Path) -> None:
    people, log = save(tmp_path / "leute.csv", german()), save(tmp_path / "log.jsonl", german_log())
    text = told(people)
    assert "Several files of one study" in text
    assert "`verdicts:`" in text
    assert "joined by `item`; docs/audit.md explains each key" in text
    second = pasted(told(log)).replace('"?"', "displayed", 1)
    found = audited(people, pasted(text) + second[second.index("      - path") :])
    assert {vote.rater for vote in found.votes} == {"Meier", "Schulz", "Yilmaz", "log"}
    assert len(found.items) == 40, "the log names 20 of the 40 comparisons that people labelled"


# Single parts.

ENGLISH = [
    {"case no": f"T{i}", "customer request": prose(random.Random(i), 7)}
    | {"draft left": prose(random.Random(i + 50), 12), "draft right": prose(random.Random(i + 90), 12)}
    | {"choice": ["left is better", "right is better", "both are equally good", "both bad"][i % 4]}
    | {"area": ["billing", "returns"][i // 20]}
    for i in range(40)
]


def test_english_labels_of_one_person_a_row(tmp_path: Path) -> None:
    source = guess_of(tmp_path, ENGLISH)
    assert source["columns"] == {"item": "case no", "prompt": "customer request", "a": "draft left"} | {
        "b": "draft right",
        "verdict": "choice",
        "category": "area",
    }
    assert source["words"] == {"a": "left is better", "b": "right is better"} | {
        "tie": "both are equally good",
        "both_bad": "both bad",
    }


def test_answers_are_found_by_their_texts_where_names_say_nothing(tmp_path: Path) -> None:
    draw = random.Random(3)
    rows = [
        {"Anfrage": prose(draw, 6), "Alt": prose(draw, 20), "Neu": prose(draw, 20), "Sieger": ["Alt", "Neu"][i % 2]}
        for i in range(20)
    ]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"prompt": "Anfrage", "a": "Alt", "b": "Neu", "verdict": "Sieger"}
    assert source["words"] == {"a": "Alt", "b": "Neu"}


def test_the_prompt_is_the_text_that_repeats(tmp_path: Path) -> None:
    draw = random.Random(4)
    asked = [prose(draw, 9) for _ in range(5)]
    rows = [
        {"x1": prose(draw, 20), "x2": prose(draw, 20), "zz": asked[i % 5], "reason": prose(draw, 9), "v": "12"[i % 2]}
        for i in range(20)
    ]
    assert guess_of(tmp_path, rows)["columns"] == {"prompt": "zz", "a": "x1", "b": "x2", "verdict": "v"}


def test_a_key_that_stands_beside_several_answers_names_the_prompt_and_no_comparison(tmp_path: Path) -> None:
    draw = random.Random(5)
    rows = [
        {"question_id": i // 2, "question": f"why {i // 2}", "left": prose(draw, 9), "right": prose(draw, 9)}
        | {"winner": ["left", "right"][i % 2]}
        for i in range(20)
    ]
    columns = guess_of(tmp_path, rows)["columns"]
    assert columns["prompt_id"] == "question_id"
    assert "item" not in columns


@pytest.mark.parametrize(
    ("values", "orders"),
    [
        (("LR", "RL"), {"ab": "LR", "ba": "RL"}),
        (("BA", "AB"), {"ab": "AB", "ba": "BA"}),
        (("a,b", "b,a"), {"ab": "a,b", "ba": "b,a"}),
        (("left-right", "right-left"), {"ab": "left-right", "ba": "right-left"}),
        ((12, 21), {"ab": 12, "ba": 21}),
        (("01", "10"), {"ab": "01", "ba": 10}),
        (("xy", "yx"), {"ab": "...", "ba": "..."}),
    ],
)
def test_two_words_that_are_each_the_other_the_other_way_round_are_orders(
    tmp_path: Path, values: tuple[Any, Any], orders: dict[str, Any]
) -> None:
    rows = [{"key": f"k{i // 2}", "how": values[i % 2], "said": ["A", "B"][i // 3 % 2]} for i in range(20)]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"item": "key", "order": "how", "verdict": "said"}
    assert source["orders"] == orders
    assert source["coordinates"] == "?"


@pytest.mark.parametrize(
    ("name", "values", "orders"),
    [
        ("swapped", (False, True), {"ab": "false", "ba": "true"}),
        ("shown_first", ("left", "right"), {"ab": "left", "ba": "right"}),
        ("Reihenfolge", ("normal", "vertauscht"), {"ab": "normal", "ba": "vertauscht"}),
        ("order", ("Q", "Z"), {"ab": "...", "ba": "..."}),
    ],
)
def test_a_column_that_is_called_like_an_order_is_one(
    tmp_path: Path, name: str, values: tuple[Any, Any], orders: dict[str, Any]
) -> None:
    rows = [{"key": f"k{i // 2}", name: values[i % 2], "said": ["A", "B"][i // 3 % 2]} for i in range(20)]
    source = guess_of(tmp_path, rows, "log.jsonl")
    assert (source["columns"]["order"], source["orders"]) == (name, orders)


def test_two_columns_of_verdicts_are_the_two_orders_where_one_is_called_swapped(tmp_path: Path) -> None:
    rows = [{"item_id": i, "verdict": 1 + i % 2, "verdict_swapped": 1 + i // 2 % 2} for i in range(20)]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"item": "item_id", "verdict": "verdict", "swapped": "verdict_swapped"}
    assert (source["coordinates"], source["kind"]) == ("?", "model")
    columns = guess_of(tmp_path, [{**row, "gold": 1, "judge": "gpt-4"} for row in rows])["columns"]
    assert columns == {"item": "item_id", "verdict": "verdict", "swapped": "verdict_swapped", "rater": "judge"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (["[[A]]", "[[B]]", "[[C]]"], {"a": "[[A]]", "b": "[[B]]", "tie": "[[C]]"}),
        (["model_a", "model_b", "tie", "tie (bothbad)"], {"a": "model_a", "b": "model_b", "tie": "tie"}),
        (["gauche", "droite", "égalité"], {"a": "gauche", "b": "droite", "tie": "égalité"}),
        (["Answer 1", "Answer 2", "n/a"], {"a": "Answer 1", "b": "Answer 2", "invalid": "n/a"}),
        (["A>B", "B>A", "A=B"], {"a": "A>B", "b": "B>A", "tie": "A=B"}),
        (["A", "a", "B"], {"a": ["A", "a"], "b": "B"}),
        (["yes", "no"], {"a": "...", "b": "..."}),
        ([0, 1], {"a": "...", "b": "..."}),
        ([-1, 0, 1], {"a": "...", "b": "...", "tie": "..."}),
        ([1, 2, 3, 4, 5], {"a": "...", "b": "...", "tie": "..."}),
    ],
)
def test_words_are_placed_where_they_can_mean_one_thing_only(
    tmp_path: Path, said: list[Any], words: dict[str, Any]
) -> None:
    rows = [{"key": f"k{i}", "verdict": said[i % len(said)]} for i in range(40)]
    source = guess_of(tmp_path, rows)
    assert source["columns"] == {"item": "key", "verdict": "verdict"}
    assert {key: word for key, word in source["words"].items() if key != "both_bad"} == words


def test_nought_and_one_are_the_answers_where_the_columns_are_called_so(tmp_path: Path) -> None:
    rows = [
        {"question": f"why {i}", "response_0": f"so {i}", "response_1": f"or {i}", "label": i % 2} for i in range(9)
    ]
    assert guess_of(tmp_path, rows)["words"] == {"a": 0, "b": 1}


def test_words_are_shown_with_their_counts_and_what_is_not_placed_is_named(tmp_path: Path) -> None:
    rows = [{"key": f"k{i}", "verdict": ["A", "B", "A", "hm"][i % 4]} for i in range(40)]
    lines = [line.strip() for line in pasted(told(save(tmp_path / "v.csv", rows))).split("\n")]
    assert "# words found: A (20), B (10), hm (10)" in lines
    assert "# not placed yet: hm" in lines


def test_a_log_full_of_prose_takes_any_other_word_as_invalid(tmp_path: Path) -> None:
    draw = random.Random(6)
    said = ["first", "second", "first", "I would rather not say: "]
    rows = [{"key": f"k{i}", "verdict": said[i % 4] + (prose(draw, 9) if i % 4 == 3 else "")} for i in range(80)]
    path = save(tmp_path / "v.csv", rows)
    source = guess(path)
    assert source["unreadable"] == "invalid"
    assert source["words"] == {"a": "first", "b": "second"}
    assert Counter(vote.value for vote in audited(path, pasted(told(path))).votes) == {"A": 40, "B": 20, "invalid": 20}


@pytest.mark.parametrize(
    ("raters", "said"),
    [
        (["Anna", "Ben"], {"kind": "person"}),
        (["gpt-4o", "Qwen2.5-72B-Instruct"], {"kind": "model"}),
        (["gpt-4o", "Anna [1]", "Ben"], {"people": ["Anna [[]1]", "Ben"]}),
    ],
)
def test_raters_are_people_or_models_by_their_names(tmp_path: Path, raters: list[str], said: dict[str, Any]) -> None:
    rows = [{"ticket": f"T{i // 3}", "wer": raters[i % len(raters)], "wahl": "12"[i % 2]} for i in range(36)]
    path = save(tmp_path / "v.csv", rows)
    source = guess(path)
    assert source["columns"] == {"item": "ticket", "verdict": "wahl", "rater": "wer"}
    assert {key: source[key] for key in ("kind", "people") if key in source} == said
    kinds = {vote.rater: vote.kind for vote in audited(path, pasted(told(path))).votes}
    assert set(kinds) == set(raters)
    assert all((kind == "model") == ("gpt" in rater or "Qwen" in rater) for rater, kind in kinds.items())


def test_a_file_that_says_nothing_leaves_everything_open(tmp_path: Path) -> None:
    source = guess_of(tmp_path, [{"foo": 1.5, "bar": 2.25}, {"foo": 3.5, "bar": 7.75}])
    assert source["columns"] == {"item": "...", "verdict": "..."}
    assert source["words"] == {"a": "...", "b": "..."}


def test_what_is_printed_is_a_run_file_of_its_own(tmp_path: Path) -> None:
    for rows in (german(), ENGLISH):
        path = save(tmp_path / "v.csv", rows)
        RunFile.model_validate(parse_yaml(pasted(told(path)), "x").data)
        assert len(read_rows(path)) == len(rows)
