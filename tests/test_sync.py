"""The synchronous door: results and errors pass, notebooks work, an interrupt leaves nothing running."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading

import pytest

from amendment.sync import new_loop, run_in_loop, run_sync


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


def test_the_result_comes_back() -> None:
    assert [run_sync(double(number)) for number in range(3)] == [0, 2, 4]


def test_an_error_passes_as_it_is() -> None:
    async def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        run_sync(fail())
    assert run_sync(double(1)) == 2


def test_it_works_where_a_loop_is_running_as_in_a_notebook() -> None:
    async def cell() -> int:
        return run_sync(double(4))

    assert asyncio.run(cell()) == 8


def _main_thread_waits() -> bool:
    """Whether the main thread stands in the wait for a result, and no bytecode before it."""
    frame = sys._current_frames()[threading.main_thread().ident or 0]
    return frame.f_code.co_name == "wait"


def test_an_interrupt_cancels_the_work_and_waits_for_its_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            while not _main_thread_waits():
                await asyncio.sleep(0.001)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)  # a tidy end takes its time
            ended.append("tidied")

    with pytest.raises(KeyboardInterrupt):
        run_sync(work())
    assert ended == ["tidied"]
    assert run_sync(double(3)) == 6


def test_the_loop_is_the_fast_one_where_there_is_one_and_else_the_stock_one(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform != "win32":
        fast = new_loop()
        assert type(fast).__module__.startswith("uvloop")
        fast.close()
    monkeypatch.setitem(sys.modules, "uvloop", None)
    stock = new_loop()
    assert type(stock).__module__.startswith("asyncio")
    stock.close()


def test_a_caller_with_a_loop_of_its_own_waits_for_work_in_the_one_loop() -> None:
    async def where() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def from_another() -> tuple[asyncio.AbstractEventLoop, asyncio.AbstractEventLoop]:
        return asyncio.get_running_loop(), await run_in_loop(where())

    own, found = asyncio.run(from_another())
    assert found is run_sync(where())
    assert found is not own


def test_a_wait_in_another_loop_that_is_cancelled_cancels_the_work() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def from_another() -> None:
        waiting = asyncio.ensure_future(run_in_loop(work()))
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(from_another())
    assert ended.wait(10)
