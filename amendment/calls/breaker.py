"""Whether an endpoint is asked at all: after enough faults in a row nothing is sent but a probe now and then."""

from __future__ import annotations

from collections import deque
from random import Random

__all__ = ["Breaker"]

IN_A_ROW = 10
RECENT, SHARE = 40, 0.5
"""The breaker opens when this share of so many recent calls failed, or when so many failed in a row."""
SHORTEST, LONGEST = 5.0, 300.0
"""Seconds from one probe to the next, doubling."""
JITTER = 0.1
"""Share by which an interval may be longer, so that several runs do not come back at the same moment."""


class Breaker:
    """Closed: calls go. Open: one call per interval goes as a probe; when it is answered, the breaker closes.

    Calls that left before it opened say nothing about now: the caller reports only the probe while it is open.
    """

    def __init__(self, rng: Random) -> None:
        self.since: float | None = None
        """When it opened; None while it is closed."""
        self.until = 0.0
        """When the next probe may go, while it is open."""
        self._rng = rng
        self._interval = SHORTEST
        self._in_a_row = 0
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._failed = 0

    @property
    def is_open(self) -> bool:
        """Whether only probes go."""
        return self.since is not None

    def delay(self, now: float) -> float:
        """Seconds until a call may go."""
        return 0.0 if self.since is None else max(0.0, self.until - now)

    def depart(self, now: float) -> None:
        """A call goes. One that goes while the breaker is open is a probe; lost, the next goes an interval later."""
        if self.since is not None:
            self.until = now + self._spread()

    def succeeded(self) -> None:
        """The endpoint answered, be it with an answer nobody can read."""
        if self.since is not None:
            self.since = None
            self._interval = SHORTEST
            self._recent.clear()
            self._failed = 0
        self._in_a_row = 0
        self._note(False)

    def failed(self, now: float) -> None:
        """A call met an outage; while the breaker is open, that call was the probe."""
        if self.since is not None:
            self._interval = min(LONGEST, self._interval * 2)
            self.until = now + self._spread()
            return
        self._in_a_row += 1
        self._note(True)
        if self._in_a_row >= IN_A_ROW or (len(self._recent) == RECENT and self._failed >= SHARE * RECENT):
            self.since = now
            self.until = now + self._spread()

    def _note(self, failed: bool) -> None:
        if len(self._recent) == RECENT:
            self._failed -= self._recent[0]
        self._recent.append(failed)
        self._failed += failed

    def _spread(self) -> float:
        return self._interval * (1 + JITTER * self._rng.random())
