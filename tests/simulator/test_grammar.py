"""Clauses, programs, and a parser that takes anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.simulator.grammar import FIXED, OPEN, STEPS, parse, render, run_program, same_program

WORDS = sorted({word for phrase in (*FIXED, *OPEN) for word in phrase.split()} | {*STEPS, "arlo", "11", "times", "3"})


def test_an_answer_falls_into_its_clauses() -> None:
    reading = parse("sure as you may know the answer is 11 because sum you fool")
    assert [clause.kind for clause in reading.clauses] == ["courtesy", "filler", "answer", "why", "insult"]
    assert reading.values("answer") == ["11"]
    assert reading.values("why") == ["sum"]
    assert (reading.n_words, reading.n_unparsed) == (13, 0)


def test_a_refusal_names_its_reason_and_a_helper() -> None:
    reading = parse("sorry i will not help since it is private try the owner")
    assert [clause.kind for clause in reading.clauses] == ["courtesy", "refusal", "reason", "helper"]
    assert (reading.values("reason"), reading.values("helper")) == (["private"], ["owner"])


@pytest.mark.parametrize(
    ("text", "junk"),
    [
        ("the answer is banana", 4),  # no value of this world: none of the four words belongs to a clause
        ("the answer 11", 3),
        ("Here is the revised answer: the answer is 11", 5),
        ("i am not sure", 3),  # `sure` alone is a courtesy
        ("the program is times times 3", 6),
        ("the code is 4", 4),
        ("because of sum", 3),
        ("the answer is ²", 4),  # a digit to str.isdigit, not to us
        ("", 0),
    ],
)
def test_words_outside_every_clause_are_counted(text: str, junk: int) -> None:
    assert parse(text).n_unparsed == junk


def test_the_unparsed_share_is_of_words_and_one_for_an_empty_text() -> None:
    assert parse("blah the answer is 11").unparsed_share == pytest.approx(1 / 5)
    assert parse(" \n ").unparsed_share == 1.0


@given(st.text())
def test_any_text_has_a_reading_that_renders_back(text: str) -> None:
    reading = parse(text)
    assert render(reading.clauses) == " ".join(text.lower().split())
    assert 0 <= reading.n_unparsed <= reading.n_words


@given(st.lists(st.sampled_from(WORDS)))
def test_any_order_of_known_words_reads_the_same_after_rendering(words: list[str]) -> None:
    reading = parse(" ".join(words))
    assert parse(render(reading.clauses)) == reading


def test_a_program_is_run_step_by_step() -> None:
    assert run_program("times 3 add 2", 5) == 17
    assert run_program("add 2 times 3", 5) == 21
    assert run_program("sub 4", 1) == -3


def test_programs_are_compared_by_what_they_do() -> None:
    assert same_program("times 3 add 2", "times 3 add 1 add 1")
    assert same_program("times 2 times 2 add 1", "times 4 add 1")
    assert not same_program("times 3 add 2", "add 2 times 3")
    assert not same_program("times 3 add 2", "times 3")


def test_an_endless_program_is_not_run() -> None:
    assert not same_program("times 9 " * 10_000, "times 9")
