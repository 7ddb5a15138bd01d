"""The losses of pairs on tensors, at points that can be worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st


def tensor(*values: float) -> Any:
    import torch

    return torch.tensor(values, dtype=torch.float64)


def test_soft_bradley_terry_by_hand() -> None:
    """A coin costs ln 2 whatever the label; odds of three to one cost ln(4/3) where the favourite won, and ln 4."""
    from amendment.training.losses import soft_bradley_terry

    losses = soft_bradley_terry(tensor(0.0, 0.0, math.log(3), math.log(3), -1e4), tensor(1.0, 0.3, 1.0, 0.0, 1.0))
    assert losses.tolist() == pytest.approx([math.log(2), math.log(2), math.log(4 / 3), math.log(4), 1e4])
    grid = np.linspace(-3, 3, 601)  # a soft label is cheapest at its own log-odds
    cheapest = grid[int(soft_bradley_terry(tensor(*grid), tensor(*[0.7] * 601)).argmin())]
    assert cheapest == pytest.approx(math.log(0.7 / 0.3), abs=0.01)


def test_ipo_is_least_where_the_difference_is_one_over_two_beta() -> None:
    from amendment.training.losses import identity_preference

    # beta 0.1: the goal is 5.  h = 5 loses 0, h = 0 loses 25; with p = 0.5 at h = 0: 25 / 2 + 25 / 2
    losses = identity_preference(tensor(5.0, 0.0, 0.0), tensor(1.0, 1.0, 0.5), beta=0.1)
    assert losses.tolist() == pytest.approx([0.0, 25.0, 25.0])


@given(st.floats(-5, 5, width=32), st.floats(0.01, 0.45))
def test_robust_dpo_is_unbiased(d: float, e: float) -> None:
    """(1 - e) x the robust loss of the right label + e x that of the flipped one = the loss without noise."""
    from amendment.training.losses import robust_preference

    right, flipped = (float(robust_preference(tensor(sign * d), flipped=e)) for sign in (1, -1))
    assert (1 - e) * right + e * flipped == pytest.approx(math.log1p(math.exp(-d)), abs=1e-6)


def test_rewards_are_held_at_zero_and_weights_count() -> None:
    from amendment.training.losses import centring, weighted_loss

    assert centring(tensor(1.0, 2.0), tensor(-1.0, 1.0)).tolist() == [0.0, 9.0]
    assert float(weighted_loss(tensor(1.0, 3.0), tensor(0.5, 1.5))) == 2.5  # (0.5 + 4.5) / 2
