"""The door to asynchronous code: one loop on a thread of its own, for synchronous callers and those of other loops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import wait
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
GRACE_SECONDS = 10.0
SIGNAL_SECONDS = 0.1
"""Interval at which the waiting thread wakes up: a signal that the system gave to another thread is handled then."""


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of the fast kind, where it can be had; it carries a call for half of the work."""
    try:
        import uvloop
    except ImportError:  # there is none for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = new_loop()
    threading.Thread(target=loop.run_forever, name="amendment-loop", daemon=True).start()
    return loop


def run_sync(work: Coroutine[Any, Any, T], *, meanwhile: Callable[[], None] = lambda: None) -> T:
    """Return the result of a coroutine, waited for from synchronous code. Raises RuntimeError in a coroutine that runs
    in the same loop, such as a user's function that answers for a model: the loop would wait for itself.

    `meanwhile` is called every `SIGNAL_SECONDS`, in the thread that waits. An interrupt, or an error in `meanwhile`,
    cancels the coroutine and waits for its end, but no longer than `GRACE_SECONDS`.
    """
    if asyncio._get_running_loop() is _loop():
        work.close()
        raise RuntimeError("called in an async function that a run calls; await the async form, such as compare_async")
    ended = threading.Event()

    async def tracked() -> T:
        try:
            return await work
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(tracked(), _loop())
    try:
        while not future.done():
            wait([future], timeout=SIGNAL_SECONDS)
            meanwhile()
        return future.result()
    except BaseException:
        future.cancel()
        ended.wait(GRACE_SECONDS)
        raise


async def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that runs in the loop of `run_sync`, waited for in any other, which goes on
    meanwhile.

    Ledger, budget and connections belong to one loop: a trainer that brings its own awaits them so. Cancelled, it
    cancels the work.
    """
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, _loop()))
