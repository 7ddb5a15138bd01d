"""Send one attempt of a request to its provider, and write its raw reply to the ledger.

Covered: the order of things before a call is sent (budget, limits, ledger) and after it came back; a call
whose askers left is still received and stored. Not covered: retries, which belong to `client`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from amendment.errors import ProviderError, Transient
from amendment.llm.budget import Budget, Hold
from amendment.llm.concurrency import STAGE
from amendment.llm.ledger import Ledger
from amendment.llm.limits import Endpoint, Permit
from amendment.llm.prices import Price
from amendment.llm.provider import RULES, Provider
from amendment.llm.requests import Request, most_tokens


class Transport(Protocol):
    """A way to a provider: one call after another, or whole batches."""

    @property
    def sent(self) -> int:
        """Return requests that went out."""
        ...

    async def carry(self, request: Request) -> bytes:
        """Return the raw reply of one attempt, which is in the ledger when this returns.

        Raises Transient, Rejected or CredentialsError as the provider does, and BudgetReached before sending.
        """
        ...

    def holds(self, task: asyncio.Task[Any]) -> bool:
        """Return True for a sending task that must not be cancelled, since its request may be paid for already."""
        ...

    @property
    def long_waits(self) -> list[str]:
        """Return requests in flight for so long that a user wants to know of them, as lines."""
        ...

    async def drain(self) -> None:
        """Wait until what is on the wire has its reply in the ledger or has failed; nothing new is sent."""
        ...

    @property
    def under_way(self) -> list[asyncio.Task[Any]]:
        """Return the tasks that `drain` waits for. An attempt whose task is cancelled stays open in the ledger."""
        ...


LONG_WAIT = 60.0
"""Seconds without a reply after which a call in flight is shown."""
_Admission = tuple[int, Hold, Permit]
"""The permission to send a call: its attempt in the ledger, reserved money, and a place within the limits."""


class Online:
    """One call after another."""

    def __init__(
        self, provider: Provider, endpoint: Endpoint, ledger: Ledger, budget: Budget, price: Price | None = None
    ) -> None:
        self.sent = 0
        self._provider = provider
        self._endpoint = endpoint
        self._ledger = ledger
        self._budget = budget
        self._price = price
        self._on_wire: dict[asyncio.Task[Any], float] = {}
        """Tasks that have sent their request, and when, by `time.monotonic`."""

    async def carry(self, request: Request) -> bytes:
        admission = await self._admitted(request)
        task = asyncio.current_task()
        assert task
        self._on_wire[task] = time.monotonic()
        try:
            return await self._send(request, admission)
        finally:
            del self._on_wire[task]

    def holds(self, task: asyncio.Task[Any]) -> bool:
        """Return True for a task that has sent its request and waits for the reply."""
        return task in self._on_wire

    @property
    def long_waits(self) -> list[str]:
        """Return a line, where calls have had no reply for more than LONG_WAIT. Those of a provider without a deadline,
        which wait for each other, are not shown."""
        if not self._provider.deadline:
            return []
        now = time.monotonic()
        waits = [wait for at in list(self._on_wire.values()) if (wait := now - at) > LONG_WAIT]
        if not waits:
            return []
        calls = "1 call has" if len(waits) == 1 else f"{len(waits)} calls have"
        longest, limit = max(waits), self._provider.deadline
        return [f"{self._provider.host}: {calls} had no reply for up to {longest:,.0f} of {limit:,.0f} s"]

    async def drain(self) -> None:
        """Wait until every call that was sent has its reply in the ledger or has failed."""
        while self._on_wire:
            await asyncio.wait(self.under_way)

    @property
    def under_way(self) -> list[asyncio.Task[Any]]:
        """Return tasks that have sent their request."""
        return list(self._on_wire)

    async def _admitted(self, request: Request) -> _Admission:
        """Reserve money, wait for leave to go, and then write a line in the ledger. If cancelled on the way, give back
        what it has."""
        tokens = most_tokens(request)
        hold = await self._budget.reserve(tokens, self._price)
        try:
            permit = await self._endpoint.acquire(tokens.charged if self._endpoint.charges_most else tokens.total)
            try:
                attempt = await self._ledger.begin(
                    request.id, request.body, host=request.host, model=request.model, stage=STAGE.get()
                )
            except BaseException:
                self._endpoint.failed(permit, None)
                raise
        except BaseException:
            hold.release()
            raise
        return attempt, hold, permit

    async def _send(self, request: Request, admission: _Admission) -> bytes:
        """Send once and store the reply; slot and money are free as soon as it is in."""
        self.sent += 1
        attempt, hold, permit = admission
        try:
            async with asyncio.timeout(self._provider.deadline):
                sent = await self._provider.send(request)
        except TimeoutError:
            late = f"{self._provider.host}: no reply within {self._provider.deadline or 0:g} s"
            raise self._failed(Transient(late, kind="deadline"), admission) from None
        except BaseException as fault:
            raise self._failed(fault, admission) from fault.__cause__
        meter = self._provider.meter(sent.raw)
        self._endpoint.answered(permit, meter.usage, sent.allowances)
        cost = hold.settle(meter.usage)
        await self._ledger.commit(attempt, sent.raw, meter, server_id=sent.server_id, usd=cost)
        return sent.raw

    def _failed(self, fault: BaseException, admission: _Admission) -> BaseException:
        """Give back what a call without a reply held, and write down how it ended; returns the fault.

        One that is broken off by anything but its provider may be paid for: it stays open in the ledger, which says so.
        """
        attempt, hold, permit = admission
        self._endpoint.failed(permit, fault if isinstance(fault, Transient) else None)
        if isinstance(fault, ProviderError):
            write_off(self._ledger, attempt, hold, fault)
        else:
            hold.lose()
        return fault


def write_off(ledger: Ledger, attempt: int, hold: Hold | None, fault: ProviderError) -> None:
    """Write down how an attempt without a reply ended; its money is lost where the provider may bill for it."""
    passing = fault if isinstance(fault, Transient) else None
    if hold and passing and RULES[passing.kind].may_be_paid:
        hold.lose()
    elif hold:
        hold.release()
    name = passing.kind if passing else type(fault).__name__
    ledger.fail(attempt, name, status=passing.status if passing else None)
