"""Time between calls: the pace that a user names, and the rest that a server says is left.

Covered: requests and tokens per minute that no minute exceeds, wherever it begins, and that come evenly; what the
headers of a reply allow until they are renewed. Not covered: refusals, and limits that nobody named; see `refusals`.
"""

from __future__ import annotations

from math import inf

__all__ = ["TOKEN_SHARE", "Estimates", "Quota", "Rhythm"]

MINUTE = 60.001
"""Seconds, with one thousandth for timers that are early."""
SLACK = 0.6
"""Seconds of the pace that may go at once. A hundredth of a minute, which is what it costs."""
TOKEN_SHARE = 0.95
"""Share of a limit of tokens that is aimed at, since what a call takes is known only when it is in."""
MARGIN = 1.05
"""By how much the tokens of calls are thought larger than those before them were."""
ENOUGH = 10.0
"""Calls after which the size of the next ones is judged by them."""

NEARLY = 0.9
"""Share of the most that headers ever left, from which on the count passes for full."""


class Rhythm:
    """At most so many units in any span of a minute: the generic cell rate algorithm, with units of any weight.

    The due time moves on by c * interval for c units. A call of c units may go at t when
    due + (c - 1) * interval <= t + slack, and then due = max(due, t) + c * interval. What is spent within [t, t + 60)
    therefore takes less than 60 + slack + interval seconds of due time, and with interval = (60 + slack) / limit that
    is at most `limit` units. A call of more than a minute's units counts as a minute's.
    """

    def __init__(self, per_minute: float) -> None:
        self._most = per_minute
        self._interval = (MINUTE + SLACK) / per_minute
        self._due = -inf

    def narrow(self, per_minute: float) -> None:
        """At most so many from now on, if that is less than before."""
        if per_minute < self._most:
            self._most = per_minute
            self._interval = (MINUTE + SLACK) / per_minute

    def delay(self, now: float, units: float = 1.0) -> float:
        """Seconds until a call of so many units may go."""
        return self._due + (min(units, self._most) - 1) * self._interval - SLACK - now

    def spend(self, now: float, units: float = 1.0) -> None:
        """A call of so many units goes."""
        self._due = max(self._due, now) + min(units, self._most) * self._interval

    def settle(self, thought: float, used: float) -> None:
        """A call that was thought to take so many units took so many; neither counts as more than a minute's."""
        self._due -= (min(thought, self._most) - min(used, self._most)) * self._interval


class Estimates:
    """How many tokens a call will take, from the most that it can take and from what the calls before it took.

    The most is several times what is used, so charging it would leave most of a limit idle. The share that was used,
    of recent calls together, sets the charge, with a margin; what a call took is settled when it is in.
    """

    def __init__(self) -> None:
        self._most = 0.0
        self._used = 0.0
        self._calls = 0.0

    def charge(self, most: int) -> float:
        """The tokens to charge for a call that can take `most`."""
        if self._calls < ENOUGH or not self._most:
            return float(most)
        return most * min(1.0, MARGIN * self._used / self._most)

    def learn(self, most: int, used: int) -> None:
        """A call that could take `most` took `used`. The weight of a call halves over the next seventy."""
        self._most = self._most * 0.99 + most
        self._used = self._used * 0.99 + used
        self._calls += 1


class Quota:
    """What the server's headers leave: so many units beyond those that came back, until they are renewed.

    What is in flight may or may not have been counted when the server wrote its header; it is taken as not counted.
    Units are counted over the life of the endpoint. Servers mean two things by "reset": when a new minute begins, or
    when a bucket that fills all the time is full. With a nearly full count the latter is near, and the former need not
    be; an empty bucket lets out one unit after another, at the pace at which it fills.
    """

    def __init__(self) -> None:
        self.is_told = False
        """Whether headers ever said anything."""
        self._bound = inf
        self._ends = -inf
        self._gap: float | None = None
        self._order = 0
        self._full = 0
        self._reset_at_full = 0.0

    def told(self, now: float, order: int, landed: float, left: int | None, reset: float | None) -> None:
        """The reply to the call that left as number `order` says how many units are left and for how many seconds,
        `landed` of them having come back. A reply to a call before one that was heard tells nothing new."""
        if left is None or reset is None or order < self._order:
            return
        if left >= NEARLY * self._full:
            self._full = max(self._full, left)
            self._reset_at_full = max(self._reset_at_full, reset)
        self.is_told = True
        self._order = order
        fills = reset > 2 * self._reset_at_full
        self._gap = reset / (self._full + 1 - left) if fills else None
        bound = landed + left
        self._bound = bound if fills or now >= self._ends else min(bound, self._bound)
        self._ends = now + (self._gap or reset)

    def delay(self, now: float, sent: float, units: float = 1.0) -> float:
        """Seconds until a call of so many units may go, `sent` of them having gone before."""
        return 0.0 if sent + units <= self._bound else self._ends - now

    def depart(self, now: float, sent: float, units: float = 1.0) -> None:
        """A call of so many units goes, with which `sent` have gone."""
        if sent > self._bound and self._gap is not None:
            self._bound = sent
            self._ends = now + self._gap * units
