"""What governs the calls to one model at one address: how many at once, how fast, and whether at all.

Covered: the order in which the governors (`breaker`, `refusals`, `pacing`, `slots`) are asked, and who waits for
them. A call first becomes one of the next in the order of service, holding nothing, so that it can be written down;
then it departs, first come first served, when every governor lets it. One timer serves all that wait.
Not covered: retries; a call that failed enters anew.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from random import Random
from typing import Literal, NamedTuple

from amendment.calls.breaker import Breaker
from amendment.calls.clocks import Clock, LoopClock, Steady
from amendment.calls.faults import RULES
from amendment.calls.pacing import TOKEN_SHARE, Estimates, Quota, Rhythm
from amendment.calls.provider import Pace
from amendment.calls.refusals import Ceiling, Crush, Pause
from amendment.calls.slots import Slots, Turns
from amendment.errors import Transient

__all__ = ["Endpoint", "Limits", "Order", "Trip", "Trouble"]

Order = Literal["throughput", "early"]
"""throughput serves whoever asked first; early serves the item that stands first in the input."""
FEWEST_NEXT, MOST_NEXT = 4, 128
"""Calls among the next to be sent, at least and at most; in between, half the limit."""
SOON = 1e-6
"""Seconds that nobody waits for."""
WORTH_TELLING = 5.0
"""Seconds from which on a wait for the pace is told."""


class Limits(NamedTuple):
    """What the user knows of an endpoint's limits; what is absent is found out."""

    concurrency: int | None = None
    """Calls in flight: where to begin, and the most; None begins with 8 and finds the server's limit."""
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


class Trouble(NamedTuple):
    """Why nothing is sent at present."""

    since: float
    """When it began, in seconds of the endpoint's clock."""
    until: float
    """When the next call goes, likewise."""
    left: float
    """Seconds until then."""
    reason: str
    """What the last fault said, or which limit is used up."""


class Trip(NamedTuple):
    """A call that left: what it says of the endpoint when it is back depends on when that was."""

    sent_at: float
    epoch: int
    """How often the endpoint had been unavailable before."""
    order: int
    """Which one it was."""
    most: int
    """Tokens that it can take."""
    charge: float
    """Tokens charged for it."""


class _Departing(NamedTuple):
    """A call on its way out."""

    most: int
    """Tokens that it can take."""
    turn: asyncio.Future[Trip]


class Endpoint:
    """One model at one address. A call passes `enter`, `depart`, and then `answered` or `failed` with its trip."""

    def __init__(
        self,
        limits: Limits,
        *,
        order: Order = "throughput",
        clock: Clock | None = None,
        rng: Random | None = None,
        on_wait: Callable[[Trouble], None] | None = None,
    ) -> None:
        """`on_wait` is told, while calls wait to be sent, of every wait that is the server's word."""
        rng = rng or Random()  # noqa: S311 - jitter, not a secret
        self._clock = Steady(clock or LoopClock())
        self._by_place = order == "early"
        self._slots = Slots(limits.concurrency)
        self._turns = Turns(self._room)
        self._departing: deque[_Departing] = deque()
        self._alarm: asyncio.Task[None] | None = None
        self._rings = inf
        self._breaker = Breaker(rng)
        self._crush = Crush()
        self._pause = Pause(rng)
        self._ceiling = Ceiling()
        self._requests: Rhythm | None = None
        self._tokens: Rhythm | None = None
        self._estimates = Estimates()
        self._request_quota = Quota()
        self._token_quota = Quota()
        self._epoch = 0
        self._sent = 0
        self._charged = self._flying = 0.0
        self._reason = ""
        self._on_wait = on_wait
        self.narrow(limits)

    def narrow(self, limits: Limits) -> None:
        """Another entry names the same endpoint: of each limit the stricter one holds."""
        if limits.concurrency:
            self._slots.narrow(limits.concurrency)
        self._requests = _stricter(self._requests, limits.requests_per_minute)
        self._tokens = _stricter(self._tokens, limits.tokens_per_minute and TOKEN_SHARE * limits.tokens_per_minute)

    async def enter(self, place: int) -> None:
        """Become one of the few that are about to be sent, in the order of service. Cancelled, it holds nothing."""
        await self._turns.enter(place if self._by_place else 0)

    def leave(self) -> None:
        """Give the place up again without having departed."""
        self._turns.leave()

    async def depart(self, tokens: int) -> Trip:
        """Return when the call may be sent now; it then holds a slot. On cancellation it holds nothing."""
        now = self._clock.now()
        if self._departing or self._delay(tokens, now) > SOON:
            trip = await self._turn(tokens, now)
        else:
            trip = self._take(tokens, now)
        self._turns.leave()
        return trip

    def answered(self, trip: Trip, pace: Pace | None, tokens: int | None) -> None:
        """A reply is in: the slot is free, and the governors know what it took; None where it did not say."""
        now = self._clock.now()
        self._slots.clean()
        self._ceiling.accepted()
        self._is_up(trip, now)
        if tokens is not None:
            self._settle(trip, tokens)
        if pace is not None:
            order, flying = trip.order, self._slots.in_flight - 1
            landed = self._charged - self._flying + trip.charge
            self._request_quota.told(now, order, self._sent - flying, pace.requests_left, pace.requests_reset)
            self._token_quota.told(now, order, landed, pace.tokens_left, pace.tokens_reset)
        self._returned(trip, now)

    def failed(self, trip: Trip, fault: Transient | None) -> None:
        """A call came back without a reply; None for a fault that says nothing of the endpoint."""
        now = self._clock.now()
        if fault is None:
            self._pause.undecided(now)
        elif fault.kind == "rate":
            self._refused(trip, fault, now)
        elif RULES[fault.kind].is_outage:
            self._is_down(trip, fault, now)
        else:
            self._is_up(trip, now)
        self._returned(trip, now)

    @property
    def window(self) -> int:
        """The most calls that may ever be in flight here."""
        return self._slots.most

    @property
    def trouble(self) -> Trouble | None:
        """Since when and why nothing is sent but a probe now and then; None while calls go or wait for seconds."""
        return self.absence or self._held_back(self._clock.now())

    @property
    def absence(self) -> Trouble | None:
        """As `trouble`, without what a pace holds back: only what the server itself said or did."""
        return self._sent_away(self._clock.now())

    def _sent_away(self, now: float) -> Trouble | None:
        """What the server itself keeps calls from: an outage, a pause that it asked for, headers that leave nothing."""
        sinces = [since for since in (self._breaker.since, self._pause.since) if since is not None]
        delay = max(self._breaker.delay(now), self._pause.delay(now)) if sinces else 0.0
        told = self._told_delay(now)
        if not sinces and told < WORTH_TELLING:
            return None
        reason = self._reason if delay >= told else f"its headers leave nothing for {told:.0f} s"
        delay = max(delay, told)
        return Trouble(since=min([*sinces, now]), until=now + delay, left=delay, reason=reason)

    def _told_delay(self, now: float) -> float:
        """Seconds for which headers leave nothing to the call that is next; 0 where none waits."""
        charge = self._next_charge
        if charge is None:
            return 0.0
        requests, tokens = self._request_quota, self._token_quota
        return max(
            requests.delay(now, self._sent) if requests.is_told else 0.0,
            tokens.delay(now, self._charged, charge) if tokens.is_told else 0.0,
        )

    @property
    def _next_charge(self) -> float | None:
        """Tokens of the call that is next; None where none waits. Whoever shows it may ask from another thread."""
        try:
            return self._estimates.charge(self._departing[0].most)
        except IndexError:
            return None

    def _held_back(self, now: float) -> Trouble | None:
        """A pace that the user named, or that was learned, where the call that is next waits long for it."""
        charge = self._next_charge
        if charge is None:
            return None
        waits = [(self._ceiling.delay(now), "slower, since it refused what came faster")]
        if self._requests:
            waits.append((self._requests.delay(now), "requests_per_minute is used up"))
        if self._tokens:
            waits.append((self._tokens.delay(now, charge), "tokens_per_minute is used up"))
        delay, reason = max(waits)
        return Trouble(now, now + delay, delay, reason) if delay > WORTH_TELLING else None

    def _room(self) -> int:
        return min(MOST_NEXT, max(FEWEST_NEXT, self._slots.limit // 2))

    def _delay(self, most: int, now: float) -> float:
        """Seconds until a call may go; infinite where a call in flight must come back first."""
        slots = self._slots
        if slots.in_flight >= slots.limit:
            return inf
        delay = 0.0
        for gate in (self._breaker, self._pause):
            if gate.since is not None:
                delay = max(delay, gate.delay(now))
        if self._ceiling.rate < inf:
            delay = max(delay, self._ceiling.delay(now))
        if self._requests:
            delay = max(delay, self._requests.delay(now))
        if self._request_quota.is_told:
            delay = max(delay, self._request_quota.delay(now, self._sent))
        if self._tokens:
            delay = max(delay, self._tokens.delay(now, self._estimates.charge(most)))
        if self._token_quota.is_told:
            delay = max(delay, self._token_quota.delay(now, self._charged, self._estimates.charge(most)))
        return delay

    def _take(self, most: int, now: float) -> Trip:
        charge = self._estimates.charge(most)
        slots = self._slots
        slots.in_flight += 1
        slots.at_last = slots.in_flight
        self._breaker.depart(now)
        self._crush.depart(slots.in_flight if self._ceiling.rate == inf else slots.in_flight // 2)
        if self._pause.since is not None and self._pause.depart(now):
            self._ceiling.resumed(now)
        self._ceiling.depart(now)
        if self._requests:
            self._requests.spend(now)
        if self._tokens:
            self._tokens.spend(now, charge)
        self._sent += 1
        self._charged += charge
        self._flying += charge
        if self._request_quota.is_told:
            self._request_quota.depart(now, self._sent)
        if self._token_quota.is_told:
            self._token_quota.depart(now, self._charged, charge)
        return Trip(now, self._epoch, self._sent, most, charge)

    async def _turn(self, most: int, now: float) -> Trip:
        """Wait until this call may go, after those that came before it."""
        departing = _Departing(most, asyncio.get_running_loop().create_future())
        self._departing.append(departing)
        if self._departing[0] is departing:
            self._look(now)
        try:
            return await departing.turn
        except asyncio.CancelledError:
            now = self._clock.now()
            if departing.turn.cancelled():
                self._departing.remove(departing)
            else:  # it was let go, and cancelled at the same moment
                self._slots.in_flight -= 1
                self._flying -= departing.turn.result().charge
                self._pause.undecided(now)
            self._look(now)
            raise

    def _look(self, now: float) -> None:
        """Let go whoever may, and see to it that the next one is looked at when its time has come."""
        departing = self._departing
        delay = inf
        while departing:
            head = departing[0]
            delay = 0.0 if head.turn.cancelled() else self._delay(head.most, now)
            if delay > SOON or head.turn.cancelled():
                break
            departing.popleft()
            head.turn.set_result(self._take(head.most, now))
        if SOON < delay < inf and self._on_wait and (trouble := self._sent_away(now)):
            self._on_wait(trouble)
        if self._alarm is not None and (not departing or now + delay < self._rings - SOON):
            self._alarm.cancel()
            self._alarm = None
        if departing and SOON < delay < inf and (self._alarm is None or self._alarm.done()):
            self._rings = now + delay
            self._alarm = asyncio.ensure_future(self._ring(delay))

    async def _ring(self, delay: float) -> None:
        await self._clock.sleep(delay)
        self._alarm = None
        self._look(self._clock.now())

    def _returned(self, trip: Trip, now: float) -> None:
        """A slot is free, and whoever may use it is told."""
        self._flying -= trip.charge
        self._slots.in_flight -= 1
        self._turns.move_up()
        if self._departing:
            self._look(now)

    def _is_up(self, trip: Trip, now: float) -> None:
        """The endpoint answered a call. While it is unavailable, only calls that left since then count."""
        if trip.epoch == self._epoch:
            if self._pause.accepted():
                self._ceiling.resumed(now)
            self._breaker.succeeded()

    def _is_down(self, trip: Trip, fault: Transient, now: float) -> None:
        """A call met an outage."""
        self._reason = str(fault)
        self._slots.hold()
        if trip.epoch == self._epoch:
            was_open = self._breaker.is_open
            self._breaker.failed(now)
            self._epoch += self._breaker.is_open and not was_open
            self._pause.undecided(now)

    def _refused(self, trip: Trip, fault: Transient, now: float) -> None:
        """A call was refused: a lone one concerns nobody else, unless the server asks for a pause."""
        self._reason = str(fault)
        is_late = trip.epoch != self._epoch
        if not is_late:
            self._breaker.succeeded()
            self._crush.refused(is_wary=self._ceiling.is_tried(now))
        begins = self._crush.is_on and not self._pause.is_strict
        if begins:
            if self._slots.was_in_use:
                self._slots.cut(now)
            self._epoch += 1
            self._crush.over()
        took = now - trip.sent_at
        self._ceiling.refused(now, took, is_first=begins)
        self._pause.refused(now, fault.retry_after, took, is_late=is_late, begins=begins)

    def _settle(self, trip: Trip, used: int) -> None:
        """Charge what was used instead of what was thought."""
        self._estimates.learn(trip.most, used)
        if self._tokens:
            self._tokens.settle(trip.charge, used)


def _stricter(rhythm: Rhythm | None, per_minute: float | None) -> Rhythm | None:
    """A pace, kept or made slower."""
    if rhythm is None:
        return Rhythm(per_minute) if per_minute else None
    if per_minute:
        rhythm.narrow(per_minute)
    return rhythm
