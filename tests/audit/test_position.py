"""Displayed order and repeated questions, by hand."""

from __future__ import annotations

from typing import Literal

import pytest

from amendment.audit.certificate import audit
from amendment.audit.votes import Vote
from tests.audit.letters import items, said


def test_eight_items_by_hand() -> None:
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


def drawn(rows: list[str], first: Literal["A", "B"]) -> list[Vote]:
    """A row of letters per draw."""
    return [vote for number, row in enumerate(rows) for vote in said("j", row, "model", first, sample=number)]


def test_three_draws_of_two_items_by_hand() -> None:
    # i0: A A B, of which most say A: 2/3; two draws agree in 1 of 3 pairs. i1: B B B: 1 and 1
    found = audit(items(2), drawn(["AB", "AB", "BB"], "A")).judges[0].repetition
    assert found
    assert found.groups == 2
    assert found.stability.value == pytest.approx(5 / 6)
    assert found.same_order.value == pytest.approx((1 / 3 + 1) / 2)
    assert found.other_order.n == 0


def test_noise_and_order_are_told_apart_by_hand() -> None:
    # i0, A first: A A, B first: B B: draws of one order always agree, of two orders never
    # i1, A first: A B, B first: A B: draws of one order never agree, of two orders in 2 of 4 pairs
    votes = [*drawn(["AA", "AB"], "A"), *drawn(["BA", "BB"], "B")]
    found = audit(items(2), votes).judges[0].repetition
    assert found
    assert (found.same_order.value, found.other_order.value) == (0.5, 0.25)
    assert found.bias_share.value == 0.25


def test_unread_draws_and_unknown_orders_take_no_part() -> None:
    votes = [*drawn(["A", "?"], "A"), *said("j", "A", "model", sample=7), *said("j", "B", "model", sample=8)]
    assert audit(items(1), votes).judges[0].repetition is None


@pytest.mark.parametrize(("changed", "expected"), [(8, "PASS"), (9, "WARN"), (21, "WARN"), (36, "FAIL")])
def test_the_gate_at_its_thresholds(changed: int, expected: str) -> None:
    # a changed item has one of two draws with the majority: stability 1 - changed / 80; FAIL where shown below 0.75
    second = "B" * changed + "A" * (40 - changed)
    found = audit(items(40), drawn(["A" * 40, second], "A"), draws=50)
    assert {gate.check: gate.outcome for gate in found.gates}["repetition"] == expected
