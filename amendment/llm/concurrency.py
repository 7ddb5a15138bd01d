"""Items that flow without barriers: a bounded number begun, results in input order as they come.

Covered: bounds on what is begun and on what waits for a slower item before it; the first error stops the rest. Items
are read in the loop's own thread, one when there is room for it, so that their source should not block for long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from typing import Generic, TypeVar

__all__ = ["PLACE", "STAGE", "flow", "stream"]

T = TypeVar("T")
R = TypeVar("R")

STAGE: ContextVar[str] = ContextVar("stage", default="")
"""The stage on whose behalf a call is made; the ledger keeps it, so that money can be told by stage."""
PLACE: ContextVar[int] = ContextVar("place", default=0)
"""The place in the input of the item on whose behalf a call is made; an order of service may go by it."""

AHEAD = 16
"""Windows of results that may wait for an item before them, so that one slow answer does not hold up the others."""


async def stream(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, window: int) -> AsyncGenerator[R, None]:
    """Work on items and hand the results over in input order, each as soon as those before it are there.

    At most `window` items are begun and unfinished, and at most `AHEAD` times as many begun and not handed over; the
    next one is read when there is room for it. Each works with `PLACE` set to its index. The first error stops the
    rest and is raised as it is. Close the generator (`contextlib.aclosing`) where it may not be read to its end.
    """

    async def placed(numbered: tuple[int, T]) -> R:
        PLACE.set(numbered[0])
        return await work(numbered[1])

    async with aclosing(_Line(enumerate(items), placed, window).results()) as results:
        async for result in results:
            yield result


async def flow(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, window: int) -> list[R]:
    """The results of a few items as a list, in input order: parts of one item of a `stream`, whose place they keep."""
    async with aclosing(_Line(iter(items), work, window).results()) as results:
        return [result async for result in results]


class _Line(Generic[T, R]):
    """Items that were begun and not handed over, in input order."""

    def __init__(self, items: Iterator[T], work: Callable[[T], Awaitable[R]], window: int) -> None:
        self._items = items
        self._work = work
        self._window = window
        self._line: deque[asyncio.Task[R]] = deque()
        self._busy = 0
        self._is_read = False
        self._changed = asyncio.Event()
        self._fault: BaseException | None = None

    async def results(self) -> AsyncGenerator[R, None]:
        try:
            while True:
                self._begin()
                while self._line and self._line[0].done() and self._fault is None:
                    yield self._line.popleft().result()
                    self._begin()
                if self._fault is not None:
                    raise self._fault
                if not self._line:
                    return
                self._changed.clear()
                await self._changed.wait()
        finally:
            for task in self._line:
                task.cancel()
            await asyncio.gather(*self._line, return_exceptions=True)

    def _begin(self) -> None:
        """Begin as many items as there is room for."""
        while not self._is_read and self._busy < self._window and len(self._line) < AHEAD * self._window:
            try:
                item = next(self._items)
            except StopIteration:
                self._is_read = True
                return
            task = asyncio.ensure_future(self._done(item))
            task.add_done_callback(self._ended)
            self._line.append(task)
            self._busy += 1

    async def _done(self, item: T) -> R:
        return await self._work(item)

    def _ended(self, task: asyncio.Task[R]) -> None:
        self._busy -= 1
        if self._fault is None:
            self._fault = asyncio.CancelledError() if task.cancelled() else task.exception()
        self._changed.set()
