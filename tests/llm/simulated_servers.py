"""Time without waiting, and servers that count: what the governors of an endpoint are tried against.

An event loop whose clock jumps to the next timer, so that an hour takes as long as its events do, and servers that
refuse by the rules that are in use: a bucket that fills, or any span of a minute.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import wraps
from random import Random
from typing import Any, ParamSpec, Protocol

from amendment.errors import Transient
from amendment.llm.concurrency import AT_ONCE, ITEM
from amendment.llm.limits import Endpoint
from amendment.llm.requests import Usage

P = ParamSpec("P")


class _Jumping(selectors.SelectSelector):
    """Nothing ever comes from outside: where the loop would wait, time jumps."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise RuntimeError("everyone waits for ever")
        self.now += max(0.0, timeout)
        return super().select(0)


class TimelessLoop(asyncio.SelectorEventLoop):
    """An event loop on a clock of its own that begins at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def live(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end on simulated time."""
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        runner.run(work)


def in_simulated_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on simulated time."""

    @wraps(test)
    def run(*given: P.args, **named: P.kwargs) -> None:
        live(test(*given, **named))

    return run


class Rule(Protocol):
    """A server's way of counting calls."""

    def admits(self, now: float) -> bool: ...

    def wait(self, now: float) -> float:
        """Seconds until it would admit one more."""
        ...


@dataclass
class Bucket:
    """A bucket of so many tokens that fills at so many a second."""

    rate: float
    size: float
    level: float = field(init=False)
    then: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.size

    def _fill(self, now: float) -> None:
        self.level = min(self.size, self.level + (now - self.then) * self.rate)
        self.then = now

    def admits(self, now: float) -> bool:
        self._fill(now)
        if self.level < 1 - 1e-9:
            return False
        self.level -= 1
        return True

    def wait(self, now: float) -> float:
        self._fill(now)
        return max(0.0, (1 - self.level) / self.rate)


@dataclass
class Sliding:
    """At most so many in the sixty seconds before any moment."""

    most: int
    times: deque[float] = field(default_factory=deque)

    def admits(self, now: float) -> bool:
        while self.times and self.times[0] <= now - 60:
            self.times.popleft()
        if len(self.times) >= self.most:
            return False
        self.times.append(now)
        return True

    def wait(self, now: float) -> float:
        return max(0.0, self.times[0] + 60 - now) if len(self.times) >= self.most else 0.0


class Server:
    """Answers after a latency, or refuses at the door, a share of calls at random; it remembers when each call came and
    what became of it."""

    DOOR = 0.05
    """Seconds until a call is counted."""

    def __init__(
        self, rule: Rule, *, latency: float, says_wait: bool = False, refuses: float = 0.0, seed: int = 0
    ) -> None:
        self.rule = rule
        self.latency = latency
        self.says_wait = says_wait
        self.refuses = refuses
        self.rng = Random(seed)
        self.came: list[tuple[float, bool]] = []

    async def serve(self) -> None:
        """One call. It is counted within some 50 ms, and refused at the door; an answer takes 0.8 to 1.2 of the
        latency."""
        loop = asyncio.get_running_loop()
        came = len(self.came)
        self.came.append((loop.time(), True))
        await asyncio.sleep(self.DOOR * self.rng.uniform(0.8, 1.2))
        now = loop.time()
        if self.rng.random() >= self.refuses and self.rule.admits(now):
            await asyncio.sleep(self.latency * self.rng.uniform(0.8, 1.2))
            return
        await asyncio.sleep(self.DOOR)
        self.came[came] = (self.came[came][0], False)
        wait = self.rule.wait(now) if self.says_wait else None
        raise Transient("429: too many", kind="rate", retry_after=wait, status=429)

    def share_refused(self, after: float) -> float:
        """The share of refused calls among those sent after a moment."""
        sent = [ok for at, ok in self.came if at >= after]
        return sent.count(False) / max(1, len(sent))

    def accepted(self, after: float) -> int:
        return sum(ok for at, ok in self.came if at >= after)


async def one_call(endpoint: Endpoint, server: Server, tokens: int = 100) -> Transient | None:
    """A call as a transport makes it. Returns the refusal, if any."""
    permit = await endpoint.acquire(tokens)
    try:
        await server.serve()
    except Transient as fault:
        endpoint.failed(permit, fault)
        return fault
    except BaseException:
        endpoint.failed(permit, None)
        raise
    endpoint.answered(permit, Usage(input_tokens=tokens, output_tokens=0))
    return None


async def crowd(endpoint: Endpoint, server: Server, *, seconds: float, askers: int) -> None:
    """So many askers that each ask again and again, as the client does, until time is up."""

    async def asker() -> None:
        while True:
            fault = await one_call(endpoint, server)
            ITEM.set(AT_ONCE if fault else 0)
            await asyncio.sleep((fault and fault.retry_after) or 0.0)

    tasks = [asyncio.ensure_future(asker()) for _ in range(askers)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
