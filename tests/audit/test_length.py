"""Length, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_the_asymmetry_of_errors_by_hand(said: Said, items: Items) -> None:
    # A is the longer of the first eight. People  A A A A B B B B: longer 4/8
    #                                     judge   A A A B A A B B: longer 5/8
    # P(judge longer | people shorter) = 2/4, P(judge shorter | people longer) = 1/4: asymmetry +1/4
    # no part: equal lengths, a length missing, people's tie, the judge's tie, an unread verdict
    # everything ten times, and two people who always agree, so that neither errs
    lengths = [100] * 8 + [50, 100, 100, 100, 100], [50] * 8 + [50, None, 50, 50, 50]
    known = items(130, length_a=list(lengths[0] * 10), length_b=list(lengths[1] * 10))
    people = [vote for name in ("ann", "bo") for vote in said(name, "AAAABBBB AAtAA" * 10)]
    votes = [*people, *said("j", "AAABAABB AAAt?" * 10, "model")]
    found = audit(known, votes)
    length = found.judges[0].bias["length"]
    assert length
    assert (length.items, length.judge.value) == (80, 5 / 8)
    assert length.people
    assert length.people.value == 4 / 8
    assert length.asymmetry
    assert length.asymmetry.value == pytest.approx(1 / 4, abs=1e-3)
    assert length.annotator_error == pytest.approx(0, abs=1e-3)
    # people alone: the eight, and the last two items on which only the judge was silent
    assert found.people
    assert (found.people.prefers_longer.value, found.people.prefers_longer.n) == (6 / 10, 100)


def test_the_longer_answer_may_stand_second(said: Said, items: Items) -> None:
    known = items(2, length_a=[1, 1], length_b=[9, 9])
    (judge,) = audit(known, [*said("ann", "BA"), *said("j", "BB", "model")]).judges
    assert judge.bias["length"]
    assert judge.bias["length"].judge.value == 1.0
    assert judge.bias["length"].people
    assert judge.bias["length"].people.value == 0.5


def test_each_order_is_a_call_of_its_own(said: Said, items: Items) -> None:
    known = items(1, length_a=[9], length_b=[1])
    votes = [*said("ann", "A"), *said("j", "A", "model", "A"), *said("j", "B", "model", "B")]
    (judge,) = audit(known, votes).judges
    assert judge.bias["length"]
    assert (judge.bias["length"].judge.value, judge.bias["length"].judge.n, judge.bias["length"].items) == (0.5, 2, 1)


def test_without_people_the_judge_alone_is_told(said: Said, items: Items) -> None:
    (judge,) = audit(items(2, length_a=[9, 9], length_b=[1, 1]), said("j", "AB", "model")).judges
    assert judge.bias["length"]
    assert (judge.bias["length"].judge.value, judge.bias["length"].people, judge.bias["length"].asymmetry) == (
        0.5,
        None,
        None,
    )


def test_without_lengths_nothing_is_said(said: Said, items: Items) -> None:
    (judge,) = audit(items(2), [*said("ann", "AB"), *said("j", "AB", "model")]).judges
    assert judge.bias == {}
