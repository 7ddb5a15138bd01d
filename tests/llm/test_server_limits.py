"""A server that takes 600 calls a minute and tells nobody: how much is refused, and how much of it is used.

The rule of the server, the time it takes and whether it says Retry-After vary. Five minutes each, from the first call
on, on simulated time. A bucket smaller than the disorder of the calls that reach it cannot be used well by anyone: with
replies of 5 s, whose order varies by half a second, the smallest here holds 60.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from amendment.errors import Transient
from amendment.llm.limits import Endpoint, Limits
from tests.llm.simulated_servers import (
    Bucket,
    Calendar,
    Rule,
    Server,
    Sliding,
    crowd,
    in_simulated_time,
    live,
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


def check(server: Server, *, refused: float = 0.05, used: float = 0.85) -> None:
    """At most 5 % refused and at least 85 % of 10 a second accepted."""
    assert server.share_refused(after=0) <= refused
    assert server.accepted(after=0) >= used * 10 * SECONDS


CASES = [
    (rule, latency, says_wait)
    for rule in RULES
    for latency in (0.05, 0.5, 5.0)
    for says_wait in (False, True)
    if (rule, latency) != ("a bucket of 10", 5.0)
]
QUICK = [
    ("a bucket of 10", 0.5, False),
    ("a bucket of 60", 0.05, True),
    ("any minute", 0.05, True),
    ("any minute", 0.5, False),
    ("a minute of the clock, begun late", 0.5, False),
]


@pytest.mark.parametrize(("rule", "latency", "says_wait"), QUICK)
def test_the_limit_of_a_server_is_found_and_kept(rule: str, latency: float, says_wait: bool) -> None:
    check(five_minutes(rule, latency, says_wait))


@pytest.mark.long
@pytest.mark.parametrize(("rule", "latency", "says_wait"), CASES)
def test_the_limit_of_any_server_is_found_and_kept(rule: str, latency: float, says_wait: bool) -> None:
    """Slow replies and a whole minute's calls saved up cost more before the first refusal is back."""
    found = five_minutes(rule, latency, says_wait)
    check(found, refused=0.075, used=0.8) if latency == 5.0 or "600" in rule else check(found)


class _Storm:
    """Refuses one call every two seconds for five minutes, then none."""

    def __init__(self) -> None:
        self.next = 0.0

    def admits(self, now: float) -> bool:
        if now < self.next or now > 300:
            return True
        self.next = now + 2
        return False

    def wait(self, now: float) -> float:
        return 89.0


@in_simulated_time
async def test_long_waits_asked_for_again_and_again_freeze_nothing() -> None:
    server = Server(_Storm(), latency=0.5, says_wait=True)
    endpoint = Endpoint(Limits(), rng=Random(0))
    await crowd(endpoint, server, seconds=440, askers=30)
    assert endpoint.trouble is None
    for start in range(0, 300, 100):
        assert any(start <= at < start + 100 for at, _ in server.came)
    assert server.share_refused(after=310) == 0
    assert server.accepted(after=390) >= 50, "at least one a second, where nearly all had been refused for minutes"


class _Ill(Server):
    """Down from the second minute on, for an hour."""

    async def serve(self) -> None:
        now = asyncio.get_running_loop().time()
        is_well = not 60 <= now <= 3660
        self.came.append((now, is_well))
        await asyncio.sleep(self.latency)
        if not is_well:
            raise Transient("503: down for maintenance", kind="server", status=503)


@in_simulated_time
async def test_an_outage_of_an_hour_costs_a_call_per_interval_and_is_over_when_it_is_over() -> None:
    server = _Ill(Bucket(1e9, 1e9), latency=0.5)
    seen: list[str] = []
    endpoint = Endpoint(Limits(8), rng=Random(0))

    async def watch() -> None:
        await asyncio.sleep(1800)
        trouble = endpoint.trouble
        assert trouble is not None
        assert 60 <= trouble.since <= 62
        assert 1800 <= trouble.until <= 1800 + 330
        seen.append(trouble.reason)

    watching = asyncio.ensure_future(watch())
    await crowd(endpoint, server, seconds=4200, askers=50)
    await watching
    probes = [at for at, _ in server.came if 62 < at <= 3660]
    gaps = [later - sooner for sooner, later in pairwise(probes)]
    # 5 + 10 + 20 + 40 + 80 + 160 = 315 s take six probes, the other 3,285 s at most one in 300 s: ten more
    assert len(probes) <= 17
    assert all(later >= sooner for sooner, later in zip([5.0, 10, 20, 40, 80, 160, 300], gaps[:7], strict=False))
    assert min(gaps[7:]) >= 300
    assert seen == ["503: down for maintenance"]
    assert server.accepted(after=4100) >= 0.9 * 100 * 8 / 0.5
