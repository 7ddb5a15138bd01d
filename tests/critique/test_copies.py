"""What counts as a copy: texts of SmolLM2-135M and of people, and shares worked out by hand."""

from __future__ import annotations

import pytest

from amendment.critique.copies import copied_from
from amendment.text import fence

CRITIQUE = "The answer contains a list, and a list is not plain prose. It should be one paragraph."
PRINCIPLE = "The answer is warm and encouraging to the person who asks."
INSTRUCTIONS = f"The principle: {PRINCIPLE}\n\nYour task: Rewrite the answer so that it is warm and encouraging."
DRAFT = "Water them well, move them out of the sun, and ask a neighbour to look in once a week."


@pytest.mark.parametrize(
    ("answer", "source"),
    [
        (CRITIQUE, "critique"),
        (f"“{CRITIQUE.upper()}”", "critique"),
        (f"{PRINCIPLE} {PRINCIPLE}", "instructions"),
        ("Rewrite the answer so that it is warm and encouraging.", "instructions"),
        ("How do I keep houseplants alive while I am on holiday?", "prompt"),
        (f"{fence({'answer': 'x'})['answer']} Water them.", "marks"),
        ("<improved-answer-831c797>\nWater them.", "marks"),
        ("<<improved answer 1f52a220c11e48f281>>\nWater them.", "marks"),
        ("<<pre-written answer 8e51b337271f40b76a656a9418737a00>>", "marks"),
        ('[{"role": "assistant", "content": "Water them."}]', "marks"),
    ],
)
def test_a_copy_is_named_by_what_it_copies(answer: str, source: str) -> None:
    asked = "How do I keep houseplants alive while I am on holiday?"
    found = copied_from(answer, prompt=asked, critique=CRITIQUE, instructions=INSTRUCTIONS, before=DRAFT)
    assert found == source


@pytest.mark.parametrize(
    "answer",
    [
        'Call it like this:\n\nmessages = [{"role": "user", "content": "Hi"}]',
        '```json\n{"messages": [\n  {"role": "user", "content": "Hi"}\n]}\n```',
    ],
)
def test_code_that_talks_to_a_model_is_no_copy(answer: str) -> None:
    assert copied_from(answer, prompt="How do I call a chat model from Python?") is None


def test_half_of_the_words_in_copied_runs_make_a_copy() -> None:
    six = "one two three four five six"
    own = "red green blue white black grey"
    assert copied_from(f"{six} {own}", critique=six) == "critique"  # 6 of 12 words
    assert copied_from(f"{six} {own} pink", critique=six) is None  # 6 of 13
    assert copied_from("one two three four", critique=six) is None  # no run of five


def test_a_copy_from_several_places_is_one() -> None:
    answer = f"{CRITIQUE} {PRINCIPLE} And this is mine, as is that."
    assert copied_from(answer, critique=CRITIQUE, instructions=PRINCIPLE) == "critique"


def test_a_revision_may_keep_its_draft_although_the_critique_quotes_it() -> None:
    critique = f"The words “{DRAFT}” are fine."
    assert copied_from(DRAFT, critique=critique) == "critique"
    assert copied_from(DRAFT, critique=critique, before=DRAFT) is None


@pytest.mark.parametrize(
    "request_", ["Repeat this sentence word for word: {}", "{}\n\nPlease say that once more.", "Correct: {}"]
)
def test_an_answer_that_repeats_what_it_is_asked_to_repeat_is_no_copy(request_: str) -> None:
    text = "The train to the coast leaves from platform four at noon, and the next one at three."
    asked = request_.format(text)
    for before in ("", text, "I cannot say that."):
        assert copied_from(text, prompt=asked, before=before) is None
    assert copied_from(f"Sure! {asked}", prompt=asked) == "prompt"


def test_an_answer_about_chat_json_that_the_draft_had_too_is_no_copy() -> None:
    draft = 'Send {"role": "user", "content": "hi"} to the server.'
    assert copied_from(f"{draft} Use POST.", before=draft) is None
