"""Items that flow without barriers: a bounded number begun, results in input order as they come; counts of their calls.

Covered: bounds on what is begun and on what waits for a slower item before it; the first error stops the rest. Items
are read in the loop's own thread, one when there is room for it, so that their source should not block for long.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

STAGE: ContextVar[str] = ContextVar("stage", default="")
"""The stage on whose behalf a call is made; the ledger keeps it, so that spending is known by stage."""

ITEM: ContextVar[int] = ContextVar("item", default=0)
"""The place of the item on whose behalf a call is made. Where few calls are in flight, those of earlier items go first,
so that the first items are done soon."""

AT_ONCE, LAST = -1, sys.maxsize
"""In place of an item's: a call that was refused goes before all others; one that is refused again and again goes after
them, since it may be refused for what it is."""


@dataclass(eq=False)
class Tally:
    """Counts of what is done under one title. The loop's thread writes them; any thread may read."""

    title: str
    total: int
    """Items to be done."""
    done: int = 0
    """Items that have ended."""
    calls: int = 0
    """Calls that were answered, from the ledger too, or have failed for good."""
    cached: int = 0
    """Calls that were answered from the ledger."""
    retries: int = 0
    """Attempts that were made again, whatever the reason."""
    rate_limits: int = 0
    """Attempts that the server refused for their pace (429, 529)."""
    timeouts: int = 0
    refusals: int = 0
    """Replies in which the model refuses to answer."""
    _calls_of_done: int = 0

    @contextmanager
    def item(self) -> Iterator[ItemCalls]:
        """Count the calls in this block, and in the tasks that it starts, for one item, which ends with it."""
        item = ItemCalls(self)
        token = ASKING.set(item)
        try:
            yield item
        finally:
            ASKING.reset(token)
        self.done += 1
        self._calls_of_done += item.calls

    def counting(self, work: Callable[[T], Awaitable[R]]) -> Callable[[T], Awaitable[R]]:
        """Wrap the work so that each call of it is an item of this tally."""

        async def counted(item: T) -> R:
            with self.item():
                return await work(item)

        return counted

    def add(self, item: Tally) -> None:
        """Add the tally of one item of these, which was worked on elsewhere."""
        for count in fields(self)[1:]:  # all but the title
            setattr(self, count.name, getattr(self, count.name) + getattr(item, count.name))
        self.total -= 1

    @property
    def planned(self) -> int | None:
        """Estimate the calls for all items from those that have ended; None before the first."""
        if not self.done:
            return None
        return max(self.calls, round(self._calls_of_done * self.total / self.done))


@dataclass(eq=False)
class ItemCalls:
    """The calls for one item."""

    tally: Tally
    calls: int = 0

    def count(self) -> None:
        """Count a call that was answered, or has failed for good."""
        self.calls += 1
        self.tally.calls += 1


ASKING: ContextVar[ItemCalls] = ContextVar("asking", default=ItemCalls(Tally("", 0)))  # noqa: B039 - counts of nobody
"""The item on whose behalf a call is made, and the tally that counts it."""

AHEAD = 16
"""Windows of results that may wait for an item before them, so that one slow answer does not hold up the others."""


async def stream(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, window: int) -> AsyncGenerator[R, None]:
    """Work on items and hand the results over in input order, each as soon as those before it are there.

    At most `window` items are begun and unfinished, and at most `AHEAD` times as many begun and not handed over; the
    next one is read when there is room for it. The first error stops the rest and is raised as it is. Close the
    generator (`contextlib.aclosing`) where it may not be read to its end.
    """
    source = iter(items)
    line: deque[asyncio.Task[R]] = deque()  # begun and not handed over
    n_busy, is_read = 0, False
    fault: BaseException | None = None
    changed = asyncio.Event()

    def ended(task: asyncio.Task[R]) -> None:
        nonlocal n_busy, fault
        n_busy -= 1
        if fault is None:
            fault = asyncio.CancelledError() if task.cancelled() else task.exception()
        changed.set()

    try:
        while True:
            while not is_read and n_busy < window and len(line) < AHEAD * window:
                try:
                    task = asyncio.ensure_future(work(next(source)))
                except StopIteration:
                    is_read = True
                    break
                task.add_done_callback(ended)
                line.append(task)
                n_busy += 1
            if fault is not None:
                raise fault
            if not line:
                return
            if line[0].done():
                yield line.popleft().result()
            else:
                changed.clear()
                await changed.wait()
    finally:
        for task in line:
            task.cancel()
        await asyncio.gather(*line, return_exceptions=True)


async def flow(items: Iterable[T], work: Callable[[T], Awaitable[R]], *, window: int) -> list[R]:
    """Return the results of a few items as a list, in input order: parts of one item of a `stream`."""
    async with aclosing(stream(items, work, window=window)) as results:
        return [result async for result in results]
