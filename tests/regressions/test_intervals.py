"""What an audit says of people and of shares where there is little to go by."""

from __future__ import annotations

import numpy as np
import pytest

from amendment.statistics import share


@pytest.mark.parametrize(("truth", "prompts", "rows"), [(0.97, 100, 1), (0.03, 100, 1), (0.97, 40, 10)])
def test_intervals_of_shares_near_zero_and_one_hold_the_truth(truth: float, prompts: int, rows: int) -> None:
    # of 1,500 draws 94 % and more are expected; the noise of the share is 0.6 points
    random = np.random.default_rng(0)
    names = np.repeat(np.arange(prompts), rows)
    drawn = random.random((1_500, names.size)) < truth
    held = [found.low <= truth <= found.high for found in (share(row, names) for row in drawn)]
    assert np.mean(held) > 0.92


@pytest.mark.parametrize(
    ("truth", "sizes"),
    [
        (0.97, [10] * 40),  # held in 70 %
        (0.9, [200 // place + 1 for place in range(1, 101)]),  # held in 80 %: a prompt has a sixth of all rows
    ],
)
def test_intervals_of_shares_hold_the_truth_if_the_rows_of_a_prompt_are_alike(truth: float, sizes: list[int]) -> None:
    random = np.random.default_rng(0)
    names = np.repeat(np.arange(len(sizes)), sizes)
    drawn = random.random((500, len(sizes))) < truth
    held = [found.low <= truth <= found.high for found in (share(row[names], names) for row in drawn)]
    assert np.mean(held) > 0.92


@pytest.mark.parametrize(("prompts", "rows"), [(100, 1), (40, 10)])
def test_one_more_error_never_raises_the_lower_bound_of_a_share(prompts: int, rows: int) -> None:
    names = np.repeat(np.arange(prompts), rows)
    lows = [share((names >= errors) | (np.arange(names.size) % rows > 0), names).low for errors in range(8)]
    assert lows == sorted(lows, reverse=True)
