"""What may be compared, and what is set aside and counted."""

from __future__ import annotations

from typing import Any

from amendment.preference import pool_of
from amendment.records import Candidate, Message, Origin, ToolCall

CALL = Message(role="assistant", tool_calls=(ToolCall(function={"name": "look", "arguments": {}}),))


def candidate(text: str = "", *messages: Message, **fields: Any) -> Candidate:
    said = messages or (Message(role="assistant", content=text),)
    return Candidate(**{"prompt_id": "p", "messages": said, "kind": "draft", **fields})


def test_different_answers_are_kept_in_order_and_paired_once() -> None:
    x, y, z = candidate("x"), candidate("y"), candidate("z")
    pool = pool_of([x, y, z])
    assert pool.candidates == (x, y, z)
    assert pool.pairs() == [(x, y), (x, z), (y, z)]
    assert pool.set_aside == {}


def test_what_cannot_be_compared_is_set_aside_and_counted() -> None:
    kept = candidate("x")
    aside = [
        candidate("y", finish_reason="length"),
        candidate("x", finish_reason="length"),
        candidate(" \n"),
        candidate("", Message(role="assistant", thinking="Hm.")),
        candidate("x", kind="policy"),
    ]
    pool = pool_of([kept, *aside])
    assert pool.candidates == (kept,)
    assert pool.set_aside == {"truncated": 2, "empty": 2, "repeated": 1}


def test_the_first_writer_of_the_same_words_keeps_them() -> None:
    first, second = (candidate("x", origin=Origin(model=name)) for name in ("one", "two"))
    assert pool_of([first, second]).candidates[0].origin.model == "one"


def test_a_truncated_answer_does_not_take_the_place_of_the_whole_one() -> None:
    whole = candidate("x")
    assert pool_of([candidate("x", finish_reason="length"), whole]).candidates == (whole,)


def test_a_tool_call_is_an_answer() -> None:
    assert pool_of([candidate("", CALL), candidate("x")]).set_aside == {}


def test_nothing_gives_nothing() -> None:
    assert pool_of([]).pairs() == []


def test_answers_that_differ_in_white_space_alone_are_compared_once() -> None:
    first, second, third = candidate("two words"), candidate(" two\n\nwords"), candidate("two words\u200b!")
    pool = pool_of([first, second, third])
    assert pool.candidates == (first, third)
    assert pool.set_aside == {"repeated": 1}


def test_signs_that_show_nothing_are_no_answer() -> None:
    assert pool_of([candidate("\u200b\u2060\x00")]).set_aside == {"empty": 1}
