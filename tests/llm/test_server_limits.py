"""A server that takes 600 calls a minute and tells nobody: how much is refused, and how much of it is used.

The bucket of the server, the time it takes and whether it says Retry-After vary. Five minutes each on simulated time.
What is refused counts from the second minute on. `benchmarks/limits.py` prints more servers, in times of the ideal.
"""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from amendment.llm.concurrency import AT_ONCE, ITEM
from amendment.llm.limits import Endpoint, Limits
from amendment.llm.pace import Pace
from tests.llm.simulated_servers import (
    Bucket,
    Server,
    crowd,
    live,
    one_call,
)

SECONDS = 300.0


@pytest.mark.parametrize(("size", "latency", "says_wait"), [(10, 0.5, False), (60, 0.05, True), (600, 5.0, False)])
def test_the_limit_of_a_server_is_found_and_kept(size: int, latency: float, says_wait: bool) -> None:
    """At most 5 % refused, and at least 90 % of 10 a second accepted, with 400 constant callers."""
    server = Server(Bucket(rate=10, size=size), latency=latency, says_wait=says_wait)
    live(crowd(Endpoint(Limits(), rng=Random(0)), server, seconds=SECONDS, askers=400))
    assert server.share_refused(after=60) <= 0.05
    assert server.accepted(after=0) >= 0.9 * 10 * SECONDS


def seconds_for(calls: int, servers: list[Server], *, shared: bool = True) -> float:
    """Seconds from the first request to the last answer, for so many calls of each of some models of one key. Models
    stand behind one server that is named several times, or behind servers of their own."""
    ends: list[float] = []

    async def main() -> None:
        pace = Pace()
        endpoints = [Endpoint(Limits(), pace=pace if shared else None, rng=Random(0)) for _ in servers]

        async def call(endpoint: Endpoint, server: Server) -> None:
            while await one_call(endpoint, server):
                ITEM.set(AT_ONCE)
            ends.append(asyncio.get_running_loop().time())

        await asyncio.gather(*[call(*both) for both in zip(endpoints, servers, strict=True) for _ in range(calls)])

    live(main())
    assert len(ends) == calls * len(servers)
    return max(ends)


@pytest.mark.parametrize(("models", "per_minute", "size"), [(1, 60, 10), (3, 600, 10), (3, 600, 600)])
def test_models_behind_one_limit_take_at_most_1_3_of_the_ideal(models: int, per_minute: int, size: int) -> None:
    server = Server(Bucket(rate=per_minute / 60, size=size), latency=0.5)
    calls = 3 * per_minute
    # all but the bucket's first calls wait for a refill, and the last one for its answer
    ideal = (calls - size) / (per_minute / 60) + 0.7
    assert seconds_for(calls // models, [server] * models) <= 1.3 * ideal


@pytest.mark.parametrize("share", [0.6])
def test_refusals_that_have_nothing_to_do_with_pace_do_not_slow_a_run(share: float) -> None:
    """Against the same calls without refusals: each answer takes 1 / (1 - share) attempts, and not twice as many."""
    without, slowed = (
        seconds_for(600, [Server(Bucket(rate=1e9, size=1e9), latency=1.0, refuses=refused)]) for refused in (0.0, share)
    )
    assert slowed <= 2 / (1 - share) * without


def test_a_model_with_a_limit_of_its_own_does_not_slow_another_for_long() -> None:
    """One is refused at 60 a minute, the other never: with one pace both would go at that of the first."""
    slow, free = Server(Bucket(rate=1, size=1), latency=0.5), Server(Bucket(rate=1e9, size=1e9), latency=0.5)
    seconds_for(300, [slow, free])
    assert max(at for at, _ in free.came) <= 120, "one pace for both would take 150 s"
