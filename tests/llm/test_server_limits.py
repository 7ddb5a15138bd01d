"""A server that takes 600 calls a minute and tells nobody: how much is refused, and how much of it is used.

The rule of the server, the time it takes and whether it says Retry-After vary. Five minutes each on simulated time.
What is refused counts from the second minute on. A server that counts by windows refuses everything at the end of
each, and needs some calls to show that it does; `benchmarks/limits.py` prints more servers, in times of the ideal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from amendment.llm.concurrency import AT_ONCE, ITEM
from amendment.llm.limits import Endpoint, Limits
from amendment.llm.pace import Pace
from tests.llm.simulated_servers import (
    Bucket,
    Calendar,
    Rule,
    Server,
    Sliding,
    crowd,
    in_simulated_time,
    live,
    one_call,
)

RULES: dict[str, Callable[[], Rule]] = {
    "a bucket of 10": lambda: Bucket(rate=10, size=10),
    "a bucket of 60": lambda: Bucket(rate=10, size=60),
    "a bucket of 600": lambda: Bucket(rate=10, size=600),
    "any minute": lambda: Sliding(600),
    "a minute of the clock": lambda: Calendar(600),
    "a minute of the clock, begun late": lambda: Calendar(600, phase=20),
    "a minute of the clock, nearly over": lambda: Calendar(600, phase=50),
}
SECONDS = 300.0


def five_minutes(rule: str, latency: float, says_wait: bool, *, askers: int = 400, seed: int = 0) -> Server:
    """The calls that a server saw from an endpoint without known limits, with this many constant callers."""
    server = Server(RULES[rule](), latency=latency, says_wait=says_wait, seed=seed)

    async def main() -> None:
        await crowd(Endpoint(Limits(), rng=Random(seed)), server, seconds=SECONDS, askers=askers)

    live(main())
    return server


def check(server: Server, rule: str) -> None:
    """At most 5 % refused of a bucket, 8 % of windows, and at least 90 % of 10 a second accepted."""
    assert server.share_refused(after=60) <= (0.05 if "bucket" in rule else 0.08)
    assert server.accepted(after=0) >= 0.9 * 10 * SECONDS


CASES = [
    (rule, latency, says_wait)
    for rule in RULES
    for latency in (0.05, 0.5, 5.0)
    for says_wait in (False, True)
    if rule != "any minute" or (latency < 5 and not says_wait)
]
QUICK = [
    ("a bucket of 10", 0.5, False),
    ("a bucket of 60", 0.05, True),
    ("a bucket of 600", 5.0, False),
    ("a minute of the clock, begun late", 0.5, False),
]


@pytest.mark.parametrize(("rule", "latency", "says_wait"), QUICK)
def test_the_limit_of_a_server_is_found_and_kept(rule: str, latency: float, says_wait: bool) -> None:
    check(five_minutes(rule, latency, says_wait), rule)


@pytest.mark.long
@pytest.mark.parametrize(("rule", "latency", "says_wait"), CASES)
def test_the_limit_of_any_server_is_found_and_kept(rule: str, latency: float, says_wait: bool) -> None:
    check(five_minutes(rule, latency, says_wait), rule)


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


@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize(("per_minute", "size"), [(60, 10), (600, 10), (600, 600)])
def test_models_behind_one_limit_take_at_most_1_3_of_the_ideal(models: int, per_minute: int, size: int) -> None:
    server = Server(Bucket(rate=per_minute / 60, size=size), latency=0.5)
    calls = 3 * per_minute
    # all but the bucket's first calls wait for a refill, and the last one for its answer
    ideal = (calls - size) / (per_minute / 60) + 0.7
    assert seconds_for(calls // models, [server] * models) <= 1.3 * ideal


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
def test_refusals_that_have_nothing_to_do_with_pace_do_not_slow_a_run(share: float) -> None:
    """Against the same calls without refusals: each answer takes 1 / (1 - share) attempts, and not twice as many."""
    without, slowed = (
        seconds_for(600, [Server(Bucket(rate=1e9, size=1e9), latency=1.0, refuses=refused)]) for refused in (0.0, share)
    )
    assert slowed <= 2 / (1 - share) * without


@pytest.mark.parametrize("models", [1, 3])
def test_a_limit_is_used_although_other_refusals_hide_it(models: int) -> None:
    server = Server(Bucket(rate=20, size=20), latency=0.5, refuses=0.4)
    assert seconds_for(2400 // models, [server] * models) <= 1.3 * (2400 - 20) / 20


def test_a_model_with_a_limit_of_its_own_does_not_slow_another_for_long() -> None:
    """One is refused at 60 a minute, the other never: with one pace both would go at that of the first."""
    slow, free = Server(Bucket(rate=1, size=1), latency=0.5), Server(Bucket(rate=1e9, size=1e9), latency=0.5)
    seconds_for(300, [slow, free])
    assert max(at for at, _ in free.came) <= 120, "one pace for both would take 150 s"


@in_simulated_time
async def test_the_pace_is_back_within_ten_seconds_of_a_passing_fault() -> None:
    server = Server(Bucket(rate=10, size=10), latency=0.5)
    endpoint = Endpoint(Limits(), rng=Random(0))
    working = asyncio.ensure_future(crowd(endpoint, server, seconds=240, askers=50))
    await asyncio.sleep(120)
    server.rule = Bucket(rate=1e-9, size=0)  # refuses everything for 20 s
    await asyncio.sleep(20)
    server.rule = Bucket(rate=10, size=10)
    await working
    first = next(at for at, is_answered in server.came if is_answered and at >= 140)
    again = [at for at, is_answered in server.came if is_answered and first + 10 <= at < first + 30]
    assert len(again) >= 0.9 * 200
    assert first <= 151, "asked at least every ten seconds"
