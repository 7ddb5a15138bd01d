"""Slices and win shares, by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

from amendment.audit.certificate import audit
from amendment.audit.text import certificate_lines
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def five(values: Sequence[str]) -> list[str]:
    """Each value for five items, since fewer make no slice."""
    return [value for value in values for _ in range(5)]


def letters(values: str) -> str:
    return "".join(five(values))


def test_slices_by_category_by_hand(said: Said, items: Items) -> None:
    # x: A=A, t/A; y: B=B, and nobody labelled the last; five items of each
    known = items(20, category=five("xxyy"))
    votes = [
        *said("ann", letters("AAB.")),
        *said("j", letters("AtBA"), "model", "A"),
        *said("j", letters("AtAA"), "model", "B"),
    ]
    x, y = audit(known, votes).slices
    assert (x.by, x.name, x.judge, x.items, x.is_small) == ("category", "x", "j", 10, True)
    assert (x.no_ties.value, x.no_ties.n, x.half.value) == (1.0, 10, 0.75)
    assert x.consistency.value == 1.0
    assert (y.items, y.half.value, y.consistency.value) == (5, 0.5, 0.5)


def test_a_slice_of_thirty_items_is_not_small(said: Said, items: Items) -> None:
    known = items(50, category=["x"] * 30 + ["y"] * 20)
    found = audit(known, [*said("ann", "AB" * 25), *said("j", "AB" * 25, "model")]).slices
    assert [(one.name, one.items, one.is_small) for one in found] == [("x", 30, False), ("y", 20, True)]


def test_one_category_is_no_slice(said: Said, items: Items) -> None:
    assert audit(items(10, category=["x"] * 10), [*said("ann", "AB" * 5), *said("j", "AB" * 5, "model")]).slices == ()


def test_slices_by_principle_use_the_votes_of_that_principle(said: Said, items: Items) -> None:
    # by p the judge says A A, by q B B; ann votes without a principle, bob by p alone
    votes = [
        *said("ann", letters("AB")),
        *said("bob", letters("AA"), principle="p"),
        *said("j", letters("AA"), "model", principle="p"),
        *said("j", letters("BB"), "model", principle="q"),
    ]
    p, q = audit(items(10), votes).slices
    # p: people A A and B A, majority A tie: judge A A; q: ann alone, A B: judge B B
    assert (p.by, p.name, p.half.value) == ("principle", "p", 0.75)
    assert (q.name, q.half.value) == ("q", 0.5)


def test_without_people_slices_tell_consistency_alone(said: Said, items: Items) -> None:
    known = items(10, category=five("xy"), model_a=["m"] * 10, model_b=["n"] * 10)
    found = audit(known, [*said("j", letters("AA"), "model", "A"), *said("j", letters("AB"), "model", "B")])
    x, y, *_ = found.slices
    assert (x.consistency.value, y.consistency.value) == (1.0, 0.0)
    assert x.no_ties.n == 0


def test_of_very_many_values_the_most_frequent_are_sliced_and_the_others_counted(said: Said, items: Items) -> None:
    # 60 categories of 5 to 64 items, and 30 of one item each: the 50 largest are those of 15 items and more
    names = [f"c{size:02}" for size in range(5, 65) for _ in range(size)] + [f"rare {n}" for n in range(30)]
    known = items(len(names), category=names)
    found = audit(known, [*said("ann", "A" * len(names)), *said("j", "A" * len(names), "model")], draws=20)
    assert [(one.name, one.items) for one in found.slices] == [(f"c{size:02}", size) for size in range(15, 65)]
    assert found.not_sliced == {"category": 10 + 30}
    lines = certificate_lines(found)
    assert "- values without a slice (fewer than 5 items, or not among the 50 with most): category 40" in lines


def test_a_value_of_its_own_for_every_row_makes_neither_slices_nor_win_shares(said: Said, items: Items) -> None:
    own = [f"{n}" for n in range(2000)]
    known = items(2000, category=own, model_a=own, model_b=[f"x{one}" for one in own])
    votes = [one._replace(principle=f"p{n}") for n, one in enumerate(said("j", "AB" * 1000, "model"))]
    began = time.perf_counter()
    found = audit(known, [*said("ann", "A" * 2000), *votes], draws=20)
    assert time.perf_counter() - began < 10, "a tenth of a second on one quiet core; a minute when each is scanned"
    assert found.slices == ()
    assert found.not_sliced == {"principle": 2000, "category": 2000, "model": 4000}
    assert len(json.dumps(found.to_json())) < 50_000


def test_a_model_against_itself_is_one_item_of_it(said: Said, items: Items) -> None:
    # m: four items, of which two are m against itself: fewer than five
    known = items(9, model_a=list("mmmmnnnnn"), model_b=list("mmnooooop"))
    found = audit(known, [*said("ann", "A" * 9), *said("j", "A" * 9, "model")])
    assert {one.name: one.items for one in found.slices} == {"n": 6, "o": 5}
    assert found.not_sliced == {"model": 2}
