"""What holds calls to one endpoint back: calls in flight, limits a minute, a learned rate, a breaker.

Each of them says for how many seconds the next call has to wait; `endpoint` asks them all. A refused call (429, 529)
waits out its own Retry-After in `asking` and holds up nobody else.
"""

from __future__ import annotations

from collections import deque
from math import inf, sqrt
from random import Random
from typing import NamedTuple

from amendment.errors import Transient

__all__ = ["AdaptiveLimiter", "Backoff", "InFlight", "Permit", "TokenBucket"]


class Permit(NamedTuple):
    """A call that may be sent: its number, when it went, the tokens that it can take, and those charged for it."""

    number: int
    sent_at: float
    most: int
    charge: float


class TokenBucket:
    """At most so many units in any minute (generic cell rate algorithm).

    The due time moves on by c * interval for c units, which may go at t when due + (c - 1) * interval <= t + SLACK, so
    that what goes within 60 s takes less than 60 + SLACK + interval seconds of it. MINUTE leaves room for the
    milliseconds between a permit and the sending. A call of more than a minute's units counts as a minute's.
    """

    SLACK, MINUTE = 0.6, 60.05

    def __init__(self, per_minute: float) -> None:
        self.per_minute = per_minute
        self._due = -inf

    def delay(self, now: float, units: float = 1.0) -> float:
        return self._due + self._seconds(units) - self._seconds(1) - self.SLACK - now

    def spend(self, now: float, units: float = 1.0) -> None:
        self._due = max(self._due, now) + self._seconds(units)

    def settle(self, charged: float, used: float) -> None:
        self._due -= self._seconds(charged) - self._seconds(used)

    def _seconds(self, units: float) -> float:
        return min(units, self.per_minute) * (self.MINUTE + self.SLACK) / self.per_minute


class InFlight:
    """Calls in flight. Where the user named no limit it grows with each reply while in use, at first twofold a round
    trip; from FAST on slowly, since all that are in flight may meet a limit before the first refusal is back."""

    FIRST, FAST, MOST = 8, 32, 256

    def __init__(self, most: int | None) -> None:
        self.most = most or self.MOST
        self.count = 0
        self._limit = float(most or self.FIRST)

    @property
    def is_full(self) -> bool:
        return self.count >= int(min(self._limit, self.most))

    def answered(self) -> None:
        if self.count >= 0.8 * self._limit < self.most:
            self._limit += 1.0 if self._limit < self.FAST else 0.03


class Backoff:
    """The breaker: after IN_A_ROW failures, in the order of sending, one probe goes per interval until one succeeds.

    The intervals double from the first number of OUTAGE or REFUSALS to the second. A probe that is out for much longer
    than refusals take was not refused. 16 in a row come up by chance once in two million calls at 40 % refusals.
    """

    IN_A_ROW, OUTAGE, REFUSALS = 16, (5.0, 300.0), (1.0, 10.0)

    def __init__(self, rng: Random) -> None:
        self.since: float | None = None  # None: calls go
        self.until = self._interval = self._slowest = 0.0
        self.is_refused = False
        self._rng = rng
        self._failed: dict[int, None] = {}
        self._last_before = self._probe = 0

    def delay(self, now: float) -> float:
        return 0.0 if self.since is None else max(0.0, self.until - now)

    def depart(self, permit: Permit) -> bool:
        """A call goes; returns whether that closes the breaker."""
        if self.since is None:
            return False
        if self.is_refused and self._probe:
            self.since = None
            return True
        self._probe = permit.number
        self.until = permit.sent_at + (1.0 + 2.0 * self._slowest if self.is_refused else self._spread())
        return False

    def answered(self, number: int) -> bool:
        """A call was answered; returns whether that closes the breaker, refusals having opened it."""
        if self.since is None or number <= self._last_before:
            return False
        self.since = None
        return self.is_refused

    def failed(self, permit: Permit, now: float, last: int, fault: Transient) -> None:
        """A call met an outage or was refused, `last` being the number of the call that was sent last."""
        if fault.kind == "rate":
            self._slowest = max(now - permit.sent_at, 0.9 * self._slowest)
        shortest, longest = self.REFUSALS if fault.kind == "rate" else self.OUTAGE
        if self.since is None:
            self._failed[permit.number] = None
            if len(self._failed) > 4096:
                del self._failed[next(iter(self._failed))]
            first = end = permit.number
            while first - 1 in self._failed:
                first -= 1
            while end in self._failed:
                end += 1
            if end - first < self.IN_A_ROW:
                return
            self._failed.clear()
            self.since, self._last_before, self._interval = now, last, shortest
        elif permit.number > self._last_before:
            self._interval = min(longest, max(shortest, 2 * self._interval))
        else:
            return
        self.is_refused, self._probe = fault.kind == "rate", 0
        self.until = now + max(fault.retry_after or 0.0, self._spread())

    def _spread(self) -> float:
        return self._interval * (1 + 0.1 * self._rng.random())


class AdaptiveLimiter:
    """Calls a second: additive increase and multiplicative decrease on a window of recent outcomes.

    Where more than TOLERATED is refused, the rate falls to what is accepted, by DEEPEST at most and twice in a row at
    most. If the share of refusals has not halved by then, pace is not what calls are refused for: the old rate comes
    back, and that share is tolerated for a while. In each ROUND of good outcomes the rate rises by a twentieth of what
    it fell to, and by twice as much after every third.
    """

    TOLERATED, HEADROOM, LEAST, DEEPEST, ROUND = 0.02, 0.95, 0.5, 0.2, 20.0
    RECENT, RECENT_SECONDS, MINUTE, CATCH_UP = 200, 5.0, 60.0, 0.02

    def __init__(self) -> None:
        self.rate = inf
        self._due = -inf
        self._sent = self._refused = 0
        # calls since the last decrease: when sent and whether refused; how many of them have been out for longer than
        # refusals take, which are back sooner than answers; and how many of those were refused
        self._recent: deque[tuple[float, bool]] = deque()
        self._first, self._calls, self._recent_refused, self._slowest = 1, 0, 0, 0.0
        self._minute: deque[tuple[float, int, int]] = deque()  # moments, and the calls sent and refused until then
        self._trial: tuple[float, float] | None = None  # rate and share before a decrease that may not have helped
        self._is_second = False
        self._tolerated, self._tolerated_until = 0.0, inf
        self._step, self._rises = 0.0, 0

    def delay(self, now: float) -> float:
        return 0.0 if self.rate == inf else self._due - now

    def depart(self, now: float) -> None:
        if not self._minute:
            self._begin_round(now)
        self._sent += 1
        self._recent.append((now, False))
        if self.rate < inf:
            self._due = max(self._due, now - self.CATCH_UP) + 1 / self.rate

    def returned(self, number: int, now: float, *, refused: bool, is_open: bool) -> None:
        """A call came back; `is_open`: the breaker decides at present."""
        self._refused += refused
        recent, place = self._recent, number - self._first
        if place < 0:
            return
        if refused:
            recent[place] = (recent[place][0], True)
            self._recent_refused += place < self._calls
            self._slowest = max(now - recent[place][0], 0.99 * self._slowest)
        while self._calls < len(recent) and recent[self._calls][0] <= now - self._slowest:
            self._recent_refused += recent[self._calls][1]
            self._calls += 1
        while not self._trial and self._calls > self.RECENT and recent[0][0] < now - self.RECENT_SECONDS:
            self._recent_refused -= recent.popleft()[1]
            self._first, self._calls = self._first + 1, self._calls - 1
        if self._calls and not is_open:
            self._decide(now, self._recent_refused / self._calls)

    def resumed(self, now: float) -> None:
        """The breaker closed after refusals: the rate is what was accepted in the last minute, pauses included."""
        at, sent, refused = self._minute[0]
        sent, refused = self._sent - sent, self._refused - refused
        self._trial, self._is_second, self._tolerated = (self.rate, refused / max(1, sent)), True, 0.0
        self._minute.clear()
        self._fall(now, (sent - refused) / (now - at + 1e-6))

    def _decide(self, now: float, share: float) -> None:
        calls, refused = self._calls, self._recent_refused
        if self._trial:
            self._try(now, share, *self._trial)
            return
        if now > self._tolerated_until:
            self._tolerated = 0.0
        excess = refused - (self._tolerated + self.TOLERATED) * calls
        if calls >= 8 and excess > 1.5 + 1.5 * sqrt(calls * max(self._tolerated, self.TOLERATED)):
            self._trial, self._is_second = (self.rate, share), False
            self._fall(now, self._accepted(share))
        elif now - self._minute[-1][0] >= self.ROUND and calls >= 8:
            at, sent, _ = self._minute[-1]
            is_used = self._sent - sent >= 0.8 * self.rate * (now - at)
            if is_used and share <= self._tolerated + self.TOLERATED / 2:
                self._rises += 1
                self.rate += self._step * 2 ** (self._rises // 3)
            self._tolerated = min(self._tolerated, share)
            self._begin_round(now)

    def _try(self, now: float, share: float, rate: float, share_before: float) -> None:
        """Find out whether a decrease helped: after some twenty calls that would have been refused, if it had not."""
        wanted = min(200.0, max(24.0, 20 / max(share_before, 0.01)))
        seconds = now - self._minute[-1][0]
        is_clear = self._calls >= wanted or (self._calls >= 24 and self._recent_refused > share_before * wanted / 2)
        if not (is_clear or (self._calls >= 8 and seconds >= 2 * self.ROUND)):
            return
        is_halved = share <= share_before / 2
        if share > (1 + share_before) / 2 or not (is_halved or self._is_second):  # the server had saved calls up
            self._trial, self._is_second = (rate, max(share, share_before)), True
            self._fall(now, self._accepted(share))
            return
        self._trial = None
        if not is_halved:
            self.rate = rate
            self._tolerated, self._tolerated_until = share, now + max(60.0, 4 * seconds)
        self._forget(now)

    def _accepted(self, share: float) -> float:
        sent = self._calls / max(0.01, self._recent[self._calls - 1][0] - self._recent[0][0])
        return min(self.rate, sent) * max(self.DEEPEST, 1 - share)

    def _fall(self, now: float, accepted: float) -> None:
        self.rate = max(self.LEAST, self.HEADROOM * accepted)
        self._step, self._rises = self.rate / 20, 0
        self._forget(now)

    def _forget(self, now: float) -> None:
        self._recent.clear()
        self._first, self._calls, self._recent_refused = self._sent + 1, 0, 0
        self._begin_round(now)

    def _begin_round(self, now: float) -> None:
        self._minute.append((now, self._sent, self._refused))
        while len(self._minute) > 1 and self._minute[1][0] <= now - self.MINUTE:
            self._minute.popleft()
