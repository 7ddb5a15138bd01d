"""The formulas at points that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amendment.training import bradley_terry_loss, dpo_logits, sequence_margin


def test_a_coin_costs_ln_2_whatever_the_label() -> None:
    assert bradley_terry_loss([0.0, 0.0], [1.0, 0.3]) == pytest.approx([math.log(2)] * 2)


def test_a_winner_at_odds_three_to_one_costs_the_log_of_four_thirds() -> None:
    # P(chosen) = 3/4, so -ln(3/4); had the other won, -ln(1/4)
    logit = math.log(3)
    assert bradley_terry_loss(logit) == pytest.approx(math.log(4 / 3))
    assert bradley_terry_loss(logit, 0.0) == pytest.approx(math.log(4))


def test_a_soft_label_is_cheapest_at_its_own_log_odds() -> None:
    grid = np.linspace(-3, 3, 601)
    best = grid[np.argmin(bradley_terry_loss(grid, 0.7))]
    assert best == pytest.approx(math.log(0.7 / 0.3), abs=0.01)


def test_large_logits_neither_overflow_nor_vanish() -> None:
    assert bradley_terry_loss([-1e4, 1e4]) == pytest.approx([1e4, 0.0])


def test_implicit_rewards_by_hand() -> None:
    # policy prefers by -2 - -5 = 3 nats, reference by -4 - -5 = 1; beta 0.1: 0.1 * (3 - 1) = 0.2
    policy, reference = sequence_margin([-2.0], [-5.0]), sequence_margin([-4.0], [-5.0])
    assert dpo_logits(policy, reference, beta=0.1) == pytest.approx([0.2])


def test_a_policy_that_is_its_reference_starts_at_ln_2() -> None:
    margin = sequence_margin([-7.0, -1.0], [-3.0, -9.0])
    assert bradley_terry_loss(dpo_logits(margin, margin, beta=0.5)) == pytest.approx([math.log(2)] * 2)
