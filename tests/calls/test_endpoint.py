"""The governors together: who goes when, what a refusal or an outage does to all, and that nothing leaks."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.calls.clocks import LoopClock
from amendment.calls.endpoint import Endpoint, Limits, Order, Trip, Trouble
from amendment.calls.provider import Pace
from amendment.errors import Transient
from tests.calls.simulated_servers import Bucket, Calendar, Rule, Server, Sliding, crowd, live

REFUSED = Transient("429: too many", kind="rate", status=429)


def now() -> float:
    return asyncio.get_running_loop().time()


async def sent(endpoint: Endpoint, place: int = 0) -> Trip:
    """Enter and depart."""
    await endpoint.enter(place)
    return await endpoint.depart(100)


async def trip(endpoint: Endpoint, fault: Transient | None, *, seconds: float = 0.1) -> float:
    """A call that comes back after some time, answered or with a fault; the time of sending."""
    left = await sent(endpoint)
    at = now()
    await asyncio.sleep(seconds)
    if fault:
        endpoint.failed(left, fault)
    else:
        endpoint.answered(left, None, 50)
    return at


@pytest.mark.parametrize(("order", "served"), [("throughput", [7, 3, 5, 3]), ("early", [3, 3, 5, 7])])
def test_calls_are_served_in_the_order_of_asking_or_of_the_input(order: Order, served: list[int]) -> None:
    seen: list[int] = []

    async def one(endpoint: Endpoint, place: int) -> None:
        left = await sent(endpoint, place)
        seen.append(place)
        await asyncio.sleep(1)
        endpoint.answered(left, None, None)

    async def main() -> None:
        endpoint = Endpoint(Limits(concurrency=1), order=order)
        # One is sent at once and four are among the next before anyone has to wait for a turn.
        await asyncio.gather(*[one(endpoint, place) for place in (90, 91, 92, 93, 94, 7, 3, 5, 3)])

    live(main())
    assert seen == [90, 91, 92, 93, 94, *served]


@given(st.integers(0, 2**32), st.sampled_from([1, 3, 16, None]))
@settings(max_examples=60, deadline=None)
def test_no_slot_is_lost_and_no_limit_exceeded_whoever_is_cancelled(seed: int, concurrency: int | None) -> None:
    rng = Random(seed)
    server = Server(Bucket(rate=50, size=20), latency=0.2, says_wait=rng.random() < 0.5, seed=seed)
    limits = Limits(concurrency=concurrency, requests_per_minute=rng.choice([None, 600.0]))

    async def main() -> None:
        endpoint = Endpoint(limits, order=rng.choice(["throughput", "early"]), rng=rng)
        flying = most = 0

        async def one(place: int) -> None:
            nonlocal flying, most
            await endpoint.enter(place)
            try:
                await asyncio.sleep(rng.choice([0, 0.01]))  # the ledger writes the attempt down
                left = await endpoint.depart(100)
            except BaseException:
                endpoint.leave()
                raise
            flying += 1
            most = max(most, flying)
            try:
                pace = await server.serve()
            except Transient as fault:
                flying -= 1
                endpoint.failed(left, fault)
            except BaseException:
                flying -= 1
                endpoint.failed(left, None)
                raise
            else:
                flying -= 1
                endpoint.answered(left, pace, 30)

        tasks = [asyncio.ensure_future(one(place)) for place in range(80)]
        for task in rng.sample(tasks, 50):
            await asyncio.sleep(rng.choice([0, 0, 0.001, 0.05, 0.3]))
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 3600)
        assert most <= (concurrency or 256)
        # As many as ever may be in flight still can be, one after another and at once.
        again = [asyncio.ensure_future(sent(endpoint)) for _ in range(endpoint._slots.limit)]
        await asyncio.wait_for(asyncio.gather(*again), 3600)
        assert endpoint._turns.inside == 0

    live(main())


def test_a_fast_server_s_limit_is_found_and_stays_below_the_ceiling() -> None:
    server = Server(Bucket(1e9, 1e9), latency=0.5)

    async def main() -> None:
        endpoint = Endpoint(Limits())
        assert endpoint.window == 256
        await crowd(endpoint, server, seconds=20, askers=300)

    live(main())
    # 256 in flight at 0.5 s are 512 a second; three rounds to 64 and twelve to 256 take 7.5 s
    assert server.accepted(after=10) == pytest.approx(512 * 10, rel=0.08)


def test_the_pace_that_a_user_names_is_kept_from_the_first_second_on() -> None:
    server = Server(Sliding(10**9), latency=0.3)

    async def main() -> None:
        await crowd(Endpoint(Limits(requests_per_minute=120)), server, seconds=240, askers=50)

    live(main())
    came = [at for at, _ in server.came]
    for start in came:
        assert sum(start <= at < start + 60 for at in came) <= 120
    assert len(came) >= 0.97 * 480


def test_tokens_per_minute_are_used_as_they_are_and_not_as_they_might_be() -> None:
    """Calls that can take 400 tokens and take 100, at 30,000 a minute: 5 a second, less the margins."""
    times: list[float] = []

    async def main() -> None:
        endpoint = Endpoint(Limits(tokens_per_minute=30_000))

        async def asker() -> None:
            while now() < 300:
                await endpoint.enter(0)
                left = await endpoint.depart(400)
                times.append(now())
                await asyncio.sleep(2)
                endpoint.answered(left, None, 100)

        await asyncio.gather(*[asker() for _ in range(100)])

    live(main())
    for start in times[::20]:
        assert sum(start <= at < start + 60 for at in times) * 100 <= 30_000
    assert sum(60 <= at < 300 for at in times) * 100 >= 0.9 * 4 * 30_000


@pytest.mark.parametrize("refusals", [1, 3])
def test_a_retry_after_pauses_everyone_and_after_several_one_call_goes_first(refusals: int) -> None:
    async def main() -> None:
        endpoint = Endpoint(Limits(concurrency=20), rng=Random(0))
        fault = Transient("429: wait", kind="rate", retry_after=30, status=429)
        for _ in range(refusals):
            began = await trip(endpoint, fault)
        trouble = endpoint.trouble
        assert trouble is not None
        assert trouble.reason == "429: wait"
        assert began + 30.1 - 1e-6 <= trouble.until <= began + 31.1 + 1e-6
        times = sorted(await asyncio.gather(*[trip(endpoint, None, seconds=0.5) for _ in range(10)]))
        assert times[0] == pytest.approx(trouble.until)
        assert times[1:] == pytest.approx([trouble.until + (0.5 if refusals > 1 else 0)] * 9)
        assert endpoint.trouble is None

    live(main())


def test_without_a_retry_after_the_pauses_grow_until_a_call_is_accepted() -> None:
    async def main() -> None:
        endpoint = Endpoint(Limits(), rng=Random(0))
        times = [await trip(endpoint, REFUSED) for _ in range(14)]
        gaps = [later - sooner - 0.1 for sooner, later in pairwise(times)]
        longest = [0, 0, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert all(most / 2 - 1e-6 <= gap <= most + 1e-6 for gap, most in zip(gaps, longest, strict=True))

    live(main())


def test_a_probe_that_takes_long_to_answer_holds_up_nobody_for_long() -> None:
    async def main() -> None:
        endpoint = Endpoint(Limits(), rng=Random(0))
        for _ in range(3):
            left = await trip(endpoint, REFUSED, seconds=0.1)
        probe = asyncio.ensure_future(trip(endpoint, None, seconds=300))
        next_one = await trip(endpoint, None)
        assert next_one <= left + 0.1 + 0.25 + 1.0 + 2 * 0.1 + 0.01  # the pause, and far longer than a refusal took
        await probe

    live(main())


def test_refusals_of_calls_sent_before_the_pause_make_nothing_worse() -> None:
    async def main() -> None:
        endpoint = Endpoint(Limits(concurrency=100), rng=Random(0))
        await asyncio.gather(*[trip(endpoint, REFUSED, seconds=0.1 + i / 1000) for i in range(100)])
        trouble = endpoint.trouble
        assert trouble is not None
        assert trouble.until <= trouble.since + 0.25 + 1e-6
        assert endpoint._slots.limit == 70  # one cut to seven tenths

    live(main())


@pytest.mark.parametrize("rule", [Calendar(100), Bucket(rate=100 / 60, size=100)], ids=["minute", "bucket"])
def test_headers_stop_the_calls_before_the_server_has_to(rule: Rule) -> None:
    server = Server(rule, latency=0.2, says_left=True)

    async def main() -> None:
        await crowd(Endpoint(Limits(concurrency=10)), server, seconds=180, askers=30)

    live(main())
    assert server.share_refused(after=0) == 0
    assert server.accepted(after=0) >= 0.9 * 300


def test_a_half_open_probe_that_fails_keeps_it_shut_for_twice_as_long() -> None:
    ill = Transient("503: ill", kind="server", status=503)

    async def main() -> None:
        endpoint = Endpoint(Limits(), rng=Random(0))
        for _ in range(10):
            await trip(endpoint, ill)
        first = await trip(endpoint, ill)
        second = await trip(endpoint, None)
        assert 5 <= first - 1.0 <= 5.5
        assert 10 <= second - first - 0.1 <= 11
        assert endpoint.trouble is None
        at_once = await asyncio.gather(*[trip(endpoint, None) for _ in range(8)])
        assert max(at_once) == pytest.approx(second + 0.1)

    live(main())


@pytest.mark.parametrize("kind", ["rate", "unreadable", "empty", None])
def test_what_is_no_outage_never_opens_the_breaker(kind: Literal["rate", "unreadable", "empty"] | None) -> None:
    async def main() -> None:
        endpoint = Endpoint(Limits(), rng=Random(0))
        for _ in range(60):
            left = await sent(endpoint)
            endpoint.failed(left, Transient("hm", kind=kind) if kind else None)
        assert not endpoint._breaker.is_open

    live(main())


class _Moody(LoopClock):
    """A clock that somebody sets back by a day now and then."""

    def __init__(self) -> None:
        self.rng = Random(4)
        self.behind = 0.0

    def now(self) -> float:
        if self.rng.random() < 0.001:
            self.behind += 86_400
        return super().now() - self.behind


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    server = Server(Bucket(rate=10, size=20), latency=0.1)

    async def main() -> None:
        endpoint = Endpoint(Limits(requests_per_minute=300), clock=_Moody(), rng=Random(0))
        await crowd(endpoint, server, seconds=120, askers=30)

    live(main())
    assert server.accepted(after=0) >= 0.9 * 2 * 300


def test_an_endpoint_serves_one_event_loop_after_another() -> None:
    endpoint = Endpoint(Limits(requests_per_minute=6000))

    async def main() -> None:
        for _ in range(3):
            await trip(endpoint, None, seconds=0)

    asyncio.run(main())
    asyncio.run(main())


def test_headers_that_leave_nothing_for_long_are_told_while_a_call_waits() -> None:
    told: list[Trouble] = []

    async def main() -> None:
        endpoint = Endpoint(Limits(), on_wait=told.append)
        endpoint.answered(await sent(endpoint), Pace(requests_left=0, requests_reset=600.0), 50)
        seen = [endpoint.trouble]
        waiting = asyncio.ensure_future(sent(endpoint))
        await asyncio.sleep(100)
        seen += [endpoint.trouble, endpoint.absence]
        await waiting
        assert now() == pytest.approx(600)
        expected = Trouble(100, 600, 500, "its headers leave nothing for 500 s")
        assert [*seen, endpoint.trouble] == [None, expected, expected, None]  # none before anybody waits, or after
        assert told == [Trouble(0, 600, 600, "its headers leave nothing for 600 s")]

    live(main())


@pytest.mark.parametrize(
    ("limits", "reason", "seconds"),
    [
        (Limits(requests_per_minute=1), "requests_per_minute is used up", 59),  # a minute, of which a second is over
        # 200 tokens of a limit of which 95 % is aimed at: 200 / 190 of a minute, of which a second is over
        (Limits(tokens_per_minute=200), "tokens_per_minute is used up", 62),
    ],
)
def test_a_long_wait_for_the_users_own_pace_is_told_and_is_no_absence(
    limits: Limits, reason: str, seconds: float
) -> None:
    told: list[Trouble] = []

    async def main() -> None:
        endpoint = Endpoint(limits, on_wait=told.append)
        endpoint.answered(await sent(endpoint), None, 100)
        waiting = asyncio.ensure_future(sent(endpoint))
        await asyncio.sleep(1)
        assert endpoint.trouble is not None
        assert endpoint.trouble.reason == reason
        assert endpoint.trouble.left == pytest.approx(seconds, abs=1)
        assert endpoint.absence is None
        await waiting

    live(main())
    assert told == []


def test_calls_larger_than_a_minutes_tokens_go_one_a_minute_at_most() -> None:
    at: list[float] = []

    async def main() -> None:
        endpoint = Endpoint(Limits(tokens_per_minute=400))
        for _ in range(11):
            await endpoint.enter(0)
            left = await endpoint.depart(4000)
            at.append(now())
            endpoint.answered(left, None, 885)

    live(main())
    assert at[-1] >= 10 * 60 - 1  # ten whole minutes lie between eleven calls
