"""Batches: what a vendor's service must be able to do, requests on their way, and the batches that are out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from amendment.errors import ProviderError
from amendment.llm.budget import Hold
from amendment.llm.ledger import Ledger
from amendment.llm.requests import Request


class BatchLimits(NamedTuple):
    """The most that one batch takes."""

    lines: int
    bytes: int


class BatchLine(NamedTuple):
    """A request as it stands in a batch."""

    custom_id: str
    """Our name for it, by which its result is known."""
    body: bytes
    """The whole line, without its end."""


class BatchState(NamedTuple):
    """How far a batch is."""

    status: str
    """The vendor's word; `gone` where the vendor knows no such batch, or has its results no more."""
    is_ended: bool
    done: int = 0
    """Requests with a result, however it is."""
    fault: ProviderError | None = None
    """Why nothing of it was asked, where the vendor refused the whole."""


class Found(NamedTuple):
    """Whether a batch that may have been made was made."""

    remote: str | None
    """Its name at the vendor."""
    is_open: bool = False
    """Whether one that may be it is still running, so that it has to be looked for again."""


class LineOutcome(NamedTuple):
    """How one request of a batch ended: with a reply, or with the fault that it would be online."""

    custom_id: str
    raw: bytes | None = None
    fault: ProviderError | None = None
    server_id: str | None = None


class BatchService(Protocol):
    """A vendor's batches. What HTTP does wrong is raised as Transient, Rejected or CredentialsError."""

    @property
    def limits(self) -> BatchLimits: ...

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """The line of a request. Raises Rejected for what the protocol cannot ask."""
        ...

    async def submit(self, lines: Sequence[BatchLine], shard: str) -> str:
        """Hand a batch in, under a name of ours where the vendor keeps one; its name at the vendor.

        After a Transient other than `rate` and `refused` it may have been made nevertheless: see `find`.
        """
        ...

    async def find(self, shard: str, custom_ids: Collection[str], since: float) -> Found:
        """Look for a batch that was to be handed in after `since`, in seconds of the system's clock."""
        ...

    async def poll(self, remote: str) -> BatchState: ...

    def results(self, remote: str) -> AsyncIterator[LineOutcome]:
        """What an ended batch brought, in any order, perhaps with lines missing; reading again does no harm."""
        ...


def _quiet_future() -> asyncio.Future[bytes]:
    """A future whose error, where nobody is left to be told of it, is dropped without a warning."""
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


@dataclass(eq=False)
class Line:
    """One request that waits for a batch or is in one."""

    request_id: str
    asked: Request | None = None
    """None in a batch of an earlier process."""
    sent: BatchLine | None = None
    """What goes to the vendor; let go of when it is there."""
    stage: str = ""
    attempt: int = 0
    askers: int = 0
    hold: Hold | None = None
    is_taken: bool = False
    """Whether its result was met."""
    reply: asyncio.Future[bytes] = field(default_factory=_quiet_future)

    @property
    def custom_id(self) -> str:
        """Its name in a batch, as both vendors take it: letters, digits, `_` and `-`, at most 64 of them."""
        return self.request_id.replace(":", "-")

    def answer(self, raw: bytes) -> None:
        """Hand on a reply that is on disk."""
        if not self.reply.done():
            self.reply.set_result(raw)

    def fail(self, fault: BaseException) -> None:
        """Tell whoever asked that there is no reply."""
        if not self.reply.done():
            self.reply.set_exception(fault)


Phase = Literal["preparing", "handing in", "waiting", "reading"]


@dataclass(eq=False)
class BatchOut:
    """One batch, from its line in the ledger to its end."""

    shard: str
    lines: dict[str, Line]
    """By custom id; without those whose replies are handed on, which would fill the memory before the batch ends."""
    desk: _Desk
    total: int
    """Requests that were handed in with it."""
    number: int = 0
    """In the ledger."""
    remote: str | None = None
    since: float = 0.0
    """When it was written down, in seconds of the system's clock."""
    phase: Phase = "preparing"
    n_done: int = 0
    """Requests with a result at the vendor, as it said last."""
    faults: dict[str, ProviderError] = field(default_factory=dict)
    """What lines ended with, by custom id; told when all replies are on disk."""

    @property
    def missing(self) -> list[Line]:
        """Lines without a result."""
        return [line for line in self.lines.values() if not line.is_taken]

    def answer(self, line: Line, raw: bytes) -> None:
        """Hand on a reply that is on disk, and forget its line."""
        line.answer(raw)
        self.lines.pop(line.custom_id, None)
        self.desk.forget(line)

    def fail(self, fault: BaseException) -> None:
        """Tell everybody who waits for a line of it."""
        for line in self.lines.values():
            line.fail(fault)


@dataclass(eq=False)
class _Desk:
    """What is on its way in batches with one ledger, by whichever carrier: no request may be in two at once."""

    lines: dict[str, Line] = field(default_factory=dict)
    """By request id: all that are gathered or out."""
    shards: set[str] = field(default_factory=set)
    """Batches that are in somebody's hands."""

    def forget(self, line: Line) -> None:
        """A line is not on its way any more."""
        if self.lines.get(line.request_id) is line:
            del self.lines[line.request_id]


_DESKS: WeakKeyDictionary[Ledger, _Desk] = WeakKeyDictionary()


def desk_of(ledger: Ledger) -> _Desk:
    """The desk that all carriers of a ledger share: two entries of a run file may name the same model."""
    return _DESKS.setdefault(ledger, _Desk())
