"""What a reasoning plainly says, and what it does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.audit.stance import argued_for


@pytest.mark.parametrize(
    ("reasoning", "expected"),
    [
        ("Answer B is better.", "B"),
        ("A is the better one here.", "A"),
        ("Both have merits.\nTherefore, Answer A is clearly better because it is right.", "A"),
        ("I prefer response B.", "B"),
        ("Output (b) is better", "B"),
        ("**Answer A** is the better answer.", "A"),
        ("I think that answer a is better than answer b.", "A"),
        ("Answer A is better. On reflection it is wrong. Answer B is better.", "B"),  # the last one stands
    ],
)
def test_plain_statements(reasoning: str, expected: str) -> None:
    assert argued_for(reasoning) == expected


@pytest.mark.parametrize(
    "reasoning",
    [
        "",
        None,
        "Answer A keeps to the facts.",
        "If style counts, answer A is better.",
        "While answer A is better, it is rude.",
        "Answer A is not better.",
        "Answer A is better in tone.",  # in tone only
        "Some would say answer B is better.",
        "Neither answer A is better nor answer B.",
        "a is better",  # an article as well as a label
        "Vitamin A is better.",
        "Is answer A better?",
        "The user says: answer B is better",
    ],
)
def test_what_is_not_plain_says_nothing(reasoning: str | None) -> None:
    assert argued_for(reasoning) is None


def test_a_concession_does_not_hide_the_statement_of_another_sentence() -> None:
    assert argued_for("Answer B is better. While answer A is better, it is rude.") == "B"


@given(st.text(max_size=300))
def test_exchanging_the_labels_exchanges_what_is_argued(text: str) -> None:
    reasoning = f"{text}\nAnswer A is better.\n"
    assert argued_for(reasoning) == "A"
    assert argued_for(reasoning.replace("Answer A is", "Answer B is")) == "B"


def test_a_very_long_reasoning_is_read_quickly_from_its_end() -> None:
    assert argued_for("answer a is better than " * 100_000 + ".\nAnswer B is better.") == "B"


def test_a_reasoning_that_repeats_itself_takes_no_longer_than_another() -> None:
    assert argued_for("A is " + "clearly " * 12_000 + "x") is None
    assert argued_for("A is the " + "clearly " * 12_000 + "better") == "A"
    assert argued_for("so " * 30_000 + "x") is None
