"""One batch after it was handed in: found again, waited for, and read to its last paid line.

Covered: a batch whose making was cut off, so that only the vendor knows whether it exists; polls that fail, which say
nothing of the batch; results that break off, come twice or never; replies that are on disk already. Nothing here gives
a batch up because of a fault on the way to it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from math import inf
from typing import NamedTuple

from amendment.errors import CredentialsError, Paused, ProviderError, Rejected, Transient
from amendment.llm.batches import BatchOut, BatchService, BatchState, Line, LineOutcome
from amendment.llm.ledger import Ledger
from amendment.llm.provider import RULES, Provider

READS = 3
"""How often the results are read for lines that are not in them."""
LOOKS = 2
"""How often a batch is looked for before it counts as never made: a vendor's list may lag behind."""
CHUNK = 256
"""Replies that are stored together, and the most that are held in memory at once."""
KEPT = 28 * 86400.0
"""Seconds after which a vendor may have let the results go."""
OLD = 20 * 86400.0
"""Seconds after which unread results are in danger, and worth a word."""


class Tempo(NamedTuple):
    """How often a vendor is asked, in seconds."""

    linger: float = 5.0
    """A batch is handed in when no further request has come for this long; longer while others are out."""
    first_poll: float = 30.0
    longest_poll: float = 300.0

    def pauses(self) -> Iterator[float]:
        """Seconds between polls: growing, and never in step with other processes."""
        pause = self.first_poll
        while True:
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            pause = min(pause * 1.5, self.longest_poll)


class Follower:
    """What brings batches home."""

    def __init__(
        self,
        provider: Provider,
        service: BatchService,
        ledger: Ledger,
        *,
        tempo: Tempo,
        notice: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]],
        max_wait: float,
    ) -> None:
        self._provider = provider
        self._service = service
        self._ledger = ledger
        self._tempo = tempo
        self._notice = notice
        self._sleep = sleep
        self._max_wait = max_wait

    async def follow(self, out: BatchOut) -> None:
        """Bring a batch home: replies into the ledger and to whoever asks, faults to whoever asks.

        Raises CredentialsError where the vendor lets nobody look, and Paused where nothing but faults came for longer
        than `max_wait` seconds; the batch then stays written down as it is.
        """
        if not out.lines:  # all of it was stored, and only the last word is missing
            await self._ledger.close_batch(out.number, "read")
            return
        out.phase = "waiting"
        if out.remote is None and not await self._locate(out):
            said = f"{self._provider.host}: the batch was never made; its requests go into the next one"
            await self.close_unmade(out, Transient(said, kind="refused"))
            return
        state = await self._ended(out)
        out.phase = "reading"
        if state.status == "gone":
            await self._gone(out)
        elif state.fault:
            await self._close(out, state.status, state.fault)
        else:
            await self._read(out)
            await self._close(out, state.status, self._lost(out))

    async def _locate(self, out: BatchOut) -> bool:
        """Look for a batch that may have been made, for as long as the vendor leaves it open; whether there is one."""
        looks = 0
        silence = _Silence(self._provider.host, out, self._max_wait)
        for pause in self._tempo.pauses():
            try:
                found = await self._service.find(out.shard, out.lines.keys(), out.since)
            except (Transient, Rejected) as fault:
                silence.goes_on(fault)
            else:
                silence.over()
                if found.remote:
                    await self._ledger.name_batch(out.number, found.remote)
                    out.remote = found.remote
                    return True
                looks += not found.is_open
            if looks == LOOKS:
                break
            await self._sleep(min(pause, silence.left))
        return False

    async def _ended(self, out: BatchOut) -> BatchState:
        """Poll until the batch has ended. A poll that fails is a poll to be made again."""
        assert out.remote is not None
        if time.time() - out.since > OLD:
            self._notice(
                f"{self._provider.host}: batch {out.remote} was handed in more than 20 days ago; vendors keep results "
                "for about 30 days and then nobody can read what was paid for"
            )
        pauses = self._tempo.pauses()
        silence = _Silence(self._provider.host, out, self._max_wait)
        while True:
            try:
                state = await self._service.poll(out.remote)
            except (Transient, Rejected) as fault:
                silence.goes_on(fault)
            else:
                silence.over()
                out.n_done = state.done
                if state.is_ended:
                    return state
            await self._sleep(min(next(pauses), silence.left))

    async def _read(self, out: BatchOut) -> None:
        """Read the results until each line was met, or is not in them. Reading twice does no harm."""
        pauses = self._tempo.pauses()
        reads = 0
        silence = _Silence(self._provider.host, out, self._max_wait)
        while out.missing and reads < READS:
            if reads:
                await self._sleep(next(pauses))
            n_missing = len(out.missing)
            try:
                async for chunk in _chunks(self._service.results(out.remote or "")):
                    await asyncio.gather(*(self._take(out, outcome) for outcome in chunk))
                reads += 1
                silence.over()
            except (Transient, Rejected) as fault:
                if len(out.missing) < n_missing:
                    silence.over()
                silence.goes_on(fault)
                await self._sleep(min(next(pauses), silence.left))

    async def _take(self, out: BatchOut, outcome: LineOutcome) -> None:
        """Store a reply, or keep a fault until all replies are stored."""
        line = out.lines.get(outcome.custom_id)
        if line is None or line.is_taken:
            return
        line.is_taken = True
        if outcome.raw is None:
            out.faults[outcome.custom_id] = outcome.fault or self._lost(out)
            return
        meter = self._provider.meter(outcome.raw)
        usd = line.hold.settle(meter.usage) if line.hold else None
        line.hold = None
        await self._ledger.commit(line.attempt, outcome.raw, meter, server_id=outcome.server_id, usd=usd)
        out.answer(line, outcome.raw)

    def _lost(self, out: BatchOut) -> Transient:
        return Transient(f"{self._provider.host}: batch {out.remote} has no result for this request", kind="unreadable")

    async def _close(self, out: BatchOut, state: str, fault: ProviderError) -> None:
        """Write down how the lines without a reply ended, then the batch, and tell it; `fault` is for the rest."""
        for line in out.missing:
            line.is_taken = True
            out.faults[line.custom_id] = fault
        for custom_id, ended in out.faults.items():
            self._write_off(out.lines[custom_id], ended)
        await self._ledger.close_batch(out.number, state)
        for custom_id, ended in out.faults.items():
            out.lines[custom_id].fail(ended)

    def _write_off(self, line: Line, fault: ProviderError) -> None:
        passing = fault if isinstance(fault, Transient) else None
        if line.hold and passing and RULES[passing.kind].may_be_paid:
            line.hold.lose()
        elif line.hold:
            line.hold.release()
        line.hold = None
        name = passing.kind if passing else type(fault).__name__
        self._ledger.fail(line.attempt, name, status=passing.status if passing else None)

    async def close_unmade(self, out: BatchOut, fault: ProviderError) -> None:
        """There is no such batch at the vendor, for this reason."""
        await self._close(out, "never made", fault)

    async def _gone(self, out: BatchOut) -> None:
        """The vendor does not know the batch: its results were let go of, or it belongs to another key."""
        if time.time() - out.since < KEPT:
            raise CredentialsError(
                f"{self._provider.host}: there is no batch {out.remote}, which this run handed in with "
                f"{len(out.lines)} requests. Use the key that it was handed in with: another key cannot see it"
            )
        self._notice(
            f"{self._provider.host}: the results of batch {out.remote} were not read in time and are gone; "
            f"{len(out.missing)} requests that may be paid are asked again"
        )
        await self._close(out, "gone", self._lost(out))


class _Silence:
    """How long nothing but faults has come from a vendor who was asked about a batch."""

    def __init__(self, host: str, out: BatchOut, longest: float) -> None:
        self._host = host
        self._out = out
        self._longest = longest
        self._since: float | None = None

    @property
    def left(self) -> float:
        """Seconds for which more of it is borne."""
        return inf if self._since is None else max(0.0, self._since + self._longest - time.monotonic())

    def over(self) -> None:
        """A good word came."""
        self._since = None

    def goes_on(self, fault: ProviderError) -> None:
        """One more fault. Raises Paused where it has gone on for too long."""
        if self._since is None:
            self._since = time.monotonic()
        if self.left == 0:
            what = f"batch {self._out.remote}" if self._out.remote else "the batch that was handed in last"
            raise Paused(
                f"{self._host}: nothing but faults for {self._longest:g} s, which is max_wait, when asked about {what} "
                f"with {len(self._out.missing)} requests. It goes on there and nothing of it is lost: run again to "
                f"pick it up. The last fault: {fault}"
            )


async def _chunks(results: AsyncIterator[LineOutcome]) -> AsyncIterator[list[LineOutcome]]:
    chunk: list[LineOutcome] = []
    async for outcome in results:
        chunk.append(outcome)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    yield chunk
