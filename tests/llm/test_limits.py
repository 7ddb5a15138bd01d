"""The governors together: who goes when, what a refusal or an outage does to all, and that nothing leaks."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.errors import Transient
from amendment.llm.limits import Endpoint, Limits, Permit, Trouble
from amendment.llm.requests import Usage
from tests.llm.simulated_servers import Bucket, Server, Sliding, crowd, in_simulated_time

REFUSED = Transient("429: too many", kind="rate", status=429)
DOWN = Transient("503: ill", kind="server", status=503)


def used(tokens: int) -> Usage:
    return Usage(input_tokens=tokens, output_tokens=0)


def now() -> float:
    return asyncio.get_running_loop().time()


async def sent(endpoint: Endpoint) -> Permit:
    return await endpoint.acquire(100)


async def trip(endpoint: Endpoint, fault: Transient | None, *, seconds: float = 0.1) -> float:
    """A call that comes back after some time, answered or with a fault; the time of sending."""
    left = await sent(endpoint)
    at = now()
    await asyncio.sleep(seconds)
    if fault:
        endpoint.failed(left, fault)
    else:
        endpoint.answered(left, used(50))
    return at


@given(st.integers(0, 2**32), st.sampled_from([1, 3, 16, None]))
@settings(max_examples=20)
@in_simulated_time
async def test_no_slot_is_lost_and_no_limit_exceeded_whoever_is_cancelled(seed: int, concurrency: int | None) -> None:
    rng = Random(seed)
    server = Server(Bucket(rate=50, size=20), latency=0.2, says_wait=rng.random() < 0.5, seed=seed)
    limits = Limits(concurrency=concurrency, requests_per_minute=rng.choice([None, 600.0]))
    endpoint = Endpoint(limits, rng=rng)
    flying = most = 0

    async def one() -> None:
        nonlocal flying, most
        left = await endpoint.acquire(100)
        flying += 1
        most = max(most, flying)
        fault: Transient | None = None
        is_answered = False
        try:
            await server.serve()
            is_answered = True
        except Transient as refusal:
            fault = refusal
        finally:
            flying -= 1
            if is_answered:
                endpoint.answered(left, used(30))
            else:
                endpoint.failed(left, fault)

    tasks = [asyncio.ensure_future(one()) for _ in range(80)]
    for task in rng.sample(tasks, 50):
        await asyncio.sleep(rng.choice([0, 0, 0.001, 0.05, 0.3]))
        task.cancel()
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 3600)
    assert most <= (concurrency or 256)
    # as many as ever may be in flight still can be, at once
    again = [asyncio.ensure_future(sent(endpoint)) for _ in range(concurrency or 8)]
    await asyncio.wait_for(asyncio.gather(*again), 3600)


@in_simulated_time
async def test_the_pace_that_a_user_names_is_kept_from_the_first_second_on() -> None:
    server = Server(Sliding(10**9), latency=0.3)
    await crowd(Endpoint(Limits(requests_per_minute=120)), server, seconds=240, askers=50)
    came = [at for at, _ in server.came]
    for start in came:
        assert sum(start <= at < start + 60 for at in came) <= 120
    assert len(came) >= 0.97 * 480


@in_simulated_time
async def test_tokens_per_minute_are_used_as_they_are_and_not_as_they_might_be() -> None:
    """Calls that can take 400 tokens and take 100, at 30,000 a minute: 5 a second, less the margins."""
    times: list[float] = []
    endpoint = Endpoint(Limits(tokens_per_minute=30_000))

    async def asker() -> None:
        while now() < 300:
            left = await endpoint.acquire(400)
            times.append(now())
            await asyncio.sleep(2)
            endpoint.answered(left, used(100))

    await asyncio.gather(*[asker() for _ in range(100)])
    for start in times[::20]:
        assert sum(start <= at < start + 60 for at in times) * 100 <= 30_000
    assert sum(60 <= at < 300 for at in times) * 100 >= 0.9 * 4 * 30_000


@in_simulated_time
async def test_after_sixteen_outages_in_a_row_one_probe_goes_and_an_answer_lets_all_go() -> None:
    endpoint = Endpoint(Limits(concurrency=20), rng=Random(0))
    for _ in range(15):
        await trip(endpoint, DOWN)
    states = [endpoint.absence is None]
    last = await trip(endpoint, DOWN) + 0.1
    states.append(endpoint.absence is None)
    probe = await trip(endpoint, DOWN)
    again = await trip(endpoint, None)
    assert 5 <= probe - last <= 1.1 * 5
    assert 2 * 5 <= again - probe - 0.1 <= 2.2 * 5
    assert [*states, endpoint.absence is None] == [True, False, True]


@in_simulated_time
async def test_a_server_that_refuses_everything_is_asked_ever_more_rarely_and_is_absent_until_it_answers() -> None:
    endpoint = Endpoint(Limits(), rng=Random(0))
    came = [await trip(endpoint, REFUSED) for _ in range(40)]
    assert endpoint.absence is not None
    assert endpoint.absence.since == came[0]
    assert endpoint.absence.reason == "429: too many"
    assert came[-1] - came[-2] == pytest.approx(10, rel=0.2), "one call in ten seconds"
    await trip(endpoint, None)
    assert endpoint.absence is None


@in_simulated_time
async def test_a_breaker_waits_as_long_as_the_server_asks_and_says_so_while_calls_wait() -> None:
    seen: list[Trouble] = []
    endpoint = Endpoint(Limits(concurrency=20), rng=Random(0), on_wait=seen.append)
    asked = Transient("429: later", kind="rate", retry_after=3600, status=429)
    await asyncio.gather(*[trip(endpoint, asked) for _ in range(20)])
    assert await trip(endpoint, None) == pytest.approx(3600.1)
    assert seen[0].reason == "429: later"
    assert seen[0].left == pytest.approx(3600)


@pytest.mark.parametrize("kind", ["unreadable", "empty", None])
@in_simulated_time
async def test_what_says_nothing_of_the_endpoint_never_opens_the_breaker(
    kind: Literal["unreadable", "empty"] | None,
) -> None:
    endpoint = Endpoint(Limits(), rng=Random(0))
    for _ in range(60):
        endpoint.failed(await sent(endpoint), Transient("hm", kind=kind) if kind else None)
    assert endpoint.absence is None


class Workers:
    """A server that works on so many calls at once, each for its own time; the others wait in its queue."""

    def __init__(self, slots: int, seed: int = 0) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.rng = Random(seed)
        self.flying = self.done = 0
        self.seen: list[int] = []
        """Calls in flight at each arrival."""
        self.longest = 0.0

    async def serve(self, endpoint: Endpoint) -> None:
        permit = await endpoint.acquire(100)
        self.flying += 1
        self.seen.append(self.flying)
        at, work = now(), self.rng.randint(20, 400)  # verdicts and answers
        async with self.slots:
            await asyncio.sleep(work / 50)
        self.longest = max(self.longest, now() - at)
        self.flying -= 1
        self.done += 1
        endpoint.answered(permit, Usage(input_tokens=0, output_tokens=work))


@pytest.mark.parametrize(("slots", "most"), [(1, 2), (8, 16)])
@in_simulated_time
async def test_calls_at_a_server_of_ones_own_grow_while_replies_show_that_more_help(slots: int, most: int) -> None:
    server, endpoint = Workers(slots), Endpoint(Limits(is_self_hosted=True))
    assert endpoint.window == 256
    await asyncio.gather(*[server.serve(endpoint) for _ in range(1500)])
    assert set(server.seen[:8]) <= {1, 2}
    usual = server.seen[300:]
    assert sum(slots <= flying <= most for flying in usual) >= 0.9 * len(usual), "but for trials of twice as many"
    # an answer of 400 tokens takes 8 s; with the 256 calls of a fast server it would wait 15 min in the queue of one
    assert server.longest < 8 * 4 * 2
