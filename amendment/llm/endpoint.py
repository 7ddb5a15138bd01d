"""One model at one address: who is sent next, and when.

Covered: one queue for all that wait, by arrival or by place in the input; one timer for the first of them. What holds
calls back is in `rate_limit`. Not covered: retries; a call that failed enters again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from random import Random
from typing import Literal, NamedTuple

from amendment.errors import Transient
from amendment.llm.faults import RULES
from amendment.llm.rate_limit import AdaptiveLimiter, Backoff, InFlight, Permit, TokenBucket

__all__ = ["Endpoint", "Limits", "Order", "Trouble"]

Order = Literal["throughput", "early"]
"""throughput serves whoever asked first; early serves the item that comes first in the input."""
SOON, WORTH_SHOWING = 1e-6, 5.0
"""Seconds that nobody waits for, and seconds from which on a wait is shown."""


class Limits(NamedTuple):
    """What the user knows of an endpoint's limits. Without a concurrency it begins with 8 calls and grows to 256."""

    concurrency: int | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class Trouble(NamedTuple):
    """Why nothing is sent; in seconds of the event loop's clock, and `left` from now."""

    since: float
    until: float
    left: float
    reason: str


class Endpoint:
    """One model at one address. A call passes `acquire`, and then `answered` or `failed` with its permit."""

    TOKEN_SHARE = 0.95  # of a limit of tokens, since what a call takes is known only when it is in

    def __init__(
        self,
        limits: Limits,
        *,
        order: Order = "throughput",
        rng: Random | None = None,
        on_wait: Callable[[Trouble], None] | None = None,
    ) -> None:
        """`on_wait` is called, while calls wait, with every wait that the server caused."""
        self._by_place = order == "early"
        self._in_flight, self._limiter = InFlight(limits.concurrency), AdaptiveLimiter()
        self._backoff = Backoff(rng or Random())  # noqa: S311 - jitter, not a secret
        self._requests: TokenBucket | None = None
        self._tokens: TokenBucket | None = None
        self._most, self._used = 0.0, 0.0  # tokens of recent calls together: that they could take, and that they took
        self._waiting: list[tuple[int, int, int, asyncio.Future[Permit]]] = []  # rank, arrival, tokens
        self._came = self._sent = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._reason = ""
        self._on_wait = on_wait
        self.narrow(limits)

    def narrow(self, limits: Limits) -> None:
        """Another entry names the same endpoint: of each limit the stricter one holds."""
        self._in_flight.most = min(self._in_flight.most, limits.concurrency or InFlight.MOST)
        self._requests = _stricter(self._requests, limits.requests_per_minute)
        self._tokens = _stricter(self._tokens, limits.tokens_per_minute and self.TOKEN_SHARE * limits.tokens_per_minute)

    @property
    def window(self) -> int:
        """The most calls that may ever be in flight here."""
        return self._in_flight.most

    async def acquire(self, place: int, tokens: int) -> Permit:
        """Return when the call may be sent now; it then is in flight. Cancelled, it holds nothing."""
        now = _now()
        if not self._waiting and self._delay(tokens, now) <= SOON:
            return self._admit(tokens, now)
        permit: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        self._came += 1
        heappush(self._waiting, (place if self._by_place else 0, self._came, tokens, permit))
        self._admit_waiting(now)
        try:
            return await permit
        except asyncio.CancelledError:
            if not permit.cancelled():  # it was let go, and cancelled at the same moment
                self.failed(permit.result(), None)
            raise

    def answered(self, permit: Permit, tokens: int | None) -> None:
        """A reply is in; `tokens`: how many it took, None where it did not say."""
        now = _now()
        self._in_flight.answered()
        if tokens is not None:
            self._most, self._used = 0.99 * self._most + permit.most, 0.99 * self._used + tokens
            if self._tokens:
                self._tokens.settle(permit.charge, tokens)
        self._came_back(permit, now, is_up=True)

    def failed(self, permit: Permit, fault: Transient | None) -> None:
        """A call came back without a reply; None: it was not sent, or says nothing of the endpoint."""
        now = _now()
        is_refused = fault is not None and fault.kind == "rate"
        is_down = fault is not None and RULES[fault.kind].is_outage
        if fault and (is_refused or is_down):
            self._reason = str(fault)
            self._backoff.failed(permit, now, self._sent, fault)
        if is_refused:
            self._limiter.returned(permit.number, now, refused=True, is_open=self._backoff.since is not None)
        self._came_back(permit, now, is_up=fault is not None and not (is_refused or is_down))

    @property
    def absence(self) -> Trouble | None:
        """Since when and why nothing is sent but a probe now and then. Any thread may ask."""
        since, now = self._backoff.since, _now()
        return None if since is None else Trouble(since, self._backoff.until, self._backoff.delay(now), self._reason)

    @property
    def trouble(self) -> Trouble | None:
        """As `absence`, and long waits for a limit. Any thread may ask."""
        now, waiting = _now(), self._waiting[:1]
        waits = [(self._limiter.delay(now), "slower, since the server refused what came faster")]
        if self._requests:
            waits.append((self._requests.delay(now), "requests_per_minute is used up"))
        if self._tokens and waiting:
            waits.append((self._tokens.delay(now, self._charge(waiting[0][2])), "tokens_per_minute is used up"))
        delay, reason = max(waits)
        is_long = waiting and delay > WORTH_SHOWING
        return self.absence or (Trouble(now, now + delay, delay, reason) if is_long else None)

    def _charge(self, most: int) -> float:
        """Tokens to charge for a call: the most it can take is several times what is used. 10 calls tell enough."""
        return float(most) if self._most < 10 * most else most * min(1.0, 1.05 * self._used / self._most)

    def _delay(self, tokens: int, now: float) -> float:
        """Seconds until a call may go; infinite where a call in flight must come back first."""
        if self._in_flight.is_full:
            return inf
        delay = max(self._backoff.delay(now), self._limiter.delay(now))
        if self._requests:
            delay = max(delay, self._requests.delay(now))
        return max(delay, self._tokens.delay(now, self._charge(tokens))) if self._tokens else delay

    def _admit(self, tokens: int, now: float) -> Permit:
        self._sent += 1
        self._in_flight.count += 1
        permit = Permit(self._sent, now, tokens, self._charge(tokens))
        if self._backoff.depart(permit):
            self._limiter.resumed(now)
        self._limiter.depart(now)
        if self._requests:
            self._requests.spend(now)
        if self._tokens:
            self._tokens.spend(now, permit.charge)
        return permit

    def _admit_waiting(self, now: float) -> None:
        """Let go whoever may, and come back when the next one may."""
        delay = inf
        while self._waiting:
            _, _, tokens, permit = self._waiting[0]
            delay = 0.0 if permit.cancelled() else self._delay(tokens, now)
            if delay > SOON:
                break
            heappop(self._waiting)
            if not permit.cancelled():
                permit.set_result(self._admit(tokens, now))
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        if SOON < delay < inf:
            if self._on_wait and (absence := self.absence):
                self._on_wait(absence)
            self._alarm = asyncio.get_running_loop().call_later(delay, lambda: self._admit_waiting(_now()))

    def _came_back(self, permit: Permit, now: float, *, is_up: bool) -> None:
        if is_up:
            if self._backoff.answered(permit.number):
                self._limiter.resumed(now)
            self._limiter.returned(permit.number, now, refused=False, is_open=self._backoff.since is not None)
        self._in_flight.count -= 1
        self._admit_waiting(now)


def _stricter(bucket: TokenBucket | None, per_minute: float | None) -> TokenBucket | None:
    if bucket and per_minute:
        bucket.per_minute = min(bucket.per_minute, per_minute)
    return bucket or (TokenBucket(per_minute) if per_minute else None)


def _now() -> float:
    """The running loop's time, or the monotonic clock where no loop runs: both count the same seconds."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()
