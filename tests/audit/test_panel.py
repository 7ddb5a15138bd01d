"""Repeated votes, samples, principles and orders put together, by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amendment.audit.votes import INVALID, NONE, TIE, A, AuditData, B, Item, Vote, audit_data

NAMES = {A: "A", TIE: "tie", B: "B", INVALID: "invalid", NONE: "none"}


def judge(value: Any, first: Any = "A", **more: Any) -> Vote:
    return Vote("i0", "j", "model", value, first, **more)


def panel(votes: list[Vote], items: int = 1) -> AuditData:
    return audit_data({f"i{i}": Item(f"p{i}") for i in range(items)}, votes)


def reading(*votes: Vote) -> str:
    """What one order says."""
    (found,) = panel([*votes, Vote("i0", "ann", "person", "A")]).calls.of(1).value.tolist()
    return NAMES[found]


def verdict(*votes: Vote) -> str:
    """What the rater says over all orders."""
    (found,) = panel([*votes, Vote("i0", "ann", "person", "A")]).verdicts.of(1).value.tolist()
    return NAMES[found]


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([judge("A")], "A"),
        ([judge("both_bad")], "tie"),
        ([judge("A", p_a=0.4)], "A"),  # one vote stays what it says
        ([judge("A"), judge("A", sample=1), judge("B", sample=2)], "A"),  # (1 + 1 + 0) / 3
        ([judge("A"), judge("B", sample=1)], "tie"),  # 1/2
        ([judge("A", p_a=0.6), judge("B", p_a=0.1, sample=1)], "B"),  # 0.35
        ([judge("A", p_a=0.7), judge("B", p_a=0.3, sample=1)], "tie"),  # 0.5 but for rounding
        ([judge("tie"), judge("A", sample=1)], "A"),  # 0.75
        ([judge("A", principle="p"), judge("A", principle="q"), judge("tie", principle="r")], "A"),
        ([judge("invalid"), judge("B", sample=1)], "B"),  # what could be read stands
        ([judge("invalid"), judge("invalid", sample=1)], "invalid"),
    ],
)
def test_votes_of_one_order_are_put_together(votes: list[Vote], said: str) -> None:
    assert reading(*votes) == said


@pytest.mark.parametrize(
    ("votes", "said"),
    [
        ([judge("A", "A"), judge("A", "B")], "A"),
        ([judge("A", "A"), judge("B", "B")], "tie"),
        ([judge("A", "A"), judge("tie", "B")], "tie"),
        ([judge("A", "A", p_a=0.99), judge("B", "B", p_a=0.4)], "tie"),  # disagreement is a tie, however sure one is
        ([judge("A", "A"), judge("invalid", "B")], "invalid"),  # one order alone carries the bias of its order
        ([judge("B", None)], "B"),
        ([judge("B", None), judge("B", "A")], "B"),
    ],
)
def test_orders_are_put_together(votes: list[Vote], said: str) -> None:
    assert verdict(*votes) == said


@pytest.mark.parametrize(
    ("letters", "said"),
    [
        ("A", "A"),
        ("AAB", "A"),
        ("AB", "tie"),
        ("ABt", "tie"),
        ("AAtt", "tie"),
        ("ttA", "tie"),
        ("A?", "A"),
        ("?", "none"),
    ],
)
def test_the_majority_of_people_is_the_most_frequent_class_and_a_draw_is_a_tie(letters: str, said: str) -> None:
    values: dict[str, Any] = {"A": "A", "B": "B", "t": "tie", "?": "invalid"}
    votes = [Vote("i0", f"person {i}", "person", values[letter]) for i, letter in enumerate(letters)]
    found = panel([*votes, Vote("i1", "person 0", "person", "A")], items=2)
    assert NAMES[int(found.majority[0])] == said


def test_a_person_who_voted_twice_counts_once() -> None:
    votes = [Vote("i0", "ann", "person", "A"), Vote("i0", "ann", "person", "A"), Vote("i0", "bob", "person", "B")]
    assert panel(votes).people.tolist() == [[1, 0, 1]]


def test_people_and_judges_do_not_mix(said: Callable[..., list[Vote]]) -> None:
    found = panel([*said("ann", "A"), *said("m", "B", "model"), *said("v", "B", "verifier")])
    assert found.people.tolist() == [[1, 0, 0]]
    assert [rater.name for _, rater in found.judges] == ["m", "v"]
