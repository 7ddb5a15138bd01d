"""The time that the governors of an endpoint go by, so that a test can drive them without waiting."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

__all__ = ["Clock", "LoopClock", "Steady"]


class Clock(Protocol):
    """Seconds from some beginning, and a way to let them pass."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class LoopClock:
    """The monotonic clock, and the event loop's own sleep."""

    def now(self) -> float:
        """The running loop's time, or the monotonic clock where no loop runs: both count the same seconds."""
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Steady:
    """A clock that never goes back: where the one beneath jumps back, this one goes on from where it stood."""

    def __init__(self, clock: Clock) -> None:
        self.sleep = clock.sleep
        self._below = clock.now
        self._ahead = 0.0
        self._last = clock.now()

    def now(self) -> float:
        """Seconds, never fewer than the last time."""
        now = self._below() + self._ahead
        if now < self._last:
            self._ahead += self._last - now
            now = self._last
        self._last = now
        return now
