"""Budget and rate limits of a run on several workers: one actor holds them, and each call asks it first.

Covered: the limits are those of a run in one process, since the actor has the same `Budget` and `Endpoint`; what a dead
worker held is given back, and what it spent by its ledger is counted. Not covered: models inside a worker's own
process, which cost nothing and have no limits.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from amendment.errors import AmendmentError, Transient
from amendment.llm.budget import Budget, to_units
from amendment.llm.client import Calls
from amendment.llm.concurrency import ITEM
from amendment.llm.ledger_reading import is_in_process
from amendment.llm.limits import Endpoint, Limits, Permit, Trouble
from amendment.llm.pace import Allowance, Pace
from amendment.llm.requests import Usage

T = TypeVar("T")
_Key = tuple[str, str]
"""Host and model of an endpoint."""


_CALLS = itertools.count()
"""Numbers of the calls of this process, to any endpoint."""


class Desk:
    """The actor: it grants money and places within the limits. Workers call its methods."""

    def __init__(self, usd: float | None, spent: float, max_wait: float) -> None:
        self._budget = Budget(usd, spent=spent)
        self._max_wait = max_wait
        self._workers: dict[int, str] = {}
        """The name of the process that works under each number."""
        self._reserved: Counter[str] = Counter()
        self._spent: Counter[str] = Counter()
        """Units of money by worker: set aside, and spent in this pass."""
        self._endpoints: dict[_Key, Endpoint] = {}
        self._paces: defaultdict[tuple[str, str | None], Pace] = defaultdict(Pace)
        self._waiting: dict[tuple[str, int], tuple[_Key, asyncio.Task[Permit]]] = {}
        self._permits: dict[tuple[str, int], tuple[Endpoint, Permit]] = {}
        """By worker, and by the worker's own number for the call."""
        self._away: dict[_Key, Trouble] = {}
        """Endpoints that calls no longer wait for."""

    async def join(self, number: int, worker: str, spent: float) -> None:
        """A worker starts, or replaces one that died: what the dead one held is free again. `spent` is the USD that
        their ledger records. Messages that still come from the dead one are ignored."""
        dead = self._workers.get(number, "")
        self._workers[number] = worker
        for place in [place for place in self._permits if place[0] == dead]:
            endpoint, permit = self._permits.pop(place)
            endpoint.failed(permit, None)
        for place in [place for place in self._waiting if place[0] == dead]:
            self._waiting.pop(place)[1].cancel()
        self._spent[worker] = to_units(spent)
        self._budget.end(self._reserved.pop(dead, 0), self._spent[worker] - self._spent.pop(dead, 0))

    async def take(self, worker: str, units: int) -> AmendmentError | None:
        """Set money aside for a call; returns the reason if the budget does not have it."""
        try:
            await self._budget.take(units)
        except AmendmentError as fault:
            return fault
        if worker in self._workers.values():
            self._reserved[worker] += units
        else:
            self._budget.end(units, 0)
        return None

    async def end(self, worker: str, held: int, spent: int) -> None:
        """Note that a call for which money was set aside has ended."""
        if worker in self._workers.values():
            self._reserved[worker] -= held
            self._spent[worker] += spent
            self._budget.end(held, spent)

    async def open(self, host: str, model: str, limits: Limits) -> None:
        """An entry of the run file names this endpoint; the stricter value of each limit holds."""
        if known := self._endpoints.get((host, model)):
            known.narrow(limits)
        else:
            pace = self._paces[host, limits.account]
            self._endpoints[host, model] = Endpoint(
                limits, pace=pace, on_wait=lambda trouble: self._look((host, model), trouble)
            )

    async def acquire(self, worker: str, call: int, key: _Key, tokens: int, item: int) -> Trouble | None:
        """Return when the call may be sent; or the trouble, if its server stays away for longer than the run waits."""
        ITEM.set(item)
        endpoint = self._endpoints[key]
        task = asyncio.ensure_future(endpoint.acquire(tokens))
        self._waiting[worker, call] = key, task
        try:
            self._permits[worker, call] = endpoint, await task
        except asyncio.CancelledError:
            return self._away.get(key)
        finally:
            self._waiting.pop((worker, call), None)
        return None

    async def answered(self, worker: str, call: int, usage: Usage | None, allowances: Mapping[str, Allowance]) -> None:
        """Note that a reply has arrived."""
        if held := self._permits.pop((worker, call), None):
            held[0].answered(held[1], usage, allowances)

    async def failed(self, worker: str, call: int, key: _Key, fault: Transient | None) -> None:
        """Note that a call came back without a reply."""
        if held := self._permits.pop((worker, call), None):
            held[0].failed(held[1], fault)
        if absence := self._endpoints[key].absence:
            self._look(key, absence)

    def _look(self, key: _Key, trouble: Trouble) -> None:
        if trouble.until - trouble.since > self._max_wait:
            self._away[key] = trouble
            for waited_for, task in list(self._waiting.values()):
                if waited_for == key:
                    task.cancel()


class RemoteBudget(Budget):
    """A worker's part in the budget that the desk holds."""

    def __init__(self, usd: float | None, desk: Any, worker: str) -> None:
        super().__init__(usd)
        self._desk, self._worker = desk, worker

    async def take(self, units: int) -> None:
        if self.usd is not None and units:

            def back(fault: AmendmentError | None) -> None:
                if fault is None:
                    self._desk.end.remote(self._worker, units, 0)

            if fault := await _answer(self._desk.take.remote(self._worker, units), back):
                raise fault
        self._reserved += units

    def end(self, held: int, spent: int) -> None:
        super().end(held, spent)
        if self.usd is not None and (held or spent):
            self._desk.end.remote(self._worker, held, spent)


class RemoteEndpoint(Endpoint):
    """A worker's endpoint of a model that all workers call; the desk decides which call goes next."""

    def __init__(
        self, desk: Any, worker: str, key: _Key, limits: Limits, *, on_wait: Callable[[Trouble], None] | None = None
    ) -> None:
        self._desk, self._worker, self._key = desk, worker, key
        self._gives_up = on_wait
        super().__init__(limits)

    def narrow(self, limits: Limits) -> None:
        super().narrow(limits)
        self._desk.open.remote(*self._key, limits)

    async def acquire(self, tokens: int) -> Permit:
        call = next(_CALLS)
        asked = self._desk.acquire.remote(self._worker, call, self._key, tokens, ITEM.get())
        trouble = await _answer(asked, lambda _: self._desk.failed.remote(self._worker, call, self._key, None))
        if trouble and self._gives_up:
            self._gives_up(trouble)
            await asyncio.Event().wait()  # the run stops, and with it this task
        return Permit(call, tokens, 0.0)

    def answered(self, permit: Permit, usage: Usage | None, allowances: Mapping[str, Allowance] = {}) -> None:
        self._desk.answered.remote(self._worker, permit.number, usage, allowances)

    def failed(self, permit: Permit, fault: Transient | None) -> None:
        self._desk.failed.remote(self._worker, permit.number, self._key, fault)


class RemoteCalls(Calls):
    """The calls of a worker: its own ledger, and the desk's budget and limits."""

    def __init__(self, desk: Any, worker: str, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._desk, self._worker = desk, worker

    def _endpoint(self, key: _Key, limits: Limits, on_wait: Callable[[Trouble], None]) -> Endpoint:
        if is_in_process(key[0]):
            return super()._endpoint(key, limits, on_wait)
        return RemoteEndpoint(self._desk, self._worker, key, limits, on_wait=on_wait)


async def _answer(reference: Awaitable[T], unwanted: Callable[[T], object]) -> T:
    """Return the answer of an actor. If its caller no longer waits, `unwanted` takes the answer when it comes."""

    async def wait() -> T:
        return await reference

    task = asyncio.ensure_future(wait())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(lambda done: None if done.cancelled() or done.exception() else unwanted(done.result()))
        raise
