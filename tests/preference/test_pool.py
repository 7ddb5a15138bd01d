"""What may be compared, and what is set aside and counted."""

from __future__ import annotations

from typing import Any

from amendment.preference import pool_of
from amendment.records import Candidate, Message


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


def test_a_truncated_answer_does_not_take_the_place_of_the_whole_one() -> None:
    whole = candidate("x")
    assert pool_of([candidate("x", finish_reason="length"), whole]).candidates == (whole,)
