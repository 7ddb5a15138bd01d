"""Slices and win shares, by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amendment.calibration import Item, Vote, audit

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_slices_by_category_by_hand(said: Said, items: Items) -> None:
    # x: A=A, t/A; y: B=B, and nobody labelled the last
    known = items(4, category=["x", "x", "y", "y"])
    votes = [*said("ann", "AAB."), *said("j", "AtBA", "model", "A"), *said("j", "AtAA", "model", "B")]
    x, y = audit(known, votes).slices
    assert (x.by, x.name, x.judge, x.items, x.is_small) == ("category", "x", "j", 2, True)
    assert (x.no_ties.value, x.no_ties.n, x.half.value) == (1.0, 2, 0.75)
    assert x.consistency.value == 1.0
    assert (y.items, y.half.value, y.consistency.value) == (1, 0.5, 0.5)


def test_a_slice_of_thirty_items_is_not_small(said: Said, items: Items) -> None:
    known = items(50, category=["x"] * 30 + ["y"] * 20)
    found = audit(known, [*said("ann", "AB" * 25), *said("j", "AB" * 25, "model")]).slices
    assert [(one.name, one.items, one.is_small) for one in found] == [("x", 30, False), ("y", 20, True)]


def test_one_category_is_no_slice(said: Said, items: Items) -> None:
    assert audit(items(2, category=["x", "x"]), [*said("ann", "AB"), *said("j", "AB", "model")]).slices == ()


def test_slices_by_principle_use_the_votes_of_that_principle(said: Said, items: Items) -> None:
    # by p the judge says A A, by q B B; ann votes without a principle, bob by p alone
    votes = [
        *said("ann", "AB"),
        *said("bob", "AA", principle="p"),
        *said("j", "AA", "model", principle="p"),
        *said("j", "BB", "model", principle="q"),
    ]
    p, q = audit(items(2), votes).slices
    # p: people A A and B A, majority A tie: judge A A; q: ann alone, A B: judge B B
    assert (p.by, p.name, p.half.value) == ("principle", "p", 0.75)
    assert (q.name, q.half.value) == ("q", 0.5)


def test_a_model_takes_part_on_either_side_and_wins_by_halves(said: Said, items: Items) -> None:
    known = items(4, model_a=["m", "n", "m", "o"], model_b=["n", "m", "m", "n"])
    votes = [*said("ann", "AAtB"), *said("j", "AtAB", "model")]
    found = audit(known, votes)
    slices = {one.name: one for one in found.slices}
    assert {name: one.items for name, one in slices.items()} == {"m": 3, "n": 3, "o": 1}
    wins = {(one.model, one.judge): one for one in found.win_shares}
    # m by people: i0 won, i1 lost (n is A); i2 is m against itself and takes no part: 1/2
    assert wins["m", None].share.value == 0.5
    # m by the judge: i0 won, i1 tie: 3/4; people on the same two 1/2
    assert wins["m", "j"].share.value == 0.75
    assert wins["m", "j"].people
    assert wins["m", "j"].people.value == 0.5
    assert wins["m", "j"].difference
    assert wins["m", "j"].difference.value == pytest.approx(0.25)
    # n by people: i0 lost, i1 won, i3 won
    assert wins["n", None].share.value == pytest.approx(2 / 3)


def test_without_people_slices_tell_consistency_alone(said: Said, items: Items) -> None:
    known = items(2, category=["x", "y"], model_a=["m", "m"], model_b=["n", "n"])
    found = audit(known, [*said("j", "AA", "model", "A"), *said("j", "AB", "model", "B")])
    x, y, *_ = found.slices
    assert (x.consistency.value, y.consistency.value) == (1.0, 0.0)
    assert x.no_ties.n == 0
    assert {(one.model, one.share.value, one.people) for one in found.win_shares} == {
        ("m", 0.75, None),
        ("n", 0.25, None),
    }
