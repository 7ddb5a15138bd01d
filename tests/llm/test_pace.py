"""The limits that replies name in their headers: what is read, what is believed, and what is charged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest

from amendment.errors import Transient
from amendment.llm.limits import Endpoint, Limits
from amendment.llm.pace import Allowance, Refill, allowances
from amendment.llm.requests import Tokens, Usage
from tests.llm.simulated_servers import in_simulated_time

NOON = datetime(2030, 5, 4, 12, 0, tzinfo=UTC)
"""By the server's clock, which is years from ours."""


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "x-ratelimit-limit-requests": "600",
                "x-ratelimit-remaining-requests": "590",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-limit-tokens": "30000",
                "x-ratelimit-remaining-tokens": "9000",
                "x-ratelimit-reset-tokens": "1m6.5s",
            },
            {"requests": Allowance(600, 590, 1), "tokens": Allowance(30_000, 9_000, 66.5)},
        ),
        (
            {
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2030-05-04T12:00:30Z",
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-input-tokens-remaining": "39000",
                "anthropic-ratelimit-input-tokens-reset": "2030-05-04T12:00:01Z",
                "anthropic-ratelimit-output-tokens-limit": "8000",
            },
            {"requests": Allowance(50, 49, 30), "input-tokens": Allowance(40_000, 39_000, 1)},
        ),
        (
            {
                "x-ratelimit-limit-requests": "many",
                "x-ratelimit-remaining-requests": "",
                "x-ratelimit-reset-requests": "soon",
            },
            {},
        ),
        (
            {
                "x-ratelimit-limit-requests": "600",
                "x-ratelimit-remaining-requests": "-5",
                "x-ratelimit-reset-requests": "9" * 100_000 + "x",
            },
            {},
        ),
    ],
    ids=["durations", "times against the reply's own date", "nonsense", "what no server means"],
)
def test_limits_are_read_from_both_vendors_headers(headers: dict[str, str], expected: dict[str, Allowance]) -> None:
    assert allowances(headers, NOON) == expected


def refill_of(*seen: tuple[float, float, float]) -> float | None:
    refill = Refill()
    for limit, remaining, reset in seen:
        refill.see(Allowance(limit, remaining, reset))
    return refill.rate


def test_a_refill_is_known_once_replies_agree_on_it() -> None:
    # 600 a minute are 10 a second: 8 missing are there again in 0.8 s, 580 in 58 s
    assert refill_of((600, 592, 0.8), (600, 300, 30), (600, 20, 58)) == pytest.approx(10)
    # 10,000 a day, of which much is left: not what holds this run
    assert refill_of((10_000, 9_992, 69), (10_000, 9_900, 864)) is None


@pytest.mark.parametrize(
    "seen",
    [
        [(600.0, 600.0 - used, 60.0 - used / 20) for used in range(8, 600, 8)],
        [(600.0, 0.0, 60.0)] * 50,
        [(600.0, 1e9, 1.0)] * 50,
        [(600.0, 10.0, 0.0)] * 50,
    ],
    ids=["a window of a minute", "a proxy that says 0", "a proxy that says 10^9", "no time"],
)
def test_headers_that_do_not_tell_a_refill_tell_none(seen: list[tuple[float, float, float]]) -> None:
    assert refill_of(*seen) is None


def test_a_vendor_that_charges_max_tokens_charges_the_larger_of_it_and_an_estimate_of_the_input() -> None:
    assert Tokens(input=400, output=1000).charged == 1000
    assert Tokens(input=8000, output=1000).charged == 2000  # four characters to a token
    assert Tokens(input=8000, output=None).charged == 2000


@pytest.mark.parametrize(("charges_most", "sent"), [(True, 20), (False, 40)])
@in_simulated_time
async def test_what_a_vendor_does_not_give_back_is_not_used_twice(charges_most: bool, sent: int) -> None:
    """12,000 tokens a minute, calls that may take 1,200 and take 200: in two minutes 20 where `max_tokens` is charged,
    and twice as many where the use is, although that is known only after some calls."""
    endpoint = Endpoint(Limits(tokens_per_minute=12_000, charges_most=charges_most), rng=Random(0))
    count = 0

    async def asker() -> None:
        nonlocal count
        while True:
            permit = await endpoint.acquire(1200)
            count += 1
            await asyncio.sleep(0.2)
            endpoint.answered(permit, Usage(input_tokens=100, output_tokens=100))

    tasks = [asyncio.ensure_future(asker()) for _ in range(4)]
    await asyncio.sleep(120)
    for task in tasks:
        task.cancel()
    assert count <= sent if charges_most else count >= sent


@in_simulated_time
async def test_what_headers_name_replaces_a_trial() -> None:
    """A bucket that held 100 and refills at 2 a second: after the first refusals the pace is that at once."""
    endpoint = Endpoint(Limits(concurrency=16), rng=Random(0))
    refused = Transient("429: too many", kind="rate", status=429)
    for number in range(100):
        permit = await endpoint.acquire(100)
        await asyncio.sleep(0.01)
        missing = 1.0 + number
        endpoint.answered(permit, None, allowances={"requests": Allowance(100, 100 - missing, missing / 2)})
    permits = [await endpoint.acquire(100) for _ in range(12)]
    await asyncio.sleep(0.01)
    for permit in permits:
        endpoint.failed(permit, refused)
    times = []
    for _ in range(5):
        permit = await endpoint.acquire(100)
        times.append(asyncio.get_running_loop().time())
        endpoint.answered(permit, None)
    assert (times[-1] - times[0]) / 4 == pytest.approx(0.5, rel=0.2)
