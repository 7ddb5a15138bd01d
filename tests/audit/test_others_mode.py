"""Judges and people beside what the other people mostly say."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_people_and_a_judge_by_hand(said: Said, items: Items) -> None:
    # i0 AAB: people 1/3; the judge's A meets {A, B}, {A, B} and {A, A}: 2/3. i1 BBB: people 1, the judge's A 0.
    # i2 has one person, i3 is not judged: people 1 there
    votes = [*said("ann", "ABAA"), *said("bob", "AB.A"), *said("eve", "BB.A"), *said("j", "AAA?", "model")]
    found = audit(items(4), votes, draws=20)
    assert found.people
    assert found.people.leave_one_out
    assert found.people.leave_one_out.value == pytest.approx((1 / 3 + 1 + 1) / 3)
    beside = found.judges[0].leave_one_out
    assert beside
    assert beside.judge.value == pytest.approx(1 / 3)
    assert beside.judge.n == 2
    assert beside.people.value == pytest.approx(2 / 3)
    assert beside.difference.value == pytest.approx(-1 / 3)


def test_two_orders_that_disagree_are_a_tie(said: Said, items: Items) -> None:
    # right in one order and wrong in the other: its label is a tie, which nobody else says
    votes = [*said("ann", "AB"), *said("bob", "AB"), *said("j", "AB", "model", "A"), *said("j", "BA", "model", "B")]
    beside = audit(items(2), votes, draws=20).judges[0].leave_one_out
    assert beside
    assert (beside.judge.value, beside.judge.n) == (0.0, 2)


def test_one_person_has_no_others(said: Said, items: Items) -> None:
    found = audit(items(4), [*said("ann", "ABAB"), *said("j", "ABAB", "model")], draws=20)
    assert found.people
    assert found.people.leave_one_out is None
    assert found.judges[0].leave_one_out is None
    text = "\n".join(certificate_lines(found))
    assert "leaving one person out" not in text.lower()
