"""How many calls may be in flight, and whose turn it is.

Covered: a limit that finds what a server bears (slow start, then one more per round of clean replies, less after a
refusal), and the order of service of those that wait. Not covered: time between calls, see `pacing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from heapq import heapify, heappop, heappush

__all__ = ["Slots", "Turns"]

FIRST, CEILING = 8, 256
"""Calls in flight where the user names no number: where to begin, and the most."""
STEEP = 64
"""Calls in flight up to which the limit doubles in a round of clean replies. From there to the first cut it grows by a
tenth: with slow replies, all that are in flight may meet a limit before the first refusal is back."""
CUT = 0.7
CUT_APART = 15.0
"""Seconds from one cut to the next. Nothing that a server says makes them longer."""
IN_USE = 0.8
"""Share of the limit that must be in flight for a clean reply to say something of the limit."""


class Slots:
    """The calls in flight, and the most that may be."""

    def __init__(self, most: int | None = None) -> None:
        self.most = most or CEILING
        """The most that `limit` may become."""
        self.limit = most or FIRST
        self.in_flight = 0
        """Counted by whoever sends and receives."""
        self.at_last = 0
        """How many there were when the last one left."""
        self._is_starting = most is None
        self._clean = 0
        self._last_cut = float("-inf")

    def narrow(self, most: int) -> None:
        """Never more than so many from now on."""
        self.most = min(self.most, most)
        self.limit = min(self.limit, self.most)

    @property
    def is_in_use(self) -> bool:
        """Whether so many are in flight that the limit is what holds calls back."""
        return self.in_flight >= IN_USE * self.limit

    @property
    def was_in_use(self) -> bool:
        """The same when the last call left: of a burst that is refused as a whole, part is back before it shows."""
        return self.at_last >= IN_USE * self.limit

    def clean(self) -> None:
        """A reply came, its slot not yet freed. With the limit in use, a round of them raises it."""
        if self.limit >= self.most or not self.is_in_use:
            return
        self._clean += 1
        if self._clean >= self._round():
            self.limit += 1
            self._clean = 0

    def _round(self) -> int:
        """Clean replies that raise the limit by one."""
        if not self._is_starting:
            return self.limit
        return 1 if self.limit < STEEP else 10

    def hold(self) -> None:
        """The server is ill: no growth until a whole round of replies was clean."""
        self._clean = -self.limit

    def cut(self, now: float) -> None:
        """The server wants fewer calls: at most one cut in a while, so that one burst of refusals counts once."""
        self._is_starting = False
        self._clean = 0
        if now - self._last_cut >= CUT_APART:
            self._last_cut = now
            self.limit = max(1, int(self.limit * CUT))


class Turns:
    """Those that wait to be among the next, and those that are. The lowest rank goes first, then who came first."""

    def __init__(self, room: Callable[[], int]) -> None:
        """`room` tells how many may be among the next."""
        self._room = room
        self._inside = 0
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._came = 0
        self._alive = 0

    @property
    def inside(self) -> int:
        """How many are among the next."""
        return self._inside

    async def enter(self, rank: int) -> None:
        """Return when it is this one's turn. Cancelled, it is neither waiting nor inside."""
        if not self._alive and self._inside < self._room():
            self._inside += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._came += 1
        self._alive += 1
        heappush(self._waiting, (rank, self._came, turn))
        self.move_up()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget()
            else:  # it was let in, and left at the same moment
                self.leave()
            raise

    def leave(self) -> None:
        """One is no longer among the next, and whoever comes after it moves up."""
        self._inside -= 1
        self.move_up()

    def move_up(self) -> None:
        """Let in as many as there is room for."""
        waiting = self._waiting
        room = self._room() if waiting else 0
        while waiting and self._inside < room:
            turn = heappop(waiting)[2]
            if not turn.cancelled():
                self._alive -= 1
                self._inside += 1
                turn.set_result(None)

    def _forget(self) -> None:
        """One gave up; those that did are cleared away once they are more than those that wait."""
        self._alive -= 1
        if len(self._waiting) > 2 * self._alive + 16:
            self._waiting = [entry for entry in self._waiting if not entry[2].cancelled()]
            heapify(self._waiting)
