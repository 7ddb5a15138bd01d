"""Schedules of comparisons: what they find, what they cost, what they do when an answer cannot be read."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.preference import Compare, Ranked, knock_out, merge_sort, rank_adaptively, rank_all_pairs

Schedule = Callable[[Sequence[str], Compare, int], Awaitable[Ranked]]


async def adaptive(ids: Sequence[str], compare: Compare, seed: int) -> Ranked:
    return await rank_adaptively(ids, compare, calls=1000, sure=1.0, seed=seed, at_once=3)


async def narrowing(ids: Sequence[str], compare: Compare, seed: int) -> Ranked:
    return await rank_adaptively(ids, compare, calls=1000, sure=1.0, seed=seed, rule="narrowing")


async def thrifty(ids: Sequence[str], compare: Compare, seed: int) -> Ranked:
    return await rank_adaptively(ids, compare, calls=2 * len(ids), seed=seed)


SCHEDULES: Mapping[str, Schedule] = {
    "all pairs": lambda ids, compare, seed: rank_all_pairs(ids, compare),
    "merge sort": lambda ids, compare, seed: merge_sort(ids, compare, seed=seed),
    "knock-out": lambda ids, compare, seed: knock_out(ids, compare, seed=seed),
    "adaptive": adaptive,
    "narrowing": narrowing,
    "thrifty": thrifty,
}
NOBODY_IS_LEFT_OUT = ["adaptive", "all pairs", "merge sort", "narrowing"]


class Judge:
    """Knows strengths, may fail to be read, and remembers what it was asked."""

    def __init__(self, strengths: Mapping[str, float], unreadable: float = 0.0, seed: int = 0) -> None:
        self.strengths = strengths
        self.unreadable = unreadable
        self.seed = seed
        self.asked: list[tuple[str, str]] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, first: str, second: str) -> float | None:
        self.asked.append((first, second))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        coin = Random(f"{self.seed} {first} {second}")
        for _ in range(coin.randint(1, 5)):  # answers come back in an order of their own
            await asyncio.sleep(0)
        self.at_once -= 1
        if coin.random() < self.unreadable:
            return None
        return 1 / (1 + math.exp(self.strengths[second] - self.strengths[first]))


def candidates(k: int, seed: int = 0) -> dict[str, float]:
    """Ids with strengths that differ, in an order that tells nothing."""
    found = [(f"c{i:02}", 0.7 * i) for i in range(k)]
    Random(seed).shuffle(found)
    names = Random(seed + 1).sample([name for name, _ in found], k)
    return dict(zip(names, [strength for _, strength in found], strict=True))


def ranked(schedule: str, judge: Compare, ids: Sequence[str], seed: int = 0) -> Ranked:
    return asyncio.run(SCHEDULES[schedule](ids, judge, seed))  # type: ignore[arg-type]


def n_unreadable(found: Ranked) -> int:
    return sum(made.p_first is None for made in found.comparisons)


def circle(first: str, second: str) -> float:
    """a over b, b over c, c over a."""
    return float((first, second) != ("a", "c"))


@settings(max_examples=20, deadline=None)
@given(
    k=st.integers(1, 9),
    seed=st.integers(0, 100),
    schedule=st.sampled_from(NOBODY_IS_LEFT_OUT),
)
def test_a_judge_who_knows_is_followed_to_the_whole_order(k: int, seed: int, schedule: str) -> None:
    truth = candidates(k, seed)
    found = ranked(schedule, Judge(truth), list(truth), seed)
    order = tuple(sorted(truth, key=lambda name: -truth[name]))
    assert found.order == order
    assert (found.best, found.worst) == (order[0], order[-1])
    assert not n_unreadable(found)


@settings(max_examples=30, deadline=None)
@given(k=st.integers(1, 17), seed=st.integers(0, 100))
def test_a_knock_out_finds_both_ends_for_one_and_a_half_comparisons_each(k: int, seed: int) -> None:
    truth = candidates(k, seed)
    found = ranked("knock-out", Judge(truth), list(truth), seed)
    assert (found.best, found.worst) == (max(truth, key=truth.__getitem__), min(truth, key=truth.__getitem__))
    assert len(found.comparisons) <= max(math.ceil(1.5 * k) - 2, 0)
    assert (found.order is None) == (k > 3)


def test_what_the_schedules_cost_for_eight() -> None:
    # all pairs 8 * 7 / 2; knock-outs 4 + 3 + 3; merge sort at most 4 * 1 + 2 * 3 + 7
    truth = candidates(8)
    cost = {name: len(ranked(name, Judge(truth), list(truth)).comparisons) for name in SCHEDULES}
    assert (cost["all pairs"], cost["knock-out"]) == (28, 10)
    assert 12 <= cost["merge sort"] <= 17
    assert cost["thrifty"] <= 16


@settings(max_examples=40, deadline=None)
@given(
    schedule=st.sampled_from(sorted(SCHEDULES)),
    k=st.integers(1, 8),
    seed=st.integers(0, 50),
    unreadable=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_no_pair_is_asked_twice_and_every_schedule_ends(schedule: str, k: int, seed: int, unreadable: float) -> None:
    truth = candidates(k, seed)
    judge = Judge(truth, unreadable, seed)
    found = ranked(schedule, judge, list(truth), seed)
    assert len(set(judge.asked)) == len(judge.asked)
    assert sorted(judge.asked) == [made[:2] for made in found.comparisons]
    assert all(first < second for first, second in judge.asked)
    if n_unreadable(found):
        assert f"{n_unreadable(found)} of {len(judge.asked)} comparisons could not be read" in found.notes
    if unreadable == 1.0 and k > 1:
        assert (found.order, found.best, found.worst) == (None, None, None)


@settings(max_examples=20, deadline=None)
@given(schedule=st.sampled_from(sorted(SCHEDULES)), seed=st.integers(0, 50), pace=st.integers(1, 5))
def test_neither_the_place_in_the_input_nor_what_came_back_first_changes_a_ranking(
    schedule: str, seed: int, pace: int
) -> None:
    truth = candidates(7, seed)
    turned = list(truth)
    Random(pace).shuffle(turned)

    async def other_pace(first: str, second: str) -> float | None:
        for _ in range(pace * (ord(first[-1]) % 3)):
            await asyncio.sleep(0)
        return await Judge(truth, 0.2, seed)(first, second)

    assert ranked(schedule, Judge(truth, 0.2, seed), list(truth), seed) == ranked(schedule, other_pace, turned, seed)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_equal_candidates_stand_in_the_order_of_their_ids(schedule: str) -> None:
    async def torn(first: str, second: str) -> float:
        return 1.0 if second == "d" else 0.5 - 1e-12  # rounding decides nothing

    found = ranked(schedule, torn, ["d", "b", "c", "a"])
    assert (found.best, found.worst) in (("a", "d"), ("a", None))
    assert found.order in (("a", "b", "c", "d"), None)
    assert schedule == "knock-out" or found.order is not None


@pytest.mark.parametrize("k", [2, 3, 4, 7])
@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_where_every_answer_is_a_tie_nobody_is_the_best_or_the_worst(schedule: str, k: int) -> None:
    async def even(first: str, second: str) -> float:
        return 0.5

    found = ranked(schedule, even, [f"c{i}" for i in range(k)])
    assert (found.order, found.best, found.worst, found.p_best) == (None, None, None, None)
    assert found.notes == ("all tied",)
    assert len(found.comparisons) >= k - 1  # what was asked is on record


def test_ties_beside_answers_that_cannot_be_read_name_nobody_and_count_both() -> None:
    async def even_or_silent(first: str, second: str) -> float | None:
        return None if first == "a" else 0.5

    found = ranked("all pairs", even_or_silent, ["a", "b", "c"])
    assert (found.order, found.best, found.worst) == (None, None, None)
    assert found.notes == ("2 of 3 comparisons could not be read", "all tied")


@settings(max_examples=60, deadline=None)
@given(schedule=st.sampled_from(["merge sort", "knock-out"]), k=st.integers(2, 7), seed=st.integers(0, 1000))
def test_what_is_claimed_in_spite_of_unreadable_answers_is_true(schedule: str, k: int, seed: int) -> None:
    truth = candidates(k, seed)
    found = ranked(schedule, Judge(truth, 0.3, seed), list(truth), seed)
    if found.best is not None:
        assert truth[found.best] == max(truth.values())
    if found.worst is not None:
        assert truth[found.worst] == min(truth.values())
    if found.order is not None:
        assert [truth[name] for name in found.order] == sorted(truth.values(), reverse=True)
    if None in (found.best, found.worst):
        assert any("leave" in note for note in found.notes)


@pytest.mark.parametrize("seed", range(3))
def test_an_unreadable_answer_about_others_keeps_no_knock_out_from_its_ends(seed: int) -> None:
    truth = candidates(8, seed)
    whole = ranked("knock-out", Judge(truth), list(truth), seed)
    for gone in whole.comparisons:

        async def compare(first: str, second: str, gone: tuple[str, str] = gone[:2]) -> float | None:
            return None if (first, second) == gone else await Judge(truth)(first, second)

        found = ranked("knock-out", compare, list(truth), seed)
        assert n_unreadable(found) == 1
        assert found.best == whole.best or whole.best in gone
        assert found.worst == whole.worst or whole.worst in gone


def test_answers_that_go_round_in_a_circle_end_in_a_note_and_two_different_ends() -> None:
    async def compare(first: str, second: str) -> float:
        return circle(first, second)

    for seed in range(6):
        found = ranked("knock-out", compare, ["a", "b", "c"], seed)
        assert found.best != found.worst
        assert None not in (found.best, found.worst)
        assert any("circle" in note for note in found.notes)


def test_who_could_never_be_read_is_no_end_of_a_circle() -> None:
    async def compare(first: str, second: str) -> float | None:
        return None if "z" in (first, second) else circle(first, second)

    for seed in range(12):
        found = ranked("knock-out", compare, ["a", "b", "c", "z"], seed)
        assert n_unreadable(found)
        assert found.best is None or found.best != found.worst
        assert found.order is None


def test_nobody_comes_to_the_final_by_standing_aside() -> None:
    # of nine, one stands aside in the first round, and another one in the next
    for seed in range(40):
        truth = candidates(9, seed)
        found = ranked("knock-out", Judge(truth), list(truth), seed)
        assert sum(str(found.best) in made[:2] for made in found.comparisons) >= 3


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_what_can_be_asked_at_once_is(schedule: str) -> None:
    judge = Judge(candidates(8))
    ranked(schedule, judge, sorted(judge.strengths))
    expected = {"all pairs": 28, "merge sort": 4, "knock-out": 6, "adaptive": 3, "narrowing": 1, "thrifty": 1}[schedule]
    assert judge.most_at_once <= expected
    assert judge.most_at_once >= min(expected, 2)


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_equal_ids_and_answers_that_are_no_probability_are_refused(schedule: str) -> None:
    async def broken(first: str, second: str) -> float:
        return math.nan

    with pytest.raises(ValueError, match="2 different ids"):
        ranked(schedule, Judge({"a": 0, "b": 1}), ["a", "b", "a"])
    with pytest.raises(ValueError, match="from 0 to 1, or None"):
        ranked(schedule, broken, ["a", "b"])


@pytest.mark.parametrize("schedule", NOBODY_IS_LEFT_OUT)
def test_no_candidates_are_refused_and_a_single_one_costs_nothing(schedule: str) -> None:
    with pytest.raises(ValueError, match="found 0"):
        ranked(schedule, Judge({}), [])
    found = ranked(schedule, Judge({"a": 0}), ["a"])
    assert (found.order, found.best, found.worst, found.comparisons) == (("a",), "a", "a", ())
