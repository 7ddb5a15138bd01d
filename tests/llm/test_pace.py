"""The limits that replies name in their headers: what is read, what is believed, and what is charged."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from random import Random

import pytest

from amendment.llm.limits import Endpoint, Limits
from amendment.llm.pace import Allowance, Refill, allowances
from amendment.llm.requests import Usage
from tests.llm.simulated_servers import in_simulated_time

NOON = datetime(2030, 5, 4, 12, 0, tzinfo=UTC)
"""By the server's clock, which is years from ours."""


OPENAI = "limit-requests 600 remaining-requests 590 reset-requests 1s limit-tokens 30000 remaining-tokens 9000"
ANTHROPIC = """requests-limit 50 requests-remaining 49 requests-reset 2030-05-04T12:00:30Z input-tokens-limit 40000
input-tokens-remaining 39000 input-tokens-reset 2030-05-04T12:00:01Z output-tokens-limit 8000"""
NONSENSE = "limit-requests many remaining-requests 1 reset-requests soon"


@pytest.mark.parametrize(
    ("prefix", "words", "expected"),
    [
        (
            "x-ratelimit-",
            f"{OPENAI} reset-tokens 1m6.5s",
            {"requests": Allowance(600, 590, 1), "tokens": Allowance(30_000, 9_000, 66.5)},
        ),
        (
            "anthropic-ratelimit-",
            ANTHROPIC,
            {"requests": Allowance(50, 49, 30), "input-tokens": Allowance(40_000, 39_000, 1)},
        ),
        ("x-ratelimit-", NONSENSE, {}),
        ("x-ratelimit-", f"limit-requests 600 remaining-requests -5 reset-requests {'9' * 100_000}x", {}),
    ],
    ids=["durations", "times against the reply's own date", "nonsense", "what no server means"],
)
def test_limits_are_read_from_both_vendors_headers(prefix: str, words: str, expected: dict[str, Allowance]) -> None:
    names, values = words.split()[::2], words.split()[1::2]
    headers = {prefix + name: value for name, value in zip(names, values, strict=True)}
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


@in_simulated_time
async def test_what_a_vendor_does_not_give_back_is_not_used_twice() -> None:
    """12,000 tokens a minute, calls that may take 1,200 and take 200, where `max_tokens` is charged: in two minutes
    20."""
    endpoint = Endpoint(Limits(tokens_per_minute=12_000, charges_most=True), rng=Random(0))
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
    assert count <= 20
