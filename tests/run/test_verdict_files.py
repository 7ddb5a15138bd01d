"""What a run file says of verdicts: refused where it could mean two things, asked where it says too little."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from amendment.data.verdict_files import OrderWords, VerdictFile, VerdictWords, word_of

TEXTS = {"prompt": "q", "a": "x", "b": "y"}
REFUSED: dict[str, dict[str, Any]] = {
    "name both answers, a and b": {"columns": {"item": "i", "a": "x", "verdict": "v"}},
    "nothing names the comparison": {"columns": {"prompt": "q", "verdict": "v"}},
    "either verdict (one rater a row) or votes": {"columns": {**TEXTS, "verdict": "v", "votes": ["v", "w"]}},
    "no column holds a verdict": {"columns": TEXTS},
    "named after their raters": {"columns": {**TEXTS, "votes": ["v"], "rater": "w"}},
    "swapped goes with verdict and without order": {
        "columns": {"item": "i", "verdict": "v", "swapped": "w", "order": "o"},
        "coordinates": "content",
    },
    "say coordinates: displayed": {"columns": {"item": "i", "verdict": "v", "swapped": "w"}},
    "column 'o' brings a second order": {"columns": {"item": "i", "verdict": "v", "order": "o"}},
    "displayed coordinates need the order": {"columns": {"item": "i", "verdict": "v"}, "coordinates": "displayed"},
    "either kind (of all raters) or people": {"kind": "person", "people": "x*"},
    "the columns name raters already": {"columns": {"item": "i", "votes": ["v"]}, "rater": "me"},
    "columns.principle names a column": {"columns": {"item": "i", "verdict": "v", "principle": "p"}, "principle": "x"},
    "words says what an empty cell means, and so does empty": {"words": {"tie": ""}, "empty": "invalid"},
    "means one thing, and '1' stands here twice": {"words": {"a": 1, "b": [2, "1"]}},
    "ab and ba need different words": {"orders": {"ab": 0, "ba": "0"}},
    "either the columns or the shape": {"columns": {"item": "i", "verdict": "v"}, "shape": "arena"},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_could_mean_two_things_is_refused(words: str) -> None:
    with pytest.raises(ValidationError) as told:
        VerdictFile.model_validate({"path": "v.csv", **REFUSED[words]})
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "name either a path"),
        ({"path": "v.csv", "dataset": "org/name"}, "name either a path"),
        ({"path": "v.csv", "split": "test"}, "those of a dataset, and this is a path"),
        ({"path": "v.csv", "revision": "v1"}, "those of a dataset, and this is a path"),
    ],
)
def test_a_source_is_a_file_or_a_dataset(source: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        VerdictFile.model_validate(source)


def test_a_word_or_a_list_of_words_may_stand_for_a_meaning() -> None:
    words = VerdictWords.model_validate({"a": 1, "b": [2, "two"], "tie": None, "invalid": ["garbage", True]})
    meanings = words.meanings()
    assert (meanings["1"], meanings["2"], meanings["two"], meanings["garbage"]) == ("A", "B", "B", "invalid")
    assert meanings["true"] == "invalid"
    assert "tie" not in meanings


def test_orders_are_words_too() -> None:
    assert OrderWords.model_validate({"ab": False, "ba": True}).meanings() == {"false": "A", "true": "B"}


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        (1, "1"),
        (1.0, "1"),
        ("1.0", "1"),
        (" Tie ", "Tie"),
        (None, ""),
        (float("nan"), ""),
        (True, "true"),
        ("FALSE", "false"),
        (0.5, "0.5"),
        (-1.0, "-1"),
    ],
)
def test_a_cell_is_the_same_word_whatever_wrote_the_file(cell: Any, word: str) -> None:
    assert word_of(cell) == word


@pytest.mark.parametrize("sides", [TEXTS, {"item": "i", "model_a": "x", "model_b": "y"}])
def test_displayed_without_an_order_needs_sides_that_can_change_places(sides: dict[str, str]) -> None:
    columns = {**sides, "verdict": "v"}
    source = VerdictFile.model_validate({"path": "v.csv", "columns": columns, "coordinates": "displayed"})
    assert source.coordinates == "displayed"
