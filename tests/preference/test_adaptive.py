"""Comparisons chosen as one learns: where they go, and when they stop."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from amendment.preference import Compare, Ranked, rank_adaptively, rank_all_pairs


def judge(strengths: dict[str, float], noise: float = 0.0, seed: int = 0) -> Compare:
    async def compare(first: str, second: str) -> float:
        error = Random(f"{seed} {first} {second}").gauss(0, noise)
        return 1 / (1 + math.exp(strengths[second] - strengths[first] + error))

    return compare


def adaptive(strengths: dict[str, float], **options: Any) -> Ranked:
    return asyncio.run(rank_adaptively(list(strengths), judge(strengths), **options))


LEVEL = {f"c{i}": 0.0 for i in range(6)}
APART = {"far": 9.0, **{f"c{i}": -float(i) for i in range(7)}}


@pytest.mark.parametrize("rule", ["thompson", "narrowing"])
def test_the_cap_on_calls_holds_and_the_note_says_that_it_ended_the_search(rule: Any) -> None:
    nearly_level = {f"c{i}": 0.01 * i for i in range(6)}  # no exact ties, which would name nobody
    found = adaptive(nearly_level, calls=7, at_once=3, rule=rule)
    assert len(found.comparisons) == 7
    assert found.p_best is not None
    assert found.p_best < 0.95
    assert any(note.startswith("stopped at P(best)") for note in found.notes)


def test_one_who_is_far_better_ends_the_search_early() -> None:
    found = adaptive(APART, calls=28, weight=8, spread=4)
    assert found.best == "far"
    assert found.p_best is not None
    assert found.p_best >= 0.95
    assert len(found.comparisons) < 20
    assert found.notes == ()


def test_more_surety_costs_more() -> None:
    costs = [len(adaptive(APART, calls=28, weight=8, spread=4, sure=sure).comparisons) for sure in (0.6, 0.95, 1.0)]
    assert costs[0] < costs[1] <= costs[2]


def test_comparisons_gather_around_who_may_be_the_best() -> None:
    strengths = {f"c{i}": -1.0 * i for i in range(10)}
    met: Counter[str] = Counter()
    for seed in range(6):
        made = adaptive(strengths, calls=18, seed=seed, weight=4).comparisons
        met.update(name for one in made for name in one[:2])
    assert met["c0"] + met["c1"] + met["c2"] > 1.5 * (met["c7"] + met["c8"] + met["c9"])


def test_narrowing_compares_everybody_before_anybody_twice_as_often() -> None:
    # beforehand all are alike, and a comparison lowers the uncertainty of its own two: others come first
    made = adaptive(LEVEL, calls=3, rule="narrowing").comparisons
    assert sorted(name for one in made for name in one[:2]) == sorted(LEVEL)
    together = adaptive(LEVEL, calls=3, at_once=3, rule="narrowing").comparisons
    assert sorted(name for one in together for name in one[:2]) == sorted(LEVEL)


def test_strengths_are_the_most_probable_ones_under_the_prior() -> None:
    strengths = {"a": 1.0, "b": 0.2, "c": -0.5}
    found = adaptive(strengths, calls=3, sure=1.0, spread=1.5, weight=2.0)
    names = list(found.theta)

    def loss(theta: Any) -> float:
        said = dict(zip(names, theta, strict=True))
        rows = [(said[one] - said[other], p) for one, other, p in found.comparisons if p is not None]
        return float(2 * sum(np.logaddexp(0, d) - p * d for d, p in rows) + sum(theta**2) / (2 * 1.5**2))

    assert len(found.comparisons) == 3
    best = minimize(loss, np.zeros(3), options={"gtol": 1e-8})
    assert list(found.theta.values()) == pytest.approx(best.x, abs=1e-5)


def test_half_of_all_pairs_find_nearly_the_same_best() -> None:
    # over 30 sets of eight with a noisy judge; the whole round robin is the measure
    regret = {"adaptive": 0.0, "all pairs": 0.0}
    for seed in range(30):
        random = Random(seed)
        strengths = {f"c{i}": random.gauss(0, 1.5) for i in range(8)}
        noisy, top = judge(strengths, 0.7, seed), max(strengths.values())
        ids = list(strengths)
        some = asyncio.run(rank_adaptively(ids, noisy, calls=14, weight=4, seed=seed))
        every = asyncio.run(rank_all_pairs(ids, noisy))
        assert len(some.comparisons) <= 14
        regret["adaptive"] += top - strengths[str(some.best)]
        regret["all pairs"] += top - strengths[str(every.best)]
    assert regret["adaptive"] / 30 < regret["all pairs"] / 30 + 0.1  # spread of strengths: 1.5


@pytest.mark.parametrize(
    "wrong", [{"calls": 0}, {"calls": 3, "sure": 1.1}, {"calls": 3, "at_once": 0}, {"calls": 3, "weight": 0}]
)
def test_options_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected calls"):
        adaptive(LEVEL, **wrong)
