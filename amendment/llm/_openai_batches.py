"""OpenAI's batch service: a file of requests is uploaded, a batch made of it, and two files read at its end.

Covered: chat completions and responses; batches that failed, expired or were cancelled, whose paid lines are in the
output file all the same. A batch is found again by a name of ours in its metadata. Not covered: deleting files at
the vendor, which lets them go by itself after thirty days.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from typing import Any

import openai

from amendment.errors import ProviderError, Rejected, Transient
from amendment.llm._batch_http import BatchHttp, SdkErrors, batch_options, line_body, part
from amendment.llm._hosted import encoded
from amendment.llm._http import Endpoint, shown
from amendment.llm.batch_service import BatchLimits, BatchLine, BatchState, Found, LineOutcome
from amendment.llm.requests import Request
from amendment.llm.specs import OpenAISpec

__all__ = ["OpenAIBatches", "open_openai_batches"]

LIMITS = BatchLimits(lines=50_000, bytes=200_000_000)
SLACK = 3600.0
"""Seconds that this clock and the vendor's may differ by."""
PAGE = 100
_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
_UNASKED = frozenset({"batch_expired", "batch_cancelled"})


class OpenAIBatches:
    """Batches at one server."""

    limits = LIMITS

    def __init__(self, http: BatchHttp, path: str, body: Callable[[Request], Mapping[str, Any]]) -> None:
        """`path` is where the same requests would go online, and `body` what they would say there."""
        self._http = http
        self._url = f"/v1{path}"
        self._body = body

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """The line of a request. Raises Rejected for what the protocol cannot ask."""
        whole = {"custom_id": custom_id, "method": "POST", "url": self._url, "body": dict(self._body(request))}
        return BatchLine(custom_id, encoded(whole, self._http.host))

    async def submit(self, lines: Sequence[BatchLine], shard: str) -> str:
        """Upload the lines and make a batch of them; its name at the vendor."""
        content = b"\n".join(line.body for line in lines) + b"\n"
        file = await self._http.upload("/files", name=f"{shard}.jsonl", content=content, purpose="batch")
        wanted = {
            "input_file_id": self._http.named(file),
            "endpoint": self._url,
            "completion_window": "24h",
            "metadata": {"shard": shard},
        }
        return self._http.named(await self._http.make("/batches", content=line_body(wanted)))

    async def find(self, shard: str, custom_ids: Collection[str], since: float) -> Found:
        """The batch of this shard, if it was made; its metadata tells for certain."""
        query: dict[str, str | int] = {"limit": PAGE}
        while True:
            page = await self._http.listed("/batches", **query)
            for batch in page.batches:
                if (batch.get("metadata") or {}).get("shard") == shard:
                    return Found(str(batch["id"]))
            if not page.has_more or (page.batches[-1].get("created_at") or 0) < since - SLACK:
                return Found(None)
            query["after"] = str(page.batches[-1]["id"])

    async def poll(self, remote: str) -> BatchState:
        """How far a batch is."""
        batch = await self._http.get(f"/batches/{part(remote)}")
        if batch is None:
            return BatchState("gone", is_ended=True)
        status = str(batch.get("status"))
        counts = batch.get("request_counts") or {}
        done = sum(counts.get(name) or 0 for name in ("completed", "failed"))
        fault = self._failure(batch) if status == "failed" else None
        return BatchState(status, is_ended=status in _ENDED, done=done, fault=fault)

    def _failure(self, batch: dict[str, Any]) -> ProviderError:
        """Why a batch was not begun: nothing of it was asked."""
        errors = (batch.get("errors") or {}).get("data") or [{}]
        first = errors[0] if isinstance(errors[0], dict) else {}
        code = str(first.get("code"))
        if code in ("token_limit_exceeded", "rate_limit_exceeded"):
            said = shown(f"{code} {first.get('message')}", self._http.endpoint.key)
            return Transient(f"{self._http.host}: {said}", kind="rate", status=429)
        fault = self._http.line_fault(429 if "quota" in code else 400, {"error": first})
        if isinstance(fault, Rejected):
            return ProviderError(f"{fault}. The vendor refused the whole batch; nothing of it was asked.")
        return fault

    async def results(self, remote: str) -> AsyncIterator[LineOutcome]:
        """What is in the output file, and then in the error file; in any order, and of any ended batch."""
        batch = await self._http.get(f"/batches/{part(remote)}") or {}
        for name in ("output_file_id", "error_file_id"):
            if not batch.get(name):
                continue
            async for line in self._http.lines(f"/files/{part(str(batch[name]))}/content"):
                yield self._outcome(line)

    def _outcome(self, line: dict[str, Any]) -> LineOutcome:
        custom_id = str(line.get("custom_id"))
        response, error = line.get("response"), line.get("error")
        if isinstance(response, dict) and response.get("body") is not None:
            status = response.get("status_code")
            if isinstance(status, int) and 200 <= status < 300:
                name = self._http.endpoint.call_name(response.get("request_id"))
                return LineOutcome(custom_id, self._http.answered(response["body"]), server_id=name)
            fault = self._http.line_fault(status if isinstance(status, int) else 500, response["body"])
            return LineOutcome(custom_id, fault=fault)
        return LineOutcome(custom_id, fault=self._line_error(error if isinstance(error, dict) else {}))

    def _line_error(self, error: dict[str, Any]) -> ProviderError:
        code = str(error.get("code"))
        if code in _UNASKED:
            return Transient(f"{self._http.host}: the batch ended before this request was asked ({code})")
        status = 429 if "quota" in code or "rate_limit" in code else 400 if code.startswith("invalid") else 500
        return self._http.line_fault(status, {"error": error})


def open_openai_batches(
    spec: OpenAISpec, key: str | None, *, path: str, body: Callable[[Request], Mapping[str, Any]]
) -> OpenAIBatches:
    """The batch service behind an entry. Without a key, none of the environment is sent."""
    credentials: dict[str, str] = {}
    client = openai.AsyncOpenAI(
        api_key=key or "none",  # the SDK wants one; the hook does not send it
        base_url=spec.base_url,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(**batch_options(credentials, spec)),
    )
    if key:
        credentials.update(client.auth_headers)
    errors = SdkErrors(openai.APIStatusError, openai.APIConnectionError)
    endpoint = Endpoint(spec.host, spec.model, spec.api_key_env, key)
    return OpenAIBatches(BatchHttp(client, endpoint, spec.timeout, errors), path, body)
