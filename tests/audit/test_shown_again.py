"""People shown an item once more: the first time counts, the repeat says how consistent they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amendment.audit.certificate import Certificate, audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def again(found: Certificate) -> dict[str, tuple[float, int]]:
    assert found.people
    assert found.people.again
    together = {"all": (found.people.again.same.value, found.people.again.same.n)}
    return together | {one.person: (one.same.value, one.same.n) for one in found.people.again.people}


def test_self_consistency_by_hand(said: Said, items: Items) -> None:
    # ann says the same on 2 of 3 repeats, bob on 1 of 1; sides were exchanged, which content does not show
    votes = [
        *said("ann", "ABtA", first="A"),
        *said("ann", "AAt", first="B", again=True),
        *said("bob", "AB", first="B"),
        *said("bob", ".B", first="A", again=True),
        *said("eve", "AB"),
    ]
    found = audit(items(4), votes, draws=20)
    assert again(found) == {"all": (3 / 4, 4), "ann": (2 / 3, 3), "bob": (1, 1)}
    lines = certificate_lines(found)
    assert "12 votes, 4 on repeated items" in lines[2]
    start = lines.index("## People shown an item once more") + 4
    assert [[cell.strip() for cell in line.strip("|").split("|")][:2] for line in lines[start : start + 3]] == [
        ["all 2", "4"],
        ["ann", "3"],
        ["bob", "1"],
    ]


def test_both_bad_and_a_tie_are_the_same_verdict(said: Said, items: Items) -> None:
    assert again(audit(items(1), [*said("ann", "x"), *said("ann", "t", again=True)], draws=20))["all"] == (1, 1)


def test_repeats_change_nothing_else(said: Said, items: Items) -> None:
    votes = [
        *said("ann", "AABB" * 10, first="A", confidence=1.0),
        *said("bob", "AABt" * 10, first="B", confidence=1 / 3),
        *said("j", "AAAB" * 10, "model", "A"),
    ]
    repeats = [*said("ann", "BBAA" * 10, first="B", again=True), *said("bob", "....ABt", first="A", again=True)]
    without, beside = (audit(items(40), some, draws=50) for some in (votes, [*repeats, *votes]))
    one, other = without.to_json(), beside.to_json()
    assert one["people"].pop("again") is None
    assert other["people"].pop("again")
    counted: dict[str, Any] = {"votes": 120, "shown_again": 0}
    assert {name: one["counts"].pop(name) for name in counted} == counted
    assert {name: other["counts"].pop(name) for name in counted} == {"votes": 163, "shown_again": 43}
    for document in (one, other):
        for rater in document["counts"]["raters"]:
            for name in ("votes", "ties", "invalid"):
                rater.pop(name)
    assert one == other


def test_a_repeat_counts_where_the_first_could_not_be_read(said: Said, items: Items) -> None:
    found = audit(items(1), [*said("ann", "?", first="A"), *said("ann", "B", first="B", again=True)], draws=20)
    assert found.people
    assert found.people.majority == {"A": 0, "tie": 0, "B": 1}
    assert found.people.again is None
    assert [(rater.votes, rater.invalid.value) for rater in found.counts.raters] == [(2, 0.5)]


def test_samples_of_a_judge_are_no_repeats(said: Said, items: Items) -> None:
    # A, A and B: the mean of P(A) decides, as before
    votes = [vote for sample, letter in enumerate("BAA") for vote in said("j", letter, "model", "A", sample=sample)]
    found = audit(items(1), [*said("ann", "A"), *votes], draws=20)
    assert found.judges[0].one_call
    assert found.judges[0].one_call.by_rule["strict"].value == 1
    assert found.people
    assert found.people.again is None
    assert found.counts.shown_again == 0


def test_two_votes_of_one_showing_are_repeated_votes_and_not_a_showing_more(said: Said, items: Items) -> None:
    found = audit(items(1), [*said("ann", "A"), *said("ann", "B")], draws=20)
    assert (found.counts.repeated_votes, found.counts.shown_again) == (1, 0)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, float("nan")])
def test_a_confidence_that_is_none_is_named(said: Said, items: Items, confidence: float) -> None:
    from amendment.errors import DataError

    with pytest.raises(DataError, match="confidence: expected a number from 0 to 1, found"):
        audit(items(1), said("ann", "A", confidence=confidence))
