"""The vendors' batch services: requests handed in together, results read as JSON lines.

OpenAI's takes an uploaded file and gives two; a batch is found again by a name of ours in its metadata. Anthropic's
takes requests inline and has no place for a name: a batch made since, with as many requests, is ours when its results
name our requests, which shows only when it has ended. Covered: batches that failed, expired or were cancelled, whose
paid lines are there all the same. Not covered: deleting files at OpenAI, which lets them go after thirty days.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Collection, Iterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any, ClassVar, NamedTuple
from urllib.parse import quote

import httpx2

from amendment.errors import CredentialsError, ProviderError, Rejected, Transient
from amendment.llm.hosted import HostedProvider, encoded, make_fault
from amendment.llm.replies import parse_body, shown
from amendment.llm.reply_size import LONGEST, MOST, too_long
from amendment.llm.requests import Request

LONGEST_TRANSFER = 3600.0
"""Seconds in which a file of requests has to be taken."""
SLACK = 3600.0
"""Seconds that this clock and the vendor's may differ by."""
PAGE = 100
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that an error of this type of Anthropic's has online; a line shows the type alone."""


class Tempo(NamedTuple):
    """Seconds between questions to a vendor."""

    linger: float = 5.0
    """A batch is handed in when no further request has come for this long; longer while others are out."""
    first_poll: float = 5.0
    """A batch of a few lines may end within seconds. Each pause is half as long again as the one before."""
    longest_poll: float = 300.0

    def pauses(self) -> Iterator[float]:
        """Yield seconds between polls: growing, and never in step with other processes."""
        pause = self.first_poll
        while True:
            yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
            pause = min(pause * 1.5, self.longest_poll)


class BatchLimits(NamedTuple):
    """The most that one batch takes."""

    lines: int
    bytes: int


class BatchState(NamedTuple):
    """The progress of a batch."""

    status: str
    """The vendor's word; `gone` where the vendor knows no such batch, or has its results no more."""
    is_ended: bool
    done: int = 0
    """Requests with a result, however it is."""
    fault: ProviderError | None = None
    """The reason why the vendor refused the whole batch."""


class Search(NamedTuple):
    """The result of looking for a batch whose creation was not confirmed."""

    remote: str | None
    """Its name at the vendor."""
    is_open: bool = False
    """True while a batch that may be the one is still running, so that the search has to be repeated."""


class LineOutcome(NamedTuple):
    """The result of one request of a batch: a reply, or the fault that it would be online."""

    custom_id: str
    raw: bytes | None = None
    fault: ProviderError | None = None
    server_id: str | None = None


class _NotFound(Exception):
    """Status 404, which means another thing at each address."""


class BatchService(ABC):
    """A vendor's batches. What HTTP does wrong is raised as Transient, Rejected or CredentialsError."""

    limits: ClassVar[BatchLimits]

    def __init__(self, provider: HostedProvider) -> None:
        self.host = provider.host
        self.provider = provider
        self._has_answered = False

    @abstractmethod
    def line(self, custom_id: str, request: Request) -> bytes:
        """Return a request as a batch holds it, without the line end; its result is found by `custom_id`, our name for
        it. Raises Rejected for what the protocol cannot ask."""

    @abstractmethod
    async def submit(self, lines: Sequence[bytes], shard: str) -> str:
        """Hand a batch in, under a name of ours where the vendor keeps one; its name at the vendor.

        After a Transient other than `rate` and `refused` it may have been made nevertheless: see `find`.
        """

    @abstractmethod
    async def find(self, shard: str, custom_ids: Collection[str], since: float) -> Search:
        """Look for a batch that was to be handed in after `since`, in seconds of the system's clock."""

    @abstractmethod
    async def poll(self, remote: str) -> BatchState:
        """Return the progress of a batch."""

    @abstractmethod
    def results(self, remote: str) -> AsyncGenerator[LineOutcome, None]:
        """Yield the results of an ended batch, in any order, perhaps with lines missing. They can be read more than
        once."""

    async def listed(self, path: str, since: float, *, cursor: str) -> AsyncIterator[dict[str, Any]]:
        """Yield batches that were made after a time, newest first; `cursor` names the parameter that continues after
        one of them. Raises CredentialsError if they cannot be listed."""
        query: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self.get(path, params=query)
            if page is None:
                raise CredentialsError(
                    f"{self.host}: batches cannot be listed (status 404), so it is unknown whether the batch that "
                    "was being submitted exists. Check base_url; if the server has no such list, look there yourself"
                )
            batches = [batch for batch in page.get("data") or () if isinstance(batch, dict) and batch.get("id")]
            for batch in batches:
                if _time(batch.get("created_at")) < since - SLACK:
                    return
                yield batch
            if not batches or not page.get("has_more"):
                return
            query[cursor] = str(batches[-1]["id"])

    async def get(self, path: str, **parts: Any) -> dict[str, Any] | None:
        """Return the object at a path; None if there is none."""
        try:
            return self._object(await self._checked(self.provider.get(path, **parts), self.provider.deadline))
        except _NotFound:
            return None

    async def create_batch(self, path: str, content: bytes) -> str:
        """Create a batch by a JSON body, and return its name."""
        return await self.create(path, content=content)

    async def create(self, path: str, **parts: Any) -> str:
        """Create a file or batch, and return its name. Raises CredentialsError for an address without batches."""
        try:
            created = self._object(await self._checked(self.provider.post(path, **parts), LONGEST_TRANSFER))
        except _NotFound:
            raise CredentialsError(
                f"{self.host}: no batch service at this address, or no such model (status 404). "
                "Check base_url and model, or ask one call after another: mode: online"
            ) from None
        if not isinstance(created.get("id"), str) or not created["id"]:
            raise Transient(f"{self.host}: the reply names no id", kind="unreadable")
        return str(created["id"])

    async def lines(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Yield the JSON objects of a file, as they come. Other lines are left out; a missing file has none."""
        call = self.provider.get(path, stream=True, stream_cls=object)
        MOST.set(math.inf)  # of all lines together; `_split` limits each
        try:
            response = await self._checked(call, self.provider.deadline)
        except _NotFound:
            return
        finally:
            MOST.set(LONGEST)
        try:
            async for line in _split(response, self.host):
                if (read := _object_in(self.provider.target.without_key(line))) is not None:
                    yield read
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as fault:
            raise Transient(f"{self.host}: the results broke off ({type(fault).__name__})", kind="transport") from None
        finally:
            await response.aclose()

    def answered(self, body: Any) -> bytes:
        """Return the reply of a line as the bytes that the ledger keeps; equal as JSON."""
        self._has_answered = True
        return _json(body)

    def line_fault(self, status: int, error: Any) -> ProviderError:
        """Return the fault for an error in a line, the same as for that error online."""
        first = not self._has_answered
        return make_fault(self.provider.target, status if status >= 400 else 500, {}, _json(error), at_first=first)

    def _object(self, response: httpx2.Response) -> dict[str, Any]:
        return parse_body(self.provider.target.without_key(response.content), self.host)

    async def _checked(self, call: Awaitable[httpx2.Response], seconds: float | None) -> httpx2.Response:
        """Return the response of a good status; raise any other as an error of ours."""
        try:
            async with asyncio.timeout(seconds), self.provider.faults(not_found=_NotFound):
                return await call
        except TimeoutError:
            raise Transient(f"{self.host}: no reply within {seconds:g} s", kind="deadline") from None


class OpenAIBatches(BatchService):
    limits = BatchLimits(lines=50_000, bytes=200_000_000)

    def line(self, custom_id: str, request: Request) -> bytes:
        wire = self.provider.wire
        whole = {"custom_id": custom_id, "method": "POST", "url": f"/v1{wire.path}", "body": dict(wire.body(request))}
        return encoded(whole, self.host)

    async def submit(self, lines: Sequence[bytes], shard: str) -> str:
        file = await self.upload(f"{shard}.jsonl", b"\n".join(lines) + b"\n")
        wanted = {
            "input_file_id": file,
            "endpoint": f"/v1{self.provider.wire.path}",
            "completion_window": "24h",
            "metadata": {"shard": shard},
        }
        return await self.create_batch("/batches", _json(wanted))

    async def upload(self, name: str, content: bytes) -> str:
        """Upload a file of requests, and return the vendor's name for it."""
        headers = {"Content-Type": "multipart/form-data"}
        files = {"file": (name, content, "application/jsonl")}
        return await self.create("/files", body={"purpose": "batch"}, files=files, headers=headers)

    async def find(self, shard: str, custom_ids: Collection[str], since: float) -> Search:
        async for batch in self.listed("/batches", since, cursor="after"):
            if (batch.get("metadata") or {}).get("shard") == shard:
                return Search(str(batch["id"]))
        return Search(None)

    async def poll(self, remote: str) -> BatchState:
        batch = await self.get(f"/batches/{_part(remote)}")
        if batch is None:
            return BatchState("gone", is_ended=True)
        status = str(batch.get("status"))
        counts = batch.get("request_counts") or {}
        done = sum(counts.get(name) or 0 for name in ("completed", "failed"))
        is_ended = status in ("completed", "failed", "expired", "cancelled")
        return BatchState(status, is_ended, done, self._failure(batch) if status == "failed" else None)

    def _failure(self, batch: dict[str, Any]) -> ProviderError:
        """Return the reason why a batch was not started: no request of it was processed."""
        errors = (batch.get("errors") or {}).get("data") or [{}]
        first = errors[0] if isinstance(errors[0], dict) else {}
        code = str(first.get("code"))
        if code in ("token_limit_exceeded", "rate_limit_exceeded"):
            words = shown(f"{code} {first.get('message')}", self.provider.target.key)
            return Transient(f"{self.host}: {words}", kind="rate", status=429)
        fault = self.line_fault(429 if "quota" in code else 400, {"error": first})
        if isinstance(fault, Rejected):
            return ProviderError(f"{fault}. The vendor refused the whole batch; none of its requests was answered.")
        return fault

    async def results(self, remote: str) -> AsyncGenerator[LineOutcome, None]:
        batch = await self.get(f"/batches/{_part(remote)}") or {}
        for name in ("output_file_id", "error_file_id"):
            if not batch.get(name):
                continue
            async for line in self.lines(f"/files/{_part(str(batch[name]))}/content"):
                yield self._outcome(line)

    def _outcome(self, line: dict[str, Any]) -> LineOutcome:
        custom_id = str(line.get("custom_id"))
        response = line.get("response")
        error = line.get("error")
        if isinstance(response, dict) and response.get("body") is not None:
            status = response.get("status_code")
            if isinstance(status, int) and 200 <= status < 300:
                name = self.provider.target.call_name(response.get("request_id"))
                return LineOutcome(custom_id, self.answered(response["body"]), server_id=name)
            fault = self.line_fault(status if isinstance(status, int) else 500, response["body"])
            return LineOutcome(custom_id, fault=fault)
        error = error if isinstance(error, dict) else {}
        code = str(error.get("code"))
        if code in ("batch_expired", "batch_cancelled"):
            late = Transient(f"{self.host}: the batch ended before this request was asked ({code})")
            return LineOutcome(custom_id, fault=late)
        status = 429 if "quota" in code or "rate_limit" in code else 400 if code.startswith("invalid") else 500
        return LineOutcome(custom_id, fault=self.line_fault(status, {"error": error}))


class AnthropicBatches(BatchService):
    limits = BatchLimits(lines=100_000, bytes=256_000_000)
    path = "/v1/messages/batches"

    def __init__(self, provider: HostedProvider) -> None:
        super().__init__(provider)
        self._others: set[tuple[str, str]] = set()
        """Shards, and ended batches that are not theirs; they need no second look."""

    def line(self, custom_id: str, request: Request) -> bytes:
        whole = {"custom_id": custom_id, "params": dict(self.provider.wire.body(request))}
        return encoded(whole, self.host)

    async def submit(self, lines: Sequence[bytes], shard: str) -> str:
        return await self.create_batch(self.path, b'{"requests":[' + b",".join(lines) + b"]}")

    async def find(self, shard: str, custom_ids: Collection[str], since: float) -> Search:
        """Find the batch of these requests, if it was made; it counts as open until all that may be it have ended.

        No older one is looked at before that: it may be an earlier attempt at the same requests.
        """
        for batch in [batch async for batch in self.listed(self.path, since, cursor="after_id")]:
            counts = batch.get("request_counts") or {}
            if sum(count for count in counts.values() if isinstance(count, int)) != len(custom_ids):
                continue
            if batch.get("processing_status") != "ended":
                return Search(None, is_open=True)
            if await self._holds(shard, str(batch["id"]), custom_ids):
                return Search(str(batch["id"]))
        return Search(None)

    async def _holds(self, shard: str, remote: str, custom_ids: Collection[str]) -> bool:
        """Return True for an ended batch of exactly these requests: those of a failed one may be grouped
        differently."""
        if (shard, remote) in self._others:
            return False
        left = set(custom_ids)
        async with aclosing(self.results(remote)) as results:
            async for line in results:
                if line.custom_id not in left:
                    break
                left.remove(line.custom_id)
        if left:
            self._others.add((shard, remote))
        return not left

    async def poll(self, remote: str) -> BatchState:
        batch = await self.get(f"{self.path}/{_part(remote)}")
        if batch is None or batch.get("archived_at"):
            return BatchState("gone", is_ended=True)
        status = str(batch.get("processing_status"))
        counts = batch.get("request_counts") or {}
        done = sum(counts.get(name) or 0 for name in ("succeeded", "errored", "canceled", "expired"))
        return BatchState(status, is_ended=status == "ended", done=done)

    async def results(self, remote: str) -> AsyncGenerator[LineOutcome, None]:
        # the address in the batch's own record is not used: a key goes to the entry's host alone
        async for line in self.lines(f"{self.path}/{_part(remote)}/results"):
            yield self._outcome(line)

    def _outcome(self, line: dict[str, Any]) -> LineOutcome:
        custom_id = str(line.get("custom_id"))
        match line.get("result"):
            case {"type": "succeeded", "message": dict(message)}:
                return LineOutcome(custom_id, self.answered(message))
            case {"type": "errored", "error": error}:
                inner = error.get("error") if isinstance(error, dict) else None
                kind = inner.get("type") if isinstance(inner, dict) else None
                return LineOutcome(custom_id, fault=self.line_fault(_STATUS_OF.get(str(kind), 500), error))
            case {"type": ("expired" | "canceled") as kind}:
                late = Transient(f"{self.host}: the batch ended before this request was asked ({kind})")
                return LineOutcome(custom_id, fault=late)
        return LineOutcome(custom_id, fault=Transient(f"{self.host}: a result without a type", kind="unreadable"))


def batch_service(provider: HostedProvider) -> BatchService:
    """Return the batch service of a provider's server, which gets the same bodies as single calls."""
    return OpenAIBatches(provider) if provider.kind == "openai" else AnthropicBatches(provider)


def _time(moment: Any) -> float:
    """Return a moment in seconds, from a number of them or from RFC 3339. An unreadable one counts as now, so that
    nothing is overlooked."""
    try:
        return float(moment) if isinstance(moment, int | float) else datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return float("inf")


def _part(name: str) -> str:
    """Return a server's name of something as exactly one part of a path."""
    return quote(name, safe="")


def _json(value: Any) -> bytes:
    """Return a value as JSON, with all texts of a server escaped."""
    return json.dumps(value, separators=(",", ":")).encode()


async def _split(response: httpx2.Response, host: str) -> AsyncIterator[bytes]:
    """Split lines by line feeds alone: JSON may hold other line ends as they are. Raises Transient for one without
    end."""
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        rest += chunk
        if b"\n" in chunk:
            *whole, rest = rest.split(b"\n")
            for line in whole:
                yield bytes(line)
        if len(rest) > LONGEST:
            raise too_long(host, LONGEST)
    yield bytes(rest)


def _object_in(line: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
