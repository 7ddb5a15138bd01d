"""Asked again, by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Item, Vote

Said = Callable[..., list[Vote]]
Items = Callable[..., dict[str, Item]]


def drawn(said: Said, rows: list[str], first: str) -> list[Vote]:
    """A row of letters per draw."""
    return [vote for number, row in enumerate(rows) for vote in said("j", row, "model", first, sample=number)]


def test_three_draws_of_two_items_by_hand(said: Said, items: Items) -> None:
    # i0: A A B, of which most say A: 2/3; two draws agree in 1 of 3 pairs. i1: B B B: 1 and 1
    found = audit(items(2), drawn(said, ["AB", "AB", "BB"], "A")).judges[0].repetition
    assert found
    assert found.groups == 2
    assert found.stability.value == pytest.approx(5 / 6)
    assert found.same_order.value == pytest.approx((1 / 3 + 1) / 2)
    assert found.other_order.n == 0


def test_noise_and_order_are_told_apart_by_hand(said: Said, items: Items) -> None:
    # i0, A first: A A, B first: B B: draws of one order always agree, of two orders never
    # i1, A first: A B, B first: A B: draws of one order never agree, of two orders in 2 of 4 pairs
    votes = [*drawn(said, ["AA", "AB"], "A"), *drawn(said, ["BA", "BB"], "B")]
    found = audit(items(2), votes).judges[0].repetition
    assert found
    assert (found.same_order.value, found.other_order.value) == (0.5, 0.25)
    assert found.bias_share.value == 0.25


def test_a_judge_of_pure_noise_shows_no_share_of_the_order(said: Said, items: Items) -> None:
    random = np.random.default_rng(4)
    rows = ["".join(random.choice(["A", "B"], 300)) for _ in range(6)]
    found = audit(items(300), [*drawn(said, rows[:3], "A"), *drawn(said, rows[3:], "B")]).judges[0].repetition
    assert found
    assert found.same_order.low < 0.5 < found.same_order.high
    assert found.bias_share.low < 0 < found.bias_share.high


def test_principles_are_questions_of_their_own(said: Said, items: Items) -> None:
    votes = [*said("j", "A", "model", "A", principle="p"), *said("j", "B", "model", "A", principle="q")]
    assert audit(items(1), votes).judges[0].repetition is None


def test_unread_draws_and_unknown_orders_take_no_part(said: Said, items: Items) -> None:
    votes = [*drawn(said, ["A", "?"], "A"), *said("j", "A", "model", sample=7), *said("j", "B", "model", sample=8)]
    assert audit(items(1), votes).judges[0].repetition is None


@pytest.mark.parametrize(("changed", "expected"), [(8, "PASS"), (9, "WARN"), (20, "WARN"), (21, "FAIL")])
def test_the_gate_at_its_thresholds(said: Said, items: Items, changed: int, expected: str) -> None:
    # a changed item has one of two draws with the majority: stability 1 - changed / 80
    second = "B" * changed + "A" * (40 - changed)
    found = audit(items(40), drawn(said, ["A" * 40, second], "A"), draws=50)
    assert {gate.check: gate.outcome for gate in found.gates}["repetition"] == expected
