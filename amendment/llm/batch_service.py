"""What a vendor's batch service must be able to do, as `batching` needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple, Protocol

from amendment.errors import ProviderError
from amendment.llm.requests import Request

__all__ = ["BatchLimits", "BatchLine", "BatchService", "BatchState", "Found", "LineOutcome"]


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
