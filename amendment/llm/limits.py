"""Limit the calls to one model at one address, and decide which call goes next.

Covered: calls in flight, the user's requests and tokens a minute, a breaker, and the `pace` that models of one host and
key share until their refusals differ. Each of these says for how many seconds the next call has to wait. One queue
holds all waiting calls, in the order of asking (at a server of one's own by items), with one timer for the first. Not
covered: retries; a refused call (429, 529) waits out its own Retry-After in `client` and then goes first.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Mapping
from math import inf
from random import Random
from typing import NamedTuple

from amendment.errors import Transient
from amendment.llm.concurrency import ITEM
from amendment.llm.pace import Allowance, Pace, Refill, Sent
from amendment.llm.provider import RULES
from amendment.llm.requests import Usage, estimate_work

SOON, WORTH_SHOWING = 1e-6, 5.0
"""Seconds that nobody waits for, and seconds from which on a wait is shown."""


class Limits(NamedTuple):
    """An endpoint's limits as the user sets them. Without a concurrency the calls in flight grow to 256 at most."""

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    is_self_hosted: bool = False
    """A server of the user's own, which may answer one call at a time: it starts with 2 calls, others with 8."""
    account: str | None = None
    """The name of the key. Models of one host and account share a pace."""
    charges_most: bool = False
    """The server charges each call for its maximum when it is sent, and gives nothing back."""


class Trouble(NamedTuple):
    """The reason why nothing is sent. Times in seconds of the event loop's clock; `left` counts from now."""

    since: float
    until: float
    left: float
    reason: str


class Permit(NamedTuple):
    """A call that may be sent: its number, the tokens that it can take, those charged for it, and the pace that counts
    it."""

    number: int
    most: int
    charge: float
    pace: Pace | None = None
    sent: Sent | None = None


class Endpoint:
    """One model at one address. A call passes `acquire`, and then `answered` or `failed` with its permit."""

    TOKEN_SHARE = 0.95  # of a limit of tokens, since what a call takes is known only when it is in
    UNLIKELY = 9.0  # refusals that are missing by chance once in 8,000 times

    def __init__(
        self,
        limits: Limits,
        *,
        pace: Pace | None = None,
        rng: Random | None = None,
        on_wait: Callable[[Trouble], None] | None = None,
    ) -> None:
        """Take the `pace` of the host and key, and `on_wait`, which is called, while calls wait, with every wait that
        the server causes."""
        is_small = limits.is_self_hosted and limits.concurrency is None
        self._in_flight = MeasuredInFlight() if is_small else InFlight(limits.concurrency)
        self._pace = pace or Pace()
        self._unlikely = 0.0  # refusals that a shared limit would have brought since the last one
        self._refills: dict[str, Refill] = {}
        self._usage = Usage(input_tokens=0, output_tokens=0)  # of the last reply
        self._backoff = Backoff(rng or Random())  # noqa: S311 - jitter, not a secret
        self._requests, self._tokens = TokenBucket(), TokenBucket()
        self._most, self._used = 0.0, 0.0  # tokens of recent calls together: that they could take, and that they took
        self._is_by_item, self.charges_most = limits.is_self_hosted, limits.charges_most
        self._waiting: list[tuple[int, int, int, asyncio.Future[Permit]]] = []  # a heap: item, number, tokens
        self._asked = self._sent = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._reason = ""
        self._on_wait = on_wait
        self.narrow(limits)

    def narrow(self, limits: Limits) -> None:
        """Apply the limits of another entry of this endpoint: the stricter one of each."""
        self._in_flight.most = min(self._in_flight.most, limits.concurrency or InFlight.MOST)
        self._requests.narrow(limits.requests_per_minute)
        self._tokens.narrow(limits.tokens_per_minute and self.TOKEN_SHARE * limits.tokens_per_minute)

    @property
    def window(self) -> int:
        """Return the most calls that may ever be in flight here."""
        return self._in_flight.most

    async def acquire(self, tokens: int) -> Permit:
        """Return when the call may be sent now; it then is in flight. Cancelled, it holds nothing."""
        permit: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._asked += 1
        item = ITEM.get() if self._is_by_item else min(ITEM.get(), 0)
        heapq.heappush(self._waiting, (item, self._asked, tokens, permit))
        self._admit_waiting(_now())
        try:
            return await permit
        except asyncio.CancelledError:
            if not permit.cancelled():  # it was let go, and cancelled at the same moment
                self.failed(permit.result(), None)
            raise

    def answered(self, permit: Permit, usage: Usage | None, allowances: Mapping[str, Allowance] = {}) -> None:
        """Take in a reply; `usage`: None if it does not say; `allowances`: what it says about the server's limits."""
        self._in_flight.answered(_now(), estimate_work(usage))
        if usage is not None:
            tokens, self._usage = usage.input_tokens + usage.output_tokens, usage
            self._most, self._used = 0.99 * self._most + permit.most, 0.99 * self._used + tokens
            if not self.charges_most:
                self._tokens.settle(permit.charge, tokens)
        for kind, allowance in allowances.items():
            self._refills.setdefault(kind, Refill()).see(allowance)
        self._came_back(permit, is_up=True)

    def failed(self, permit: Permit, fault: Transient | None) -> None:
        """Take back a call without a reply; None: it was not sent, or says nothing of the endpoint."""
        is_refused = fault is not None and fault.kind == "rate"
        is_down = fault is not None and RULES[fault.kind].is_outage
        if fault and (is_refused or is_down):
            self._reason = str(fault)
        if fault and (is_down or fault.retry_after):
            self._backoff.failed(permit.number, _now(), self._sent, fault)
        if fault and fault.kind == "deadline":
            self._in_flight.timed_out(permit.number, self._sent)
        self._came_back(permit, is_up=fault is not None and not is_refused and not is_down, is_refused=is_refused)

    @property
    def absence(self) -> Trouble | None:
        """Return the time and the reason of an outage, in which only probes are sent. Any thread may ask."""
        now = _now()
        if self._backoff.since is not None:
            return Trouble(self._backoff.since, self._backoff.until, self._backoff.delay(now), self._reason)
        if self._pace.silence is not None:
            left = max(0.0, self._pace.delay(now))
            return Trouble(self._pace.silence, now + left, left, self._reason)
        return None

    @property
    def trouble(self) -> Trouble | None:
        """Return the trouble of `absence`, or a long wait for a limit. Any thread may ask."""
        now, waiting = _now(), list(self._waiting)[:1]
        if self.absence or not waiting:
            return self.absence
        delay, reason = max(
            (self._pace.delay(now), "slower, because the server refused faster calls"),
            (self._requests.delay(now), "requests_per_minute is used up"),
            (self._tokens.delay(now, self._charge(waiting[0][2])), "tokens_per_minute is used up"),
        )
        return Trouble(now, now + delay, delay, reason) if delay > WORTH_SHOWING else None

    def _charge(self, most: int) -> float:
        """Return the tokens to charge for a call: the most it can take is several times what is used. 10 calls are
        enough to tell."""
        is_most = self.charges_most or self._most < 10 * most
        return float(most) if is_most else most * min(1.0, 1.05 * self._used / self._most)

    def _delay(self, tokens: int, now: float) -> float:
        """Return the seconds until a call may go; infinite if a call in flight must come back first."""
        if self._in_flight.is_full:
            return inf
        by_tokens = self._tokens.delay(now, self._charge(tokens))
        return max(self._backoff.delay(now), self._pace.delay(now), self._requests.delay(now), by_tokens)

    def _admit_waiting(self, now: float) -> None:
        """Let calls go that may, and come back when the next one may."""
        delay = inf
        while self._waiting:
            _, _, tokens, permit = self._waiting[0]
            delay = 0.0 if permit.cancelled() else self._delay(tokens, now)
            if delay > SOON:
                break
            heapq.heappop(self._waiting)
            if permit.cancelled():
                continue
            self._sent += 1
            self._in_flight.count += 1
            charge = self._charge(tokens)
            self._backoff.depart(now)
            sent = self._pace.depart(now)
            self._requests.spend(now)
            self._tokens.spend(now, charge)
            permit.set_result(Permit(self._sent, tokens, charge, self._pace, sent))
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        if SOON < delay < inf:
            if self._on_wait and (absence := self.absence):
                self._on_wait(absence)
            self._alarm = asyncio.get_running_loop().call_later(delay, lambda: self._admit_waiting(_now()))

    def _came_back(self, permit: Permit, *, is_up: bool, is_refused: bool = False) -> None:
        now = _now()
        if is_up:
            self._backoff.answered(permit.number)
        if (is_up or is_refused) and permit.pace and permit.sent:
            self._unlikely = 0.0 if is_refused else self._unlikely + permit.pace.risk(permit.sent)
            if is_refused:
                permit.pace.named = self._named()
            permit.pace.returned(permit.sent, now, refused=is_refused)
        if self._unlikely > self.UNLIKELY and permit.pace is self._pace:
            self._pace, self._unlikely = Pace(), 0.0  # others are refused, and this model is not: its limit is its own
        self._in_flight.count -= 1
        self._admit_waiting(now)

    def _named(self) -> float | None:
        """Return the calls a second that the limits in the headers of replies allow; None if they do not say."""
        read = self._usage.input_tokens
        written = self._usage.output_tokens
        units = {"requests": 1, "tokens": read + written, "input-tokens": read, "output-tokens": written}
        rates = [refill.rate / max(1, units[kind]) for kind, refill in self._refills.items() if refill.rate]
        return min(rates, default=None)


class TokenBucket:
    """Admits a number of units in any minute (generic cell rate algorithm).

    The due time moves on by c * interval for c units, which may go at t when due + (c - 1) * interval <= t + SLACK, so
    that what goes within 60 s takes less than 60 + SLACK + interval seconds of it. MINUTE leaves room for the
    milliseconds between a permit and the sending. A call of more than a minute's units counts as a minute's.
    """

    SLACK, MINUTE = 0.6, 60.05

    def __init__(self) -> None:
        self._per_minute = inf
        self._due = -inf

    def narrow(self, per_minute: float | None) -> None:
        self._per_minute = min(self._per_minute, per_minute or inf)

    def delay(self, now: float, units: float = 1.0) -> float:
        return self._due + self._seconds(units) - self._seconds(1) - self.SLACK - now

    def spend(self, now: float, units: float = 1.0) -> None:
        self._due = max(self._due, now) + self._seconds(units)

    def settle(self, charged: float, used: float) -> None:
        self._due -= self._seconds(charged) - self._seconds(used)

    def _seconds(self, units: float) -> float:
        return min(units, self._per_minute) * (self.MINUTE + self.SLACK) / self._per_minute


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

    def answered(self, now: float, work: float) -> None:
        """Take in a reply at `now`, in seconds, of so much work."""
        if self.count >= 0.8 * self._limit < self.most:
            self._limit += 1.0 if self._limit < self.FAST else 0.1

    def timed_out(self, number: int, last: int) -> None:
        """Note that no reply came in time to the call of this number, `last` being the number of the call sent last."""


class MeasuredInFlight(InFlight):
    """Calls in flight at a server that may answer one at a time: twice as many stay where that brings GAIN times the
    work a second, as a server with free slots or with batches has it; where it does not, the old number comes back.

    What is measured is the work of three round trips, after one that is left out, since a model may be loaded in the
    first. AGAIN replies later it is tried again. A timeout halves the number.
    """

    FIRST, GAIN, LEAST_REPLIES, AGAIN = 2, 1.3, 8, 200

    def __init__(self) -> None:
        super().__init__(None)
        self._before: float | None = None  # work a second with half as many
        self._sent_before = 0
        self._begin()

    def answered(self, now: float, work: float) -> None:
        limit = int(self._limit)
        if self._replies >= 0 and self.count < limit:  # there was not enough to ask
            self._begin()
            return
        self._replies += 1
        if self._replies <= limit:
            self._since = now
            return
        self._work += work
        if self._replies - limit < max(self.LEAST_REPLIES, 3 * limit):
            return
        speed = self._work / max(now - self._since, 1e-9)
        if self._before is None or speed >= self.GAIN * self._before:
            self._before = speed
            self._limit = float(min(2 * limit, self.most))
            self._begin(rest=self.AGAIN if self._limit == limit else 0)
        else:
            self._go_back(limit // 2)

    def timed_out(self, number: int, last: int) -> None:
        if number > self._sent_before:  # one that was sent since the number fell
            self._sent_before = last
            self._go_back(max(1, int(self._limit) // 2))

    def _go_back(self, limit: int) -> None:
        self._limit, self._before = float(limit), None
        self._begin(rest=self.AGAIN)

    def _begin(self, *, rest: int = 0) -> None:
        """Measure, after so many replies that do not count."""
        self._replies, self._work, self._since = -rest, 0.0, 0.0


class Backoff:
    """The breaker: after IN_A_ROW failures, in the order of sending, one probe goes per interval until one succeeds.

    The intervals double from SHORTEST to LONGEST. A refusal counts only if the server says when to call again.
    """

    IN_A_ROW, SHORTEST, LONGEST = 16, 5.0, 300.0

    def __init__(self, rng: Random) -> None:
        self.since: float | None = None  # None: calls go
        self.until = self._interval = 0.0
        self._rng = rng
        self._failed: dict[int, None] = {}  # numbers of calls
        self._last_before = 0

    def delay(self, now: float) -> float:
        return 0.0 if self.since is None else max(0.0, self.until - now)

    def depart(self, now: float) -> None:
        """Send a call, as a probe if the breaker is open."""
        self.until = now + self._spread()

    def answered(self, number: int) -> None:
        """Close the breaker, since a call was answered."""
        if number > self._last_before:
            self.since = None

    def failed(self, number: int, now: float, last: int, fault: Transient) -> None:
        """Note that a call met an outage or was refused, `last` being the number of the call that was sent last."""
        if self.since is None:
            self._failed[number] = None
            if len(self._failed) > 4096:
                del self._failed[next(iter(self._failed))]
            first = end = number
            while first - 1 in self._failed:
                first -= 1
            while end in self._failed:
                end += 1
            if end - first < self.IN_A_ROW:
                return
            self._failed.clear()
            self.since, self._last_before, self._interval = now, last, 0.0
        elif number <= self._last_before:
            return
        if fault.kind != "rate":
            self._interval = min(self.LONGEST, max(self.SHORTEST, 2 * self._interval))
        self.until = now + max(fault.retry_after or 0.0, self._spread())

    def _spread(self) -> float:
        return self._interval * (1 + 0.1 * self._rng.random())


def _now() -> float:
    """Return the running loop's time, or the monotonic clock if no loop runs: both count the same seconds."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
