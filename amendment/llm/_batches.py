"""Questions that wait at the same moment, answered together: a queue, batches in order, one worker thread.

Covered: batches hold neighbours of the queue that can be worked on together; the event loop stays alive;
an asker who left costs nothing. Not covered: fairness between kinds, a kind waits for the oldest question.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Batches"]

J = TypeVar("J")
R = TypeVar("R")

LINGER = 0.002
"""Seconds that a batch which is not full waits for questions that are on their way."""


class _Waiting(NamedTuple, Generic[J, R]):
    job: J
    kind: Hashable
    future: asyncio.Future[R]


class Batches(Generic[J, R]):
    """Work on jobs in batches of one kind, oldest first. Use from one event loop."""

    def __init__(
        self, work: Callable[[Sequence[J]], Sequence[R | Exception]], *, size: int, worker: ThreadPoolExecutor
    ) -> None:
        """`work` runs in `worker` and gives a result or an error for each job of a batch, in its order."""
        self._work = work
        self._size = size
        self._worker = worker
        self._queue: deque[_Waiting[J, R]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def do(self, job: J, kind: Hashable) -> R:
        """The result of a job; raises the job's error."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(job, kind, future))
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._queue:
                if len(self._queue) < self._size:
                    await asyncio.sleep(LINGER)
                batch = self._next()
                if batch:
                    await self._finish(batch)
        finally:
            self._running = None

    def _next(self) -> list[_Waiting[J, R]]:
        """The oldest job and those of its kind that wait behind it; jobs that nobody waits for are dropped."""
        batch: list[_Waiting[J, R]] = []
        others: deque[_Waiting[J, R]] = deque()
        while self._queue and len(batch) < self._size:
            waiting = self._queue.popleft()
            if waiting.future.done():
                continue
            same = not batch or waiting.kind == batch[0].kind
            (batch if same else others).append(waiting)
        self._queue.extendleft(reversed(others))
        return batch

    async def _finish(self, batch: list[_Waiting[J, R]]) -> None:
        loop = asyncio.get_running_loop()
        results: Sequence[R | Exception]
        try:
            results = await loop.run_in_executor(self._worker, self._work, [waiting.job for waiting in batch])
        except asyncio.CancelledError:  # closed while the worker is busy: nobody is left waiting
            for waiting in batch:
                waiting.future.cancel()
            raise
        except Exception as fault:
            results = [fault] * len(batch)
        for waiting, result in zip(batch, results, strict=True):
            if waiting.future.done():
                continue
            if isinstance(result, Exception):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(result)

    def close(self) -> None:
        """Stop: whoever still waits is cancelled."""
        if self._running is not None:
            self._running.cancel()
        while self._queue:
            self._queue.popleft().future.cancel()
