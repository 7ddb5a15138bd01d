"""The limit of calls in flight, and the line before it."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from amendment.calls.slots import Slots, Turns


def a_round(slots: Slots) -> None:
    """As many clean replies as the limit is, with the limit in use."""
    for _ in range(slots.limit):
        slots.in_flight = slots.limit
        slots.clean()


def test_it_begins_with_eight_and_doubles_by_rounds_then_grows_by_a_tenth() -> None:
    slots = Slots()
    seen = [slots.limit]
    for _ in range(7):
        a_round(slots)
        seen.append(slots.limit)
    # a tenth of each, rounded down with what was left over: 64 + 6, 70 + 7, 77 + 7 or 8, ...
    assert seen == [8, 16, 32, 64, 70, 77, 85, 93]


def test_after_a_cut_to_seven_tenths_it_grows_by_one_a_round() -> None:
    slots = Slots()
    slots.limit = 100
    slots.cut(50.0)
    assert slots.limit == 70
    a_round(slots)
    assert slots.limit == 71


def test_a_limit_that_is_not_in_use_does_not_grow() -> None:
    slots = Slots()
    slots.in_flight = 6  # of 8: three quarters
    for _ in range(100):
        slots.clean()
    assert slots.limit == 8


def test_a_number_that_the_user_gives_is_where_it_begins_and_never_exceeded() -> None:
    slots = Slots(20)
    assert slots.limit == 20
    a_round(slots)
    assert slots.limit == 20
    slots.cut(0.0)
    assert slots.limit == 14
    for _ in range(100):
        a_round(slots)
    assert slots.limit == 20


@given(st.lists(st.floats(0, 5), max_size=200))
def test_it_is_cut_at_most_once_in_fifteen_seconds_and_never_below_one(gaps: list[float]) -> None:
    slots = Slots(256)
    now, cuts = 0.0, []
    for gap in gaps:
        now += gap
        before = slots.limit
        slots.cut(now)
        if slots.limit < before:
            cuts.append(now)
    assert all(later - sooner >= 15 for sooner, later in pairwise(cuts))
    assert slots.limit >= 1


def test_an_outage_stops_growth_for_a_round_and_cuts_nothing() -> None:
    slots = Slots()
    slots.hold()
    assert slots.limit == 8
    a_round(slots)
    assert slots.limit == 8
    a_round(slots)
    assert slots.limit == 16


def order_of(ranks: list[int]) -> list[int]:
    """Which of them is served when, one at a time."""
    served: list[int] = []

    async def main() -> None:
        line = Turns(lambda: 1)
        await line.enter(0)

        async def one(place: int, rank: int) -> None:
            await line.enter(rank)
            served.append(place)
            await asyncio.sleep(0)
            line.leave()

        tasks = [asyncio.ensure_future(one(place, rank)) for place, rank in enumerate(ranks)]
        await asyncio.sleep(0)
        line.leave()
        await asyncio.gather(*tasks)

    asyncio.run(main())
    return served


def test_equal_ranks_are_served_as_they_came() -> None:
    assert order_of([0, 0, 0, 0]) == [0, 1, 2, 3]


def test_the_lowest_rank_is_served_first_and_ties_as_they_came() -> None:
    assert order_of([5, 2, 5, 1, 2]) == [3, 1, 4, 0, 2]


@given(st.integers(0, 2**32), st.integers(1, 5))
def test_the_line_loses_nobody_when_they_give_up_at_any_moment(seed: int, room: int) -> None:
    rng = Random(seed)

    async def main() -> None:
        line = Turns(lambda: room)
        inside = 0

        async def one() -> None:
            nonlocal inside
            await line.enter(rng.randrange(3))
            inside += 1
            assert inside <= room
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1
                line.leave()

        tasks = [asyncio.ensure_future(one()) for _ in range(60)]
        for task in rng.sample(tasks, 40):
            task.cancel()
            if rng.random() < 0.7:
                await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert line.inside == 0
        await asyncio.wait_for(asyncio.gather(*[line.enter(0) for _ in range(room)]), 5)

    asyncio.run(main())
