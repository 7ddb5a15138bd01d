"""The one way out to a model: look in the ledger, send, commit the raw reply, read it, and ask again where that helps.

Covered: the same question is never asked twice, in one process or over several; passing faults are retried with
jitter while nothing is held; what came back is on disk before anything reads it. How a call is carried, governed and
paid for stands in `transport`, `limits` and `budget`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from amendment.errors import AmendmentError, FaultKind, Paused, Transient
from amendment.llm.budget import Budget
from amendment.llm.concurrency import ASKING, AT_ONCE, ITEM, LAST
from amendment.llm.ledger import Ledger
from amendment.llm.ledger_reading import ReturnedModel
from amendment.llm.limits import WORTH_SHOWING, Endpoint, Limits, Trouble
from amendment.llm.pace import Pace
from amendment.llm.provider import RULES, Provider
from amendment.llm.requests import Reply, Request
from amendment.llm.schemas import AnswerForms
from amendment.llm.transport import Transport

MOST_NAMES = 8
"""Number of names that are reported for one model, so that a server that invents names does not fill the report."""

PROMPT = 8
"""Refusals of one call after which it waits for longer each time, and lets others go first."""

DRAIN = 60.0
"""Seconds for which calls in flight are waited for when a run ends early."""

GRACE = 5.0
"""Seconds that interrupted calls get to finish."""


@dataclass
class _InFlight:
    """A question on its way, and how many wait for its answer."""

    task: asyncio.Task[Reply]
    transport: Transport
    askers: int = 0
    """With none a request in flight is still received, and nothing more is sent."""


class Calls:
    """All calls of a run: one ledger, one budget, one retry policy, one count of what was asked and what stood."""

    stops_early = True
    """A run ends where the first replies of a model are of no use."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        budget: Budget | None = None,
        attempts: int = 8,
        longest_wait: float = 60.0,
        max_wait: float = 900.0,
        returned: Iterable[ReturnedModel] = (),
    ) -> None:
        """Bound the jittered pause between attempts by `longest_wait`, and by `max_wait` the time for which one
        question is repeated or an unavailable endpoint is waited for; both in seconds. `returned` are the models that
        answered in earlier starts (`ledger.models`, which reads every reply, so that the caller does it once)."""
        self.ledger = ledger
        self.budget = budget or Budget()
        self.cached = 0
        self.notices: Counter[str] = Counter()
        """Messages about servers that concern the whole run, each with its count."""
        self._sent_elsewhere = 0
        self._transports: set[Transport] = set()
        self._endpoints: dict[tuple[str, str], Endpoint] = {}
        self._paces: defaultdict[tuple[str, str | None], Pace] = defaultdict(Pace)
        """By host and account."""
        self._attempts = attempts
        self.max_wait = max_wait
        """Seconds for which an unavailable endpoint or batch service is waited for."""
        self._backoff = wait_random_exponential(multiplier=1, max=longest_wait)
        self.last_fault: tuple[float, str] | None = None
        """The last passing fault: its time by `time.monotonic`, and its message."""
        self._forms: dict[tuple[str, str], AnswerForms] = {}
        """By host and model."""
        self._retries: dict[tuple[str, str], _Retries] = {}
        """By kind of fault and host, since they were last reported."""
        self._flying: dict[str, _InFlight] = {}
        self._stopped: AmendmentError | None = None
        self._asked_until = 0.0
        """The time, on the monotonic clock, when the last call that a server asked to wait may be sent."""
        self._answered = {(row.host, row.asked, row.returned) for row in returned if row.returned}
        """Host, name asked for and name that answered, over all starts of the run."""

    def endpoint(self, host: str, model: str, limits: Limits) -> Endpoint:
        """Return the limits on calls to one model at one address. Entries that name the same share them, and the
        stricter of each limit applies."""
        known = self._endpoints.get((host, model))
        if known is None:
            give_up = partial(self._give_up, f"{model} at {host}")
            known = self._endpoints[host, model] = self._endpoint((host, model), limits, give_up)
        else:
            known.narrow(limits)
        return known

    def _endpoint(self, key: tuple[str, str], limits: Limits, on_wait: Callable[[Trouble], None]) -> Endpoint:
        """Return the limits on a host and model; overridden where they are held elsewhere."""
        return Endpoint(limits, pace=self._paces[key[0], limits.account], on_wait=on_wait)

    def answer_forms(self, host: str, model: str) -> AnswerForms:
        """Return the form in which a model accepts schemas, as far as its replies in this start have shown."""
        return self._forms.setdefault((host, model), AnswerForms(self.notice))

    def notice(self, text: str) -> None:
        """Remember something that the run's report shall say once."""
        self.notices[text] += 1

    def troubles(self) -> list[str]:
        """List the reasons why endpoints are not called at the moment, as lines for the user. Any thread may call
        this."""
        lines = []
        for (host, model), endpoint in list(self._endpoints.items()):
            if trouble := endpoint.trouble:
                lines.append(f"calls to {model} at {host} are paused for {trouble.left:.0f} s: {trouble.reason}")
        if (wait := self._asked_until - time.monotonic()) > WORTH_SHOWING:
            lines.append(f"a refused call waits {wait:,.0f} s, as its server asked")
        for transport in list(self._transports):
            lines += transport.long_waits
        return lines

    def retries(self) -> list[str]:
        """List the faults since the last call of this after which requests are repeated: a line for each kind at each
        server, in the words of the call with the most attempts. Refusals for pace are left out. Any thread may call
        this."""
        lines = []
        for place in list(self._retries):
            calls, attempt, most, text = self._retries.pop(place)
            next_one = f"{calls:,} calls are being retried, the furthest at attempt" if calls > 1 else "next is attempt"
            lines.append(f"{text}; {next_one} {attempt} of {most}")
        return lines

    @property
    def sent(self) -> int:
        """Count the calls that went out."""
        return self._sent_elsewhere + sum(transport.sent for transport in list(self._transports))

    def count_elsewhere(self, sent: int, cached: int, notices: Iterable[str]) -> None:
        """Count what another process has asked for this run, and its messages."""
        self._sent_elsewhere += sent
        self.cached += cached
        self.notices.update(notices)

    async def ask(self, provider: Provider, transport: Transport, request: Request) -> Reply:
        """Return the reply to a request: from the ledger, from an equal call in flight, or from the provider.

        One of several askers may be cancelled without harm to the others; when the last one is, no further
        attempt begins, and what is on the wire already still reaches the ledger (see `drain`).
        """
        flight = self._flying.get(request.id)
        if flight is None:
            flight = self._begin(provider, transport, request)
        flight.askers += 1
        item = ASKING.get()
        try:
            reply = await asyncio.shield(flight.task)
            item.tally.refusals += reply.finish_reason == "refusal"
            return reply
        except asyncio.CancelledError:
            if self._stopped and flight.task.cancelled():
                raise self._stopped from None
            raise
        finally:
            item.count()
            flight.askers -= 1
            if not (flight.askers or flight.task.done() or flight.transport.holds(flight.task)):
                self._flying.pop(request.id, None)
                flight.task.cancel()

    def _begin(self, provider: Provider, transport: Transport, request: Request) -> _InFlight:
        self._transports.add(transport)
        task = asyncio.ensure_future(self._fetch(provider, transport, request))
        flight = self._flying[request.id] = _InFlight(task, transport)

        def ended(done: asyncio.Task[Reply]) -> None:
            if self._flying.get(request.id) is flight:
                del self._flying[request.id]
            if not done.cancelled():
                done.exception()  # marks the error as seen where nobody waits for it

        task.add_done_callback(ended)
        return flight

    def stop(self, reason: AmendmentError) -> None:
        """Send nothing more: present and future callers get the reason.

        What is on the wire still reaches the ledger. Call it in the loop's own thread.
        """
        self._stopped = self._stopped or reason
        for flight in list(self._flying.values()):
            if not flight.transport.holds(flight.task):
                flight.task.cancel()

    @property
    def in_flight(self) -> int:
        """Count the calls that were sent and have no reply yet."""
        return sum(len(transport.under_way) for transport in list(self._transports))

    async def drain(self, seconds: float = DRAIN) -> None:
        """Wait until every call that was sent has its reply in the ledger, or has failed, or time is up."""
        if self._transports:
            waiting = [asyncio.ensure_future(transport.drain()) for transport in self._transports]
            _, late = await asyncio.wait(waiting, timeout=seconds)
            for task in late:
                task.cancel()

    async def close(self) -> int:
        """Cancel what `drain` did not wait for, then close the ledger; return how many calls or batches were cancelled.

        Their attempts stay open in the ledger: the next start counts them as possibly paid, and picks batches up.
        Call it in the loop in which was asked, since only that one may write to the ledger. Raises LedgerError as the
        ledger's own `close` does.
        """
        late = [task for transport in self._transports for task in transport.under_way]
        tasks = {*late, *(flight.task for flight in self._flying.values())}
        for task in tasks:
            task.cancel()
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=GRACE)
        finally:
            self.ledger.close()
        return len(late)

    async def _fetch(self, provider: Provider, transport: Transport, request: Request) -> Reply:
        stored = self._stored(provider, request)
        if stored is not None:
            self.cached += 1
            ASKING.get().tally.cached += 1
            return stored
        patience = _Patience(self._attempts, self.max_wait)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Transient),
            stop=patience.is_over,
            wait=self._pause,
            before_sleep=partial(self._note_retry, patience),
            reraise=True,
        )
        return await retrying(self._attempt, provider, transport, request)

    def _stored(self, provider: Provider, request: Request) -> Reply | None:
        raw = self.ledger.find(request.id)
        if raw is None:
            return None
        try:
            return provider.read(raw, request)
        except Transient:  # a paid reply that nobody could read is kept, and asked for again
            return None

    async def _attempt(self, provider: Provider, transport: Transport, request: Request) -> Reply:
        if self._stopped:
            raise self._stopped
        flight = self._flying.get(request.id)
        if flight is None or not flight.askers:
            raise asyncio.CancelledError
        try:
            raw = await transport.carry(request)
        except Transient as fault:
            tally = ASKING.get().tally
            tally.timeouts += fault.kind == "deadline"
            tally.rate_limits += fault.kind == "rate"
            self._look_after(request, fault)
            if self._stopped:
                raise self._stopped from None
            raise
        reply = provider.read(raw, request)
        if reply.model and (request.host, request.model, reply.model) not in self._answered:
            self._note_model(request, reply.model)
        return reply

    def _note_model(self, request: Request, returned: str) -> None:
        """Remember the name under which a model answered. A second name is reported."""
        known = sorted(name for host, asked, name in self._answered if (host, asked) == (request.host, request.model))
        if len(known) > MOST_NAMES:
            return
        self._answered.add((request.host, request.model, returned))
        if known:
            names = f"{request.model} at {request.host} answered as {returned}, and before as {', '.join(known)}"
            self.notice(f"{names}: name a dated model to get the same one every time")

    def _look_after(self, request: Request, fault: Transient) -> None:
        """Stop the run when its endpoint is away for longer than anybody waits."""
        self.last_fault = time.monotonic(), str(fault)
        endpoint = self._endpoints.get((request.host, request.model))
        if endpoint and (trouble := endpoint.absence):
            self._give_up(f"{request.model} at {request.host}", trouble)
        if fault.retry_after and fault.retry_after <= self.max_wait:
            self._asked_until = max(self._asked_until, time.monotonic() + fault.retry_after)

    def _give_up(self, where: str, trouble: Trouble) -> None:
        """Stop the run when an endpoint stays away for longer than anybody will wait."""
        seconds = trouble.until - trouble.since
        if self._stopped or seconds <= self.max_wait:
            return
        away = f"{where} accepts no calls for {seconds:,.0f} s, longer than max_wait ({self.max_wait:g} s)"
        self.stop(Paused(f"{away}. Finished work is kept; run again to continue. Last reply: {trouble.reason}"))

    def _note_retry(self, patience: _Patience, state: RetryCallState) -> None:
        ASKING.get().tally.retries += 1
        fault = _last_fault(state)
        if not RULES[fault.kind].counts:
            return
        attempt, most, text = *patience.next_attempt(fault.kind), str(fault)
        place = fault.kind, text.partition(" ")[0]
        last = self._retries.get(place, _Retries(0, 0, most, text))
        worst = last if attempt < last.attempt else _Retries(0, attempt, most, text)
        self._retries[place] = worst._replace(calls=last.calls + 1)

    def _pause(self, state: RetryCallState) -> float:
        """Return the seconds to pause: those the server asks for and jitter. A refused call waits no longer and goes
        first, until it was refused so often that the call may be the reason and not the pace."""
        fault = _last_fault(state)
        asked = fault.retry_after or 0.0
        if fault.kind == "rate":
            again = state.attempt_number - PROMPT
            ITEM.set(AT_ONCE if again <= 0 else LAST)
            pause = random.uniform(0.0, min(60.0, 2.0 ** min(again, 6))) if again > 0 else 0.0  # noqa: S311 - jitter
            return pause + asked * random.uniform(1.0, 1.25)  # noqa: S311 - jitter, not a secret
        return 0.0 if fault.retry_after == 0 else asked + self._backoff(state)


def _last_fault(state: RetryCallState) -> Transient:
    """Return the fault of the last attempt, after which the call is repeated or given up."""
    fault = state.outcome and state.outcome.exception()
    assert isinstance(fault, Transient), "no other fault is retried"
    return fault


class _Retries(NamedTuple):
    """Calls that are asked again after one kind of fault: their number, and of the one with the most attempts the
    attempt that follows, the most that it may have, and the message."""

    calls: int
    attempt: int
    most: int
    text: str


class _Patience:
    """Limits the repetition of one question: by attempts, by attempts of one kind, and by the time between them."""

    def __init__(self, attempts: int, max_wait: float) -> None:
        self._attempts = attempts
        self._max_wait = max_wait
        self._counted = 0
        self._by_kind: dict[str, int] = {}

    def is_over(self, state: RetryCallState) -> bool:
        """Return True if no further attempt is allowed after this fault."""
        fault = _last_fault(state)
        rule = RULES[fault.kind]
        self._counted += rule.counts or fault.retry_after == 0
        self._by_kind[fault.kind] = self._by_kind.get(fault.kind, 0) + 1
        spent = rule.attempts is not None and self._by_kind[fault.kind] >= rule.attempts
        spent = spent or (fault.retry_after or 0.0) > self._max_wait  # this question alone is left pending
        return spent or self._counted >= self._attempts or state.idle_for >= self._max_wait

    def next_attempt(self, kind: FaultKind) -> tuple[int, int]:
        """Return the numbers of the next and of the last possible attempt after a fault of this kind."""
        most = RULES[kind].attempts
        return (self._counted + 1, self._attempts) if most is None else (self._by_kind[kind] + 1, most)
