"""Displayed order, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def test_eight_items_by_hand(said: Said, items: Items) -> None:
    # A first  A B t A A B t ?    the last pair cannot be compared: 7 pairs
    # B first  A B t B B A A A    same: 3 of 7; first shown twice: 2; second shown twice: 1; soft: 1
    votes = [*said("j", "ABtAABt?", "model", "A"), *said("j", "ABtBBAAA", "model", "B")]
    found = audit(items(8), votes).judges[0].position
    assert (found.pairs, found.primacy, found.recency, found.soft) == (7, 2, 1, 1)
    assert found.consistency.value == pytest.approx(3 / 7)
    assert found.index.value == pytest.approx(-1 / 3)
    assert found.rate.value == pytest.approx(-1 / 7)
    # at most one head in three throws: (1 + 3) / 8, twice
    assert found.p == 1.0
    # marginals A 3 B 2 t 2 and A 3 B 3 t 1: p_e = (9 + 6 + 2) / 49; kappa = (21 - 17) / (49 - 17)
    assert found.kappa.value == pytest.approx(4 / 32)
    # decided and for the first shown: A first A A A of A B A A B, B first B B B of A B B B A A A
    assert (found.prefers_first.value, found.prefers_first.n) == (6 / 12, 12)


def test_a_judge_that_always_takes_the_first_shown(said: Said, items: Items) -> None:
    votes = [*said("j", "A" * 40, "model", "A"), *said("j", "B" * 40, "model", "B")]
    found = audit(items(40), votes).judges[0].position
    assert (found.consistency.value, found.index.value, found.rate.value) == (0.0, -1.0, -1.0)
    assert found.prefers_first.value == 1.0
    assert found.p == pytest.approx(2 * 0.5**40)


def test_a_judge_that_always_takes_the_second_shown_has_the_other_sign(said: Said, items: Items) -> None:
    votes = [*said("j", "B" * 40, "model", "A"), *said("j", "A" * 40, "model", "B")]
    assert audit(items(40), votes).judges[0].position.index.value == 1.0


def test_a_judge_that_does_not_care_has_no_index(said: Said, items: Items) -> None:
    votes = [*said("j", "AB" * 20, "model", "A"), *said("j", "AB" * 20, "model", "B")]
    found = audit(items(40), votes).judges[0].position
    assert found.consistency.value == found.kappa.value == 1.0
    assert math.isnan(found.index.value)
    assert math.isnan(found.p)
    assert found.consistency.high == 1.0
    assert found.consistency.low == pytest.approx(40 / (40 + 2.0227**2), abs=1e-4)  # Wilson, t of 39


def test_votes_without_a_known_order_take_no_part(said: Said, items: Items) -> None:
    votes = [*said("j", "AB", "model"), *said("j", "AB", "model", "A")]
    found = audit(items(2), votes).judges[0].position
    assert found.pairs == 0
    assert math.isnan(found.consistency.value)
    assert found.prefers_first.n == 2


def test_samples_are_put_together_before_orders_are_compared(said: Said, items: Items) -> None:
    # A first: A A B is A; B first: A. One flip among three draws is no inconsistency
    votes = [vote for i, letter in enumerate("AAB") for vote in said("j", letter, "model", "A", sample=i)]
    found = audit(items(1), [*votes, *said("j", "A", "model", "B")]).judges[0].position
    assert (found.pairs, found.consistency.value) == (1, 1.0)


@pytest.mark.parametrize(
    ("prompts", "note"),
    [(4, "no interval from fewer than 5 clusters"), (12, "few clusters (12)"), (24, "")],
)
def test_the_rate_of_a_lean_on_few_prompts_is_told_with_caution(
    prompts: int, note: str, said: Said, items: Items
) -> None:
    # of two items of a prompt one is the first shown's both times, the other the same; now and then both are
    first, second = "A" * 2 * prompts, "BA" * (prompts - 1) + "BB"
    votes = [*said("j", first, "model", "A"), *said("j", second, "model", "B")]
    rate = audit(items(2 * prompts, per_prompt=2), votes).judges[0].position.rate
    assert rate.value == pytest.approx(-(prompts + 1) / (2 * prompts))
    assert (rate.note, math.isnan(rate.low)) == (note, prompts < 5)


def test_a_rate_without_variation_says_why_it_has_no_interval(said: Said, items: Items) -> None:
    votes = [*said("j", "A" * 40, "model", "A"), *said("j", "B" * 40, "model", "B")]
    rate = audit(items(40), votes).judges[0].position.rate
    assert (rate.value, rate.note) == (-1.0, "no interval: no variation between clusters was seen")
