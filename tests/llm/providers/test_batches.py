"""The queue in front of a local model: order, kinds, errors, askers who leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from amendment.llm._batches import Batches

Work = Callable[[Sequence[int]], Sequence[int | Exception]]
Use = Callable[[Batches[int, int]], Awaitable[None]]


def run(work: Work, use: Use, *, size: int = 3) -> None:
    async def main() -> None:
        with ThreadPoolExecutor(max_workers=1) as worker:
            await use(Batches(work, size=size, worker=worker))

    asyncio.run(main())


class Doubling:
    """Doubles numbers and keeps the batches that it saw; waits for `go` before the first."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, jobs: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(jobs))
        assert self.go.wait(20)
        return [2 * job if job >= 0 else ValueError(f"{job}") for job in jobs]


def test_jobs_are_taken_in_order_and_in_full_batches() -> None:
    work = Doubling()

    async def use(batches: Batches[int, int]) -> None:
        assert await asyncio.gather(*(batches.do(job, "k") for job in range(7))) == [0, 2, 4, 6, 8, 10, 12]

    run(work, use)
    assert work.batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_batch_holds_one_kind_and_the_oldest_job_goes_first() -> None:
    work = Doubling()

    async def use(batches: Batches[int, int]) -> None:
        await asyncio.gather(*(batches.do(job, job % 2) for job in range(6)))

    run(work, use)
    assert work.batches == [[0, 2, 4], [1, 3, 5]]


def test_a_bad_job_does_no_harm_to_its_neighbours() -> None:
    async def use(batches: Batches[int, int]) -> None:
        results = await asyncio.gather(*(batches.do(job, "k") for job in (1, -2, 3)), return_exceptions=True)
        assert results[0] == 2
        assert isinstance(results[1], ValueError)
        assert results[2] == 6

    run(Doubling(), use)


def test_when_the_whole_batch_fails_each_job_is_told_and_the_next_batch_runs() -> None:
    def work(jobs: Sequence[int]) -> Sequence[int | Exception]:
        if 0 in jobs:
            raise ArithmeticError("no")
        return jobs

    async def use(batches: Batches[int, int]) -> None:
        results = await asyncio.gather(*(batches.do(job, "k") for job in range(4)), return_exceptions=True)
        assert [type(result) for result in results] == [ArithmeticError] * 3 + [int]
        assert await batches.do(5, "k") == 5

    run(work, use)


def test_a_job_that_nobody_waits_for_is_not_done() -> None:
    work = Doubling()
    work.go.clear()

    async def use(batches: Batches[int, int]) -> None:
        first = [asyncio.ensure_future(batches.do(job, "k")) for job in range(3)]
        while not work.batches:
            await asyncio.sleep(0.001)
        later = [asyncio.ensure_future(batches.do(job, "k")) for job in (3, 4)]
        await asyncio.sleep(0)
        later[0].cancel()
        first[0].cancel()
        work.go.set()
        assert await asyncio.gather(*first, *later, return_exceptions=True)
        assert await later[1] == 8

    run(work, use)
    assert work.batches == [[0, 1, 2], [4]]


def test_closing_cancels_whoever_waits() -> None:
    async def use(batches: Batches[int, int]) -> None:
        waiting = asyncio.ensure_future(batches.do(1, "k"))
        await asyncio.sleep(0)
        batches.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    run(Doubling(), use)


def test_closing_while_the_worker_is_busy_leaves_nobody_waiting() -> None:
    work = Doubling()
    work.go.clear()

    async def use(batches: Batches[int, int]) -> None:
        waiting = [asyncio.ensure_future(batches.do(job, "k")) for job in range(2)]
        while not work.batches:
            await asyncio.sleep(0.001)
        batches.close()
        work.go.set()
        async with asyncio.timeout(20):
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError] * 2

    run(work, use)
