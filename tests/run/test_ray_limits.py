"""What the desk of several workers promises, with its messages carried in this process and no cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from amendment.errors import BudgetReached
from amendment.llm.limits import Limits
from amendment.llm.prices import Price
from amendment.llm.requests import Tokens, Usage
from amendment.run.ray_limits import Desk, RemoteBudget, RemoteEndpoint

PRICE = Price(input=1.0, output=1.0)
CALL = Tokens(400_000, 600_000)
"""One dollar at most."""
HOST = ("server", "model")


class Carried:
    """A desk whose methods are sent as Ray sends them: started in order, at once, in tasks of their own."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._desk, name)

        class Sent:
            @staticmethod
            def remote(*args: Any) -> asyncio.Task[Any]:
                return asyncio.ensure_future(method(*args))

        return Sent


async def settled() -> None:
    """All messages that were sent have been taken."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def desk_of() -> Callable[[float], tuple[Desk, Any]]:
    def make(usd: float) -> tuple[Desk, Any]:
        desk = Desk(usd, 0.0, 60.0)
        return desk, Carried(desk)

    return make


@pytest.mark.anyio
async def test_the_budget_is_one_for_all_workers(desk_of: Callable[[float], tuple[Desk, Any]]) -> None:
    desk, carried = desk_of(2.5)
    first, second = RemoteBudget(2.5, carried, "a"), RemoteBudget(2.5, carried, "b")
    await desk.join(0, "a", 0.0)
    await desk.join(1, "b", 0.0)
    held = [await first.reserve(CALL, PRICE), await second.reserve(CALL, PRICE)]
    third = asyncio.ensure_future(first.reserve(CALL, PRICE))
    await settled()
    assert not third.done(), "two dollars of 2.50 are set aside"
    held[1].settle(Usage(input_tokens=100_000, output_tokens=100_000))  # 0.20 USD, so 1.20 are spent or set aside
    late = await third
    for hold in (late, held[0]):
        hold.settle(Usage(input_tokens=500_000, output_tokens=500_000))
    await settled()
    with pytest.raises(BudgetReached, match=r"2\.5 USD"):
        await second.reserve(CALL, PRICE)
    assert desk._budget.committed == 2.2


@pytest.mark.anyio
async def test_what_a_dead_worker_held_is_free_and_what_its_ledger_shows_is_spent(
    desk_of: Callable[[float], tuple[Desk, Any]],
) -> None:
    desk, carried = desk_of(3.0)
    dead = RemoteBudget(3.0, carried, "dead")
    await desk.join(0, "dead", 0.0)
    hold = await dead.reserve(CALL, PRICE)
    await dead.reserve(CALL, PRICE)
    await desk.join(0, "new", 0.75)
    assert desk._budget.committed == 0.75
    hold.settle(None)  # a message of the dead one that comes late
    await settled()
    assert desk._budget.committed == 0.75


@pytest.mark.anyio
async def test_a_place_of_a_dead_worker_goes_to_the_next_call_of_another(
    desk_of: Callable[[float], tuple[Desk, Any]],
) -> None:
    desk, carried = desk_of(1.0)
    limits = Limits(concurrency=1)
    dead, alive = (RemoteEndpoint(carried, name, HOST, limits) for name in ("dead", "alive"))
    await desk.join(0, "dead", 0.0)
    await desk.join(1, "alive", 0.0)
    await dead.acquire(10)
    waiting = asyncio.ensure_future(alive.acquire(10))
    await settled()
    assert not waiting.done()
    await desk.join(0, "new", 0.0)
    permit = await asyncio.wait_for(waiting, 5)
    given_up = asyncio.ensure_future(alive.acquire(10))
    await settled()
    given_up.cancel()
    await settled()
    alive.answered(permit, Usage(input_tokens=10, output_tokens=0))
    await settled()
    await asyncio.wait_for(alive.acquire(10), 5)
