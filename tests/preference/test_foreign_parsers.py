"""Verdicts in the words of other people's judges."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.llm.requests import Reply
from amendment.preference import read_output_letter
from amendment.records import Message


def replied(text: str, finish: Literal["stop", "length", "refusal"] = "stop") -> Reply:
    return Reply(messages=(Message(role="assistant", content=text),), finish_reason=finish)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Output (a)", "A"),
        (" Output (b).\n", "B"),
        ("Output (a) is shorter.\n\nTherefore, Output (b) is better.", "B"),
        ("Output (a) is better as it keeps to the question. Therefore, Output (a) is better.", "A"),
        ("Output (b) is the better one.", "B"),
    ],
)
def test_the_forms_of_the_logs(text: str, value: str) -> None:
    assert read_output_letter(replied(text)).value == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Both Output (a) and Output (b) are equally good.", "no output is called better"),
        ("Output (a) is better. No: Output (b) is better.", "both outputs are called better"),
        ("Neither is right. I do not think that Output (a) is better.", "no output is called better"),
        ("If tone counts, Output (a) is better.", "no output is called better"),
        ("Output (c)", "no output is called better"),
        ("", "no output is called better"),
    ],
)
def test_nothing_is_guessed(text: str, reason: str) -> None:
    found = read_output_letter(replied(text))
    assert (found.value, found.invalid) == (None, reason)


def test_what_stands_before_the_verdict_is_the_reasoning() -> None:
    assert read_output_letter(replied("It is shorter.\nOutput (a) is better.")).reasoning == "It is shorter."


def test_refusals_and_cut_replies_hold_no_verdict() -> None:
    assert read_output_letter(replied("Output (a)", "refusal")).invalid == "refused"
    assert read_output_letter(replied("Output (a)", "length")).value is None


@given(st.text(max_size=200))
def test_a_candidate_that_is_quoted_cannot_turn_the_verdict(quoted: str) -> None:
    found = read_output_letter(replied(f"{quoted}\nOutput (a) is better.\n\nSo: Output (a) is better."))
    assert found.value in ("A", None)
