"""Requests that go out in batches: half the price, and back within a day.

Covered: a batch is written down before the vendor hears of it and named when the vendor has named it, so that a kill at
any point leaves no request in two batches and no paid line unread; money is set aside for all lines at once; whoever
asks waits for their own line only. Not covered: asking again, which belongs to `client` as for calls online, and
cancelling a batch at the vendor: what was handed in is worth having.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from amendment.errors import BudgetReached, CredentialsError, Paused, ProviderError, Rejected, Transient
from amendment.llm.batch_following import Follower, Tempo
from amendment.llm.batches import BatchOut, BatchService, Line, desk_of
from amendment.llm.budget import Budget
from amendment.llm.concurrency import STAGE
from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.prices import Price
from amendment.llm.provider import Provider
from amendment.llm.requests import Request
from amendment.llm.tokens import most_tokens

LONGEST_LINGER = 300.0
"""Seconds; see `Tempo.linger`."""
_UNMADE = frozenset({"rate", "refused"})
"""Faults of handing in after which there is certainly no batch."""


class Batching:
    """A carrier that gathers requests, hands them in together, and brings the replies home."""

    def __init__(
        self,
        provider: Provider,
        service: BatchService,
        ledger: Ledger,
        budget: Budget,
        price: Price | None = None,
        *,
        tempo: Tempo | None = None,
        notice: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        max_wait: float = 900.0,
    ) -> None:
        """`notice` is told what a user should know; `sleep` is there for tests; `max_wait`: seconds for which a vendor
        is borne with who answers questions about a batch with nothing but faults."""
        self.sent = 0
        self._provider = provider
        self._service = service
        self._ledger = ledger
        self._budget = budget
        self._price = price
        self._tempo = tempo or Tempo()
        self._notice = notice
        self._sleep = sleep
        self._follower = Follower(
            provider, service, ledger, tempo=self._tempo, notice=notice, sleep=sleep, max_wait=max_wait
        )
        self._desk = desk_of(ledger)
        self._gathered: list[Line] = []
        self._n_bytes = 0
        self._lingering: asyncio.Task[None] | None = None
        self._out: dict[asyncio.Task[None], BatchOut] = {}
        self._is_awake = False
        self._leaving = False

    async def carry(self, request: Request) -> bytes:
        """The raw reply, from the next batch, or from one that is out already. See `Carrier` for what it raises."""
        self._wake(request.host, request.model)
        line = self._desk.lines.get(request.id)
        if line is None or line.reply.done():  # an answer of no use is asked for anew while its batch is still read
            line = self._gather(request)
        line.askers += 1
        try:
            return await asyncio.shield(line.reply)
        finally:
            line.askers -= 1

    def holds(self, task: asyncio.Task[Any]) -> bool:
        """No task: a batch goes on without those who wait for it."""
        return False

    async def drain(self) -> None:
        """Wait for batches that are being handed in or read; those that the vendor works on are left to it.

        Nothing new is handed in. The next `carry` takes up again what was left.
        """
        self._leaving = True
        self._stop_gathering()
        try:
            while self._out:
                for task, out in self._out.items():
                    if out.phase in ("preparing", "waiting"):
                        task.cancel()
                await asyncio.wait(list(self._out), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leaving = self._is_awake = False

    @property
    def under_way(self) -> list[asyncio.Task[Any]]:
        """A task for each batch that is out."""
        return list(self._out)

    @property
    def outlook(self) -> list[str]:
        """What is out and how far it is, for the eyes of who waits."""
        where = self._provider.host
        shown = [(out.remote, out.n_done, out.total) for out in list(self._out.values()) if out.remote]
        return [f"batch {remote} at {where}: {done} of {total} requests are done" for remote, done, total in shown]

    def _wake(self, host: str, model: str) -> None:
        """Take up the batches that an earlier process left."""
        if self._is_awake:
            return
        self._is_awake = True
        unanswered = self._ledger.open_attempts()
        for left in self._ledger.batches(host, model):
            if left.shard in self._desk.shards:
                continue
            lines = [
                Line(one.request, attempt=one.number, hold=self._budget.take_up(one.number, self._price))
                for one in unanswered
                if one.batch == left.number
            ]
            out = self._out_with(left.shard, lines, left.at)
            out.number, out.remote, out.total = left.number, left.remote, len(left.attempts)
            self._desk.lines.update((line.request_id, line) for line in lines)
            self._start(out, self._follower.follow(out))

    def _out_with(self, shard: str, lines: Sequence[Line], since: float) -> BatchOut:
        return BatchOut(shard, {line.custom_id: line for line in lines}, self._desk, len(lines), since=since)

    def _gather(self, request: Request) -> Line:
        """A new line for the next batch. Raises Rejected for what the protocol cannot ask, or no batch can hold."""
        line = Line(request.id, request, stage=STAGE.get())
        line.sent = self._service.line(line.custom_id, request)
        size, limits = len(line.sent.body) + 1, self._service.limits
        if size > limits.bytes:
            raise Rejected(f"{request.host}: the request is longer than a whole batch may be ({limits.bytes} bytes)")
        if len(self._gathered) == limits.lines or self._n_bytes + size > limits.bytes:
            self._hand_in()
        self._desk.lines[request.id] = line
        self._gathered.append(line)
        self._n_bytes += size
        if self._lingering is None:
            self._lingering = asyncio.ensure_future(self._linger())
        return line

    async def _linger(self) -> None:
        """Hand in when no further request has come for a while; the more is out, the longer the while."""
        count = -1
        while count != len(self._gathered):
            count = len(self._gathered)
            await self._sleep(min(self._tempo.linger * 2 ** min(len(self._out), 16), LONGEST_LINGER))
        self._lingering = None
        self._hand_in()

    def _stop_gathering(self) -> None:
        if self._lingering:
            self._lingering.cancel()
            self._lingering = None
        gathered, self._gathered, self._n_bytes = self._gathered, [], 0
        self._forget(gathered, Paused("nothing more is handed in; run again to go on"))

    def _hand_in(self) -> None:
        """Make a batch of what was gathered and is still asked for."""
        gathered, self._gathered, self._n_bytes = self._gathered, [], 0
        asked = [line for line in gathered if line.askers]
        self._forget([line for line in gathered if not line.askers], Paused("nobody asks for it any more"))
        if asked:
            self._send_off(asked)

    def _send_off(self, lines: Sequence[Line]) -> None:
        out = self._out_with(uuid.uuid4().hex, lines, time.time())
        self._start(out, self._go(out))

    def _start(self, out: BatchOut, work: Awaitable[None]) -> None:
        self._desk.shards.add(out.shard)
        task = asyncio.ensure_future(self._guarded(out, work))
        self._out[task] = out
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        out = self._out.pop(task)
        self._desk.shards.discard(out.shard)
        name = out.remote or "without a name yet"
        left = f"{self._provider.host}: batch {name} with {len(out.missing)} requests is still being worked on"
        if task.cancelled() and out.number:
            self._notice(f"{left}; nothing of it is lost: run again to pick it up")
        if out.missing and out.number and not self._leaving:
            self._is_awake = False  # whoever asks for a line of it again is not to hand it in once more
        self._forget(list(out.lines.values()), Paused(f"{left}; run again to pick it up"))

    def _forget(self, lines: Sequence[Line], told: Paused) -> None:
        """Lines that are neither gathered nor out any longer; whoever still waits for one is told."""
        for line in lines:
            self._desk.forget(line)
            if line.hold and line.attempt:  # its batch is out, and will be paid
                self._budget.leave(line.attempt, line.hold)
            elif line.hold:
                line.hold.release()
            line.hold = None
            line.fail(told)

    async def _guarded(self, out: BatchOut, work: Awaitable[None]) -> None:
        """Whatever stops a batch on its way is told to all who wait for it; in the ledger it stays as it is."""
        try:
            await work
        except Exception as fault:
            out.fail(fault)

    async def _go(self, out: BatchOut) -> None:
        """Money, ledger, vendor, ledger: in this order, so that nothing is paid that is not written down."""
        await self._set_aside(out)
        out.phase = "handing in"
        await self._write_down(out)
        lines = list(out.lines.values())
        try:
            out.remote = await self._service.submit([line.sent for line in lines if line.sent], out.shard)
        except ProviderError as fault:
            if not isinstance(fault, Transient) or fault.kind in _UNMADE:
                await self._follower.close_unmade(out, _of_the_whole(fault))
                return
        else:
            await self._ledger.name_batch(out.number, out.remote)
        self.sent += len(lines)
        for line in lines:
            line.sent = None
        if self._leaving:
            raise asyncio.CancelledError
        await self._follower.follow(out)

    async def _set_aside(self, out: BatchOut) -> None:
        """Money for all lines at once. What is left may do for some: then the others wait for what those give back."""
        lines = list(out.lines.values())
        most = [most_tokens(line.asked) for line in lines if line.asked]
        count, holds = len(lines), None
        while holds is None:
            try:
                holds = await self._budget.reserve_all(most[:count], self._price, batch=True)
            except BudgetReached:
                count = self._budget.affords(most[:count], self._price, batch=True)
                if not count:
                    raise
        for line, hold in zip(lines, holds, strict=False):
            line.hold = hold
        if count < len(lines):
            out.lines = {line.custom_id: line for line in lines[:count]}
            out.total = count
            self._send_off(lines[count:])

    async def _write_down(self, out: BatchOut) -> None:
        """The intent: from here on a kill leaves a trace by which the batch is found."""
        lines = list(out.lines.values())
        asked = [(line, line.asked) for line in lines if line.asked]
        calls = [BatchCall(one.id, one.body, one.host, one.model, line.stage) for line, one in asked]
        written = await self._ledger.open_batch(out.shard, calls)
        out.number = written.number
        for line in lines:
            line.attempt = written.attempts[line.request_id]


def _of_the_whole(fault: ProviderError) -> ProviderError:
    """A vendor who refuses a batch says nothing of its single requests, and will refuse the next one as well."""
    if isinstance(fault, Rejected):
        return CredentialsError(f"{fault}. The batch was refused as a whole, and nothing of it was asked.")
    return fault
