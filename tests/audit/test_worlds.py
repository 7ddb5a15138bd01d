"""A cut of `benchmarks/conclusions.py`: how often the first sentence is wrong in worlds whose truth is known."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.conclusions import WORLDS, run, truth_of

SEEDS = 40
BY_NAME = {world.name: world for world in WORLDS}


@pytest.mark.parametrize(
    "name",
    [
        "40 of 500 with two people",
        "5 points below, people 95 %",
        "kappa of the judge 0.2",
        "a slice exactly at chance",
        "two people, a copy on 98 %",
    ],
)
def test_a_judge_that_must_not_be_used_hardly_ever_is(name: str) -> None:
    world = BY_NAME[name]
    assert truth_of(world)
    # at a rate of 2 % more than three in forty come in 1 of 100 such tests
    assert sum(run(world, seed).is_wrong for seed in range(SEEDS)) <= 3


def test_a_judge_as_good_as_people_is_used() -> None:
    world = BY_NAME["people 90 %, judge as good"]
    assert not truth_of(world)
    forms = Counter(run(world, seed).form for seed in range(SEEDS))
    assert forms["do not use"] == 0
    assert forms["use"] >= SEEDS / 2
