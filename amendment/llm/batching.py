"""Send requests in batches: half the price, and back within a day.

Covered: a batch is written down before the vendor hears of it and named when the vendor has named it, so that a kill at
any point leaves no request in two batches and no paid line unread; money is set aside for all lines at once; a
caller waits for one line only. A batch whose making was cut off is looked for at the vendor; polls that fail, and
results that break off, come twice or never, are asked for again. Not covered: asking a line again, which belongs to
`client` as for calls online, and cancelling a batch at the vendor: what was handed in is worth having.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from amendment.errors import BudgetReached, CredentialsError, Paused, ProviderError, Rejected, Transient
from amendment.llm.batch_vendors import BatchService, BatchState, LineOutcome, Tempo
from amendment.llm.budget import Budget, Hold
from amendment.llm.concurrency import STAGE
from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.prices import Price
from amendment.llm.provider import Provider
from amendment.llm.requests import Request, most_tokens
from amendment.llm.transport import write_off

LONGEST_LINGER = 300.0
"""Seconds; see `Tempo.linger`."""
READS = 3
"""Number of times that results are read when lines are missing."""
LOOKS = 2
"""Number of searches for a batch before it counts as never created: a vendor's list may lag behind."""
CHUNK = 256
"""Replies that are stored together, and the most that are held in memory at once."""
KEPT = 28 * 86400.0
"""Seconds after which a vendor may have let the results go."""
_UNMADE = frozenset({"rate", "refused"})
"""Faults of handing in after which there is certainly no batch."""
T = TypeVar("T")


def _quiet_future() -> asyncio.Future[bytes]:
    """Return a future whose error is dropped without a warning if nobody waits for it any longer."""
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


@dataclass(eq=False)
class Line:
    """One request that waits for a batch or is in one."""

    request_id: str
    asked: Request | None = None
    """None in a batch of an earlier process."""
    sent: bytes | None = None
    """The line for the vendor; dropped once it is uploaded, to save memory."""
    stage: str = ""
    attempt: int = 0
    askers: int = 0
    hold: Hold | None = None
    is_taken: bool = False
    """Its result was found in the batch's output."""
    reply: asyncio.Future[bytes] = field(default_factory=_quiet_future)

    @property
    def custom_id(self) -> str:
        """Return its name in a batch, as both vendors take it: letters, digits, `_` and `-`, at most 64 of them."""
        return self.request_id.replace(":", "-")

    def fail(self, fault: BaseException) -> None:
        """Tell the caller that there is no reply."""
        if not self.reply.done():
            self.reply.set_exception(fault)


@dataclass(eq=False)
class BatchOut:
    """One batch, from its line in the ledger to its end."""

    shard: str
    lines: dict[str, Line]
    """Lines by custom id. Those whose replies were passed on are removed, or they would fill the memory."""
    total: int
    """Requests that were handed in with it."""
    number: int = 0
    """The batch's number in the ledger."""
    remote: str | None = None
    """Its name at the vendor."""
    since: float = 0.0
    """Time of its record, in seconds of the system's clock."""
    phase: Literal["preparing", "handing in", "waiting", "reading"] = "preparing"
    n_done: int = 0
    """Requests with a result at the vendor, as it said last."""
    faults: dict[str, ProviderError] = field(default_factory=dict)
    """Faults of lines by custom id; passed on when all replies are on disk."""

    @property
    def missing(self) -> list[Line]:
        """Return the lines without a result."""
        return [line for line in self.lines.values() if not line.is_taken]


@dataclass(eq=False)
class _Desk:
    """All requests in batches of one ledger, whatever their transport: no request may be in two batches at once."""

    lines: dict[str, Line] = field(default_factory=dict)
    """Lines that are collected or submitted, by request id."""
    shards: set[str] = field(default_factory=set)
    """Batches that a transport follows."""

    def forget(self, line: Line) -> None:
        if self.lines.get(line.request_id) is line:
            del self.lines[line.request_id]


_DESKS: WeakKeyDictionary[Ledger, _Desk] = WeakKeyDictionary()
"""All transports of a ledger share one: two entries of a run file may name the same model."""


class Batching:
    """Sends requests in batches: collects them, submits them together, and fetches the replies."""

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
        max_wait: float = 900.0,
    ) -> None:
        """Tell users by `notice`. After `max_wait` seconds in which a vendor answers questions about a batch only with
        faults, the run pauses."""
        self.sent = 0
        self._provider = provider
        self._service = service
        self._ledger = ledger
        self._budget = budget
        self._price = price
        self._tempo = tempo or Tempo()
        self._notice = notice
        self._max_wait = max_wait
        self._desk = _DESKS.setdefault(ledger, _Desk())
        self._gathered: list[Line] = []
        self._n_bytes = 0
        self._lingering: asyncio.Task[None] | None = None
        self._out: dict[asyncio.Task[None], BatchOut] = {}
        self._is_awake = False
        self._leaving = False

    async def carry(self, request: Request) -> bytes:
        """Return the raw reply, from the next batch, or from one that is out already. See `Transport` for what it
        raises."""
        self._wake(request.host, request.model)
        line = self._desk.lines.get(request.id)
        if line is None or line.reply.done():  # an answer of no use is asked for again while its batch is still read
            line = self._gather(request)
        line.askers += 1
        try:
            return await asyncio.shield(line.reply)
        finally:
            line.askers -= 1

    def holds(self, task: asyncio.Task[Any]) -> bool:
        """Return False: a batch goes on without those who wait for it."""
        return False

    async def drain(self) -> None:
        """Wait for batches that are being handed in or read; those that the vendor works on are left to it.

        Nothing new is handed in. The next `carry` takes up again what was left.
        """
        self._leaving = True
        if self._lingering:
            self._lingering.cancel()
            self._lingering = None
        gathered, self._gathered, self._n_bytes = self._gathered, [], 0
        self._forget(gathered, Paused("no further batch is submitted; run again to continue"))
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
        return list(self._out)

    @property
    def long_waits(self) -> list[str]:
        """Describe the submitted batches and their progress, as lines for the user."""
        where = self._provider.host
        named = [(out.remote, out.n_done, out.total) for out in list(self._out.values()) if out.remote]
        return [f"batch {remote} at {where}: {done} of {total} requests are done" for remote, done, total in named]

    def _wake(self, host: str, model: str) -> None:
        """Take up the batches that an earlier process left."""
        if self._is_awake:
            return
        self._is_awake = True
        unanswered = self._ledger.open_attempts()
        for batch in self._ledger.batches(host, model):
            if batch.shard in self._desk.shards:
                continue
            lines = [
                Line(attempt.request, attempt=attempt.number, hold=self._budget.take_up(attempt.number, self._price))
                for attempt in unanswered
                if attempt.batch == batch.number
            ]
            out = BatchOut(batch.shard, _index_by_id(lines), len(batch.attempts), since=batch.at)
            out.number, out.remote = batch.number, batch.remote
            self._desk.lines.update((line.request_id, line) for line in lines)
            self._start(out, self._follow(out))

    def _gather(self, request: Request) -> Line:
        """Add a new line to the next batch. Raises Rejected for what the protocol cannot ask, or no batch can hold."""
        line = Line(request.id, request, stage=STAGE.get())
        line.sent = self._service.line(line.custom_id, request)
        size, limits = len(line.sent) + 1, self._service.limits
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
            await asyncio.sleep(min(self._tempo.linger * 2 ** min(len(self._out), 16), LONGEST_LINGER))
        self._lingering = None
        self._hand_in()

    def _hand_in(self) -> None:
        """Make a batch of what was gathered and is still asked for."""
        gathered, self._gathered, self._n_bytes = self._gathered, [], 0
        self._forget([line for line in gathered if not line.askers], Paused("nobody asks for it any more"))
        self._send_off([line for line in gathered if line.askers])

    def _send_off(self, lines: Sequence[Line]) -> None:
        if lines:
            out = BatchOut(uuid.uuid4().hex, _index_by_id(lines), len(lines), since=time.time())
            self._start(out, self._go(out))

    def _start(self, out: BatchOut, work: Awaitable[None]) -> None:
        self._desk.shards.add(out.shard)
        task = asyncio.ensure_future(self._guarded(out, work))
        self._out[task] = out
        task.add_done_callback(self._over)

    async def _guarded(self, out: BatchOut, work: Awaitable[None]) -> None:
        """Give all who wait for a batch the fault that stopped it; the ledger keeps it as it is."""
        try:
            await work
        except Exception as fault:
            for line in out.lines.values():
                line.fail(fault)

    def _over(self, task: asyncio.Task[None]) -> None:
        out = self._out.pop(task)
        self._desk.shards.discard(out.shard)
        name = out.remote or "without a name yet"
        left = f"{self._provider.host}: batch {name} with {len(out.missing)} requests is still being worked on"
        if task.cancelled() and out.number:
            self._notice(f"{left}; nothing is lost: run again to pick it up")
        if out.missing and out.number and not self._leaving:
            self._is_awake = False  # a caller who repeats a line of it must not submit it twice
        self._forget(list(out.lines.values()), Paused(f"{left}; run again to pick it up"))

    def _forget(self, lines: Sequence[Line], reason: Paused) -> None:
        """Forget lines that are neither gathered nor out any longer; callers that still wait get the reason."""
        for line in lines:
            self._desk.forget(line)
            if line.hold and line.attempt:  # its batch is out, and will be paid
                self._budget.leave(line.attempt, line.hold)
            elif line.hold:
                line.hold.release()
            line.hold = None
            line.fail(reason)

    async def _go(self, out: BatchOut) -> None:
        """Reserve money, write the ledger, call the vendor, write the ledger: in this order nothing is paid that is not
        recorded."""
        await self._set_aside(out)
        out.phase = "handing in"
        lines = list(out.lines.values())
        asked = [(line, line.asked) for line in lines if line.asked]
        calls = [
            BatchCall(request.id, request.body, request.host, request.model, line.stage) for line, request in asked
        ]
        written = await self._ledger.open_batch(out.shard, calls)  # from here on a kill leaves a trace
        out.number = written.number
        for line in lines:
            line.attempt = written.attempts[line.request_id]
        try:
            out.remote = await self._service.submit([line.sent for line in lines if line.sent], out.shard)
        except ProviderError as fault:
            if isinstance(fault, Rejected):  # which says nothing of its single requests, and holds for the next batch
                refused = f"{fault}. The whole batch was refused, and none of its requests was answered."
                await self._close(out, "never made", CredentialsError(refused))
                return
            if not isinstance(fault, Transient) or fault.kind in _UNMADE:
                await self._close(out, "never made", fault)
                return
        else:
            await self._ledger.name_batch(out.number, out.remote)
        self.sent += len(lines)
        for line in lines:
            line.sent = None
        if self._leaving:
            raise asyncio.CancelledError
        await self._follow(out)

    async def _set_aside(self, out: BatchOut) -> None:
        """Reserve money for all lines at once. If it covers only some, the others wait for what those give back."""
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
            out.lines, out.total = _index_by_id(lines[:count]), count
            self._send_off(lines[count:])

    async def _follow(self, out: BatchOut) -> None:
        """Fetch a batch: replies go into the ledger and to their callers, faults to their callers.

        Raises CredentialsError where the vendor lets nobody look, and Paused where nothing but faults came for longer
        than `max_wait` seconds; the batch then stays written down as it is.
        """
        if not out.lines:  # all of it was stored, and only the closing is missing
            await self._ledger.close_batch(out.number, "read")
            return
        out.phase = "waiting"
        if out.remote is None and not await self._locate(out):
            unmade = f"{self._provider.host}: the batch was never made; its requests go into the next one"
            await self._close(out, "never made", Transient(unmade, kind="refused"))
            return
        state = await self._ended(out)
        out.phase = "reading"
        if state.status == "gone" and time.time() - out.since < KEPT:
            raise CredentialsError(
                f"{self._provider.host}: there is no batch {out.remote}, which this run submitted with "
                f"{len(out.lines)} requests. Use the same key as then: another key cannot see it"
            )
        if state.status == "gone":
            self._notice(
                f"{self._provider.host}: the results of batch {out.remote} were not read in time and are gone; "
                f"{len(out.missing)} requests that may be paid are asked again"
            )
        elif not state.fault:
            await self._read(out)
        await self._close(out, state.status, state.fault or self._lost(out))

    async def _asked(self, out: BatchOut, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the vendor's answer about a batch. Faults say nothing about the batch, so the question is repeated.

        Raises Paused where nothing else has come for longer than `max_wait` seconds.
        """
        pauses, since = self._tempo.pauses(), None
        while True:
            try:
                return await ask()
            except (Transient, Rejected) as fault:
                since = since or time.monotonic()
                left = since + self._max_wait - time.monotonic()
                if left <= 0:
                    what = f"batch {out.remote}" if out.remote else "the batch that was handed in last"
                    raise Paused(
                        f"{self._provider.host}: nothing but faults for {self._max_wait:g} s, which is max_wait, when "
                        f"asked about {what} with {len(out.missing)} requests. The batch continues there and nothing "
                        f"is lost: run again to pick it up. The last fault: {fault}"
                    ) from None
            await asyncio.sleep(min(next(pauses), left))

    async def _locate(self, out: BatchOut) -> bool:
        """Look for a batch that may have been made, for as long as the vendor leaves it open; whether there is one."""
        looks, pauses = 0, self._tempo.pauses()
        while True:
            search = await self._asked(out, lambda: self._service.find(out.shard, out.lines.keys(), out.since))
            if search.remote:
                await self._ledger.name_batch(out.number, search.remote)
                out.remote = search.remote
                return True
            looks += not search.is_open
            if looks == LOOKS:
                return False
            await asyncio.sleep(next(pauses))

    async def _ended(self, out: BatchOut) -> BatchState:
        pauses, remote = self._tempo.pauses(), out.remote or ""
        while True:
            state = await self._asked(out, lambda: self._service.poll(remote))
            out.n_done = state.done
            if state.is_ended:
                return state
            await asyncio.sleep(next(pauses))

    async def _read(self, out: BatchOut) -> None:
        """Read the results until each line was met, or is not in them. Reading twice does no harm."""

        async def once() -> None:
            async for chunk in _chunks(self._service.results(out.remote or "")):
                await asyncio.gather(*(self._take(out, outcome) for outcome in chunk))

        await self._asked(out, once)
        for _ in range(READS - 1):
            if not out.missing:
                return
            await asyncio.sleep(self._tempo.linger)
            await self._asked(out, once)

    async def _take(self, out: BatchOut, outcome: LineOutcome) -> None:
        """Store a reply and hand it on, or keep a fault until all replies are stored."""
        line = out.lines.get(outcome.custom_id)
        if line is None or line.is_taken:
            return
        line.is_taken = True
        if outcome.raw is None:
            fault = outcome.fault or self._lost(out)
            if isinstance(fault, Transient):
                fault.retry_after = 0.0  # so that the next batch has all of them
            out.faults[outcome.custom_id] = fault
            return
        meter = self._provider.meter(outcome.raw)
        usd = line.hold.settle(meter.usage) if line.hold else None
        line.hold = None
        await self._ledger.commit(line.attempt, outcome.raw, meter, server_id=outcome.server_id, usd=usd)
        if not line.reply.done():
            line.reply.set_result(outcome.raw)
        out.lines.pop(line.custom_id, None)
        self._desk.forget(line)

    def _lost(self, out: BatchOut) -> Transient:
        lost = f"{self._provider.host}: batch {out.remote} has no result for this request"
        return Transient(lost, kind="unreadable", retry_after=0.0)

    async def _close(self, out: BatchOut, state: str, rest: ProviderError) -> None:
        """Write down how the lines without a reply ended, then the batch, and hand it on; `rest` is for lines that no
        result was met for."""
        for line in out.missing:
            line.is_taken = True
            out.faults[line.custom_id] = rest
        for custom_id, fault in out.faults.items():
            line = out.lines[custom_id]
            write_off(self._ledger, line.attempt, line.hold, fault)
            line.hold = None
        await self._ledger.close_batch(out.number, state)
        for custom_id, fault in out.faults.items():
            out.lines[custom_id].fail(fault)


def _index_by_id(lines: Sequence[Line]) -> dict[str, Line]:
    return {line.custom_id: line for line in lines}


async def _chunks(results: AsyncIterator[LineOutcome]) -> AsyncIterator[list[LineOutcome]]:
    chunk: list[LineOutcome] = []
    async for outcome in results:
        chunk.append(outcome)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk
