"""The best of several answers by comparisons chosen as one learns: what is found, what it costs, what stays open."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.preference import rank_adaptively
from amendment.preference.ranking import Ranked


class Judge:
    """Knows strengths, may be noisy or fail to be read, and remembers what it was asked."""

    def __init__(
        self, strengths: Mapping[str, float], *, unreadable: float = 0, noise: float = 0, seed: int = 0
    ) -> None:
        self.strengths, self.unreadable, self.noise, self.seed = strengths, unreadable, noise, seed
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, first: str, second: str) -> float | None:
        self.asked.append((first, second))
        coin = Random(f"{self.seed} {first} {second}")
        if coin.random() < self.unreadable:
            return None
        return 1 / (1 + math.exp(self.strengths[second] - self.strengths[first] + coin.gauss(0, self.noise)))


def ranked(judge: Judge, calls: int = 1000, **options: Any) -> Ranked:
    return asyncio.run(rank_adaptively(list(judge.strengths), judge, calls=calls, **options))


@settings(max_examples=25, deadline=None)
@given(k=st.integers(1, 7), seed=st.integers(0, 100), unreadable=st.sampled_from([0.0, 0.3, 1.0]))
def test_no_pair_is_asked_twice_and_the_search_ends(k: int, seed: int, unreadable: float) -> None:
    strengths = {f"c{i}": 0.7 * i for i in range(k)}
    judge = Judge(strengths, unreadable=unreadable, seed=seed)
    found = ranked(judge, confidence=1.0, seed=seed)
    assert len(set(judge.asked)) == len(judge.asked) == len(found.comparisons)
    assert list(found.comparisons) == sorted(judge.asked)
    assert all(first < second for first, second in judge.asked)
    if not unreadable and len(judge.asked) == k * (k - 1) // 2:
        assert found.order == tuple(sorted(strengths, reverse=True))
        assert (found.best, found.worst) == (found.order[0], found.order[-1])
    lost = sum(p is None for p in found.comparisons.values())
    assert any("could not be read" in note for note in found.notes) == (lost > 0)


def test_the_cap_on_calls_holds_and_a_note_says_that_it_ended_the_search() -> None:
    found = ranked(Judge({f"c{i}": 0.01 * i for i in range(6)}), 7)
    assert len(found.comparisons) == 7
    assert found.p_best is not None
    assert found.p_best < 0.95
    assert any(note.startswith("stopped at P(best)") for note in found.notes)


@pytest.mark.parametrize("k", [2, 4, 7])
def test_where_every_answer_is_a_tie_nobody_is_the_best_or_the_worst(k: int) -> None:
    found = ranked(Judge({f"c{i}": 0.0 for i in range(k)}))
    assert found[:4] == (None, None, None, None)
    assert found.notes == ("all tied",)


def test_what_unreadable_answers_leave_open_is_none() -> None:
    silent = ranked(Judge({"a": 0.0, "b": 1.0}, unreadable=1.0))
    assert silent[:3] == (None, None, None)
    assert silent.notes[0] == "1 of 1 comparisons could not be read"
    alone = ranked(Judge({"a": 0.0}))
    assert (alone.order, alone.best, alone.comparisons) == (("a",), "a", {})
