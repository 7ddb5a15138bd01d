"""Items flow: in input order, within two bounds, read when there is room for them, and stopped by the first error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing

import pytest

from amendment.errors import CredentialsError
from amendment.llm.concurrency import AHEAD, stream


async def everything(items: range, work: Callable[[int], Awaitable[int]], window: int) -> list[int]:
    async with aclosing(stream(items, work, window=window)) as results:
        return [result async for result in results]


def test_a_slow_first_item_holds_up_only_what_the_bound_allows() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for index in range(1000):
            read.append(index)
            yield index

    async def use() -> None:
        gate, window = asyncio.Event(), 2

        async def work(index: int) -> int:
            if index == 0:
                await gate.wait()
            return index

        async with aclosing(stream(items(), work, window=window)) as results:
            first = asyncio.ensure_future(anext(results))
            before = -1
            while before < len(read):  # until nothing more is begun
                before = len(read)
                for _ in range(10):
                    await asyncio.sleep(0)
            assert len(read) == AHEAD * window, "sixteen windows of two, the slow one among them"
            assert not first.done()
            gate.set()
            assert await first == 0
            assert [await anext(results) for _ in range(3)] == [1, 2, 3]

    asyncio.run(use())


def test_the_first_error_stops_the_rest_and_is_raised_as_it_is() -> None:
    begun: list[int] = []
    ended: list[int] = []
    fault = CredentialsError("no key")

    async def work(item: int) -> int:
        begun.append(item)
        try:
            if item == 5:
                raise fault
            await asyncio.Event().wait()
        finally:
            ended.append(item)
        return item

    with pytest.raises(CredentialsError) as told:
        asyncio.run(everything(range(1000), work, 8))
    assert told.value is fault
    assert sorted(begun) == sorted(ended) == list(range(8)), "what was begun is ended, and nothing was begun after it"
