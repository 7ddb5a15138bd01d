"""Anthropic's batch service: requests go inline, and one stream of results is read at the end.

Covered: results of batches that expired or were cancelled. A batch carries no name of ours: one that was made
since, with as many requests, is ours when its results name our requests, which shows only when it has ended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any

import anthropic

from amendment.errors import ProviderError, Transient
from amendment.llm._batch_http import BatchHttp, SdkErrors, batch_options, part
from amendment.llm._hosted import encoded
from amendment.llm._http import Endpoint
from amendment.llm.batch_service import BatchLimits, BatchLine, BatchState, Found, LineOutcome
from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec

__all__ = ["AnthropicBatches", "open_anthropic_batches"]

LIMITS = BatchLimits(lines=100_000, bytes=256_000_000)
SLACK = 3600.0
"""Seconds that this clock and the vendor's may differ by."""
PAGE = 100
PATH = "/v1/messages/batches"
_STATUS_OF = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The status that an error of this type has online; a line shows the type alone."""


class AnthropicBatches:
    """Batches at one server."""

    limits = LIMITS

    def __init__(self, http: BatchHttp, body: Callable[[Request], Mapping[str, Any]]) -> None:
        self._http = http
        self._body = body
        self._others: set[tuple[str, str]] = set()
        """Shards, and ended batches that are not theirs; they need no second look."""

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """The line of a request. Raises Rejected for what the protocol cannot ask."""
        whole = {"custom_id": custom_id, "params": dict(self._body(request))}
        return BatchLine(custom_id, encoded(whole, self._http.host))

    async def submit(self, lines: Sequence[BatchLine], shard: str) -> str:
        """Make a batch; its name at the vendor. There is no place for the shard's."""
        content = b'{"requests":[' + b",".join(line.body for line in lines) + b"]}"
        return self._http.named(await self._http.make(PATH, content=content))

    async def find(self, shard: str, custom_ids: Collection[str], since: float) -> Found:
        """The batch of these requests, if it was made; open as long as one that may be it has not ended.

        No older one is looked at before that: it may be an earlier attempt at the same requests.
        """
        for batch in [batch async for batch in self._since(since)]:
            counts = batch.get("request_counts") or {}
            if sum(count for count in counts.values() if isinstance(count, int)) != len(custom_ids):
                continue
            if batch.get("processing_status") != "ended":
                return Found(None, is_open=True)
            if await self._holds(shard, str(batch["id"]), custom_ids):
                return Found(str(batch["id"]))
        return Found(None)

    async def _since(self, since: float) -> AsyncIterator[dict[str, Any]]:
        """Batches that were made after a time, newest first."""
        query: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self._http.listed(PATH, **query)
            for batch in page.batches:
                if _time(batch.get("created_at")) < since - SLACK:
                    return
                yield batch
            if not page.has_more:
                return
            query["after_id"] = str(page.batches[-1]["id"])

    async def _holds(self, shard: str, remote: str, custom_ids: Collection[str]) -> bool:
        """Whether an ended batch is made of these requests and no others: one that failed may be grouped anew."""
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
        """How far a batch is."""
        batch = await self._http.get(f"{PATH}/{part(remote)}")
        if batch is None or batch.get("archived_at"):
            return BatchState("gone", is_ended=True)
        status = str(batch.get("processing_status"))
        counts = batch.get("request_counts") or {}
        done = sum(counts.get(name) or 0 for name in ("succeeded", "errored", "canceled", "expired"))
        return BatchState(status, is_ended=status == "ended", done=done)

    async def results(self, remote: str) -> AsyncGenerator[LineOutcome, None]:
        """How each request of an ended batch ended, in any order."""
        # the address in the batch's own record is not used: a key goes to the entry's host alone
        async for line in self._http.lines(f"{PATH}/{part(remote)}/results"):
            yield self._outcome(line)

    def _outcome(self, line: dict[str, Any]) -> LineOutcome:
        custom_id = str(line.get("custom_id"))
        match line.get("result"):
            case {"type": "succeeded", "message": dict(message)}:
                return LineOutcome(custom_id, self._http.answered(message))
            case {"type": "errored", "error": error}:
                return LineOutcome(custom_id, fault=self._line_error(error))
            case {"type": ("expired" | "canceled") as kind}:
                late = Transient(f"{self._http.host}: the batch ended before this request was asked ({kind})")
                return LineOutcome(custom_id, fault=late)
        return LineOutcome(custom_id, fault=Transient(f"{self._http.host}: a result without a type", kind="unreadable"))

    def _line_error(self, error: Any) -> ProviderError:
        inner = error.get("error") if isinstance(error, dict) else None
        kind = inner.get("type") if isinstance(inner, dict) else None
        return self._http.line_fault(_STATUS_OF.get(str(kind), 500), error)


def _time(text: Any) -> float:
    """An RFC 3339 moment in seconds; one that cannot be read counts as now, so that nothing is overlooked."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return float("inf")


def open_anthropic_batches(
    spec: AnthropicSpec, key: str | None, *, body: Callable[[Request], Mapping[str, Any]]
) -> AnthropicBatches:
    """The batch service behind an entry. Without a key, none of environment or profile is used."""
    credentials: dict[str, str] = {}
    client = anthropic.AsyncAnthropic(
        api_key=key or "none",  # without one the SDK looks for credentials; the hook does not send it
        base_url=spec.base_url,
        max_retries=0,
        open_telemetry=False,
        http_client=anthropic.DefaultAsyncHttpxClient(**batch_options(credentials, spec)),
    )
    if key:
        credentials.update(client.auth_headers)
    errors = SdkErrors(anthropic.APIStatusError, anthropic.APIConnectionError)
    endpoint = Endpoint(spec.host, spec.model, spec.api_key_env, key)
    return AnthropicBatches(BatchHttp(client, endpoint, spec.timeout, errors), body)
