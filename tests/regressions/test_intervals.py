"""What an audit says of people and of shares where there is little to go by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from amendment.statistics import share
from tests.regressions.conftest import Certificate

Audit = Callable[..., Certificate]


def agreeing(count: int) -> list[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """Two people and a judge who agree on all of so many items."""
    rows = [{"item": f"q{i}"} | dict.fromkeys(("ann", "bob", "judge"), 1 + i % 2) for i in range(count)]
    words = {"a": 1, "b": 2}
    people = {"kind": "person", "words": words, "columns": {"item": "item", "votes": ["ann", "bob"]}}
    return [(rows, people), (rows, {"kind": "model", "words": words, "columns": {"item": "item", "votes": ["judge"]}})]


def test_people_with_fewer_than_thirty_shared_items_are_not_measured_against_a_judge(audit: Audit) -> None:
    # the old signed-rank test let the judge win against both
    found = audit(agreeing(29))
    assert found.judge["alternative_annotator"] is None
    assert "not measured: 29 of 30 items" in found.text


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


def test_few_clusters_are_named_in_words() -> None:
    assert "few clusters" in share([1, 0, 1, 1, 0, 1, 1], range(7)).note
