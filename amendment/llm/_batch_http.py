"""HTTP of the vendors' batch services: small JSON objects, uploads, and JSON lines read as a stream.

Covered: every fault is classified by the table that online calls have; the SDK's client carries connection and
headers, without retries of its own. Not covered: what the objects mean; see the two services.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx2

from amendment.errors import CredentialsError, ProviderError, Transient
from amendment.llm._client import http_options
from amendment.llm._http import Endpoint, body_of, fault_of
from amendment.llm.specs import HostedSpec

__all__ = ["BatchHttp", "SdkErrors", "batch_options", "line_body", "part"]

LONGEST_TRANSFER = 3600.0
"""Seconds in which a file of requests has to be taken."""


def batch_options(credentials: dict[str, str], spec: HostedSpec) -> dict[str, Any]:
    """Keyword arguments of an SDK's own HTTP client: as `http_options`, but no connection outlives its call.

    Minutes lie between two polls, and a connection that is not kept needs no end.
    """
    options = http_options(credentials, timeout=spec.timeout, connections=1, base_url=spec.base_url)
    return {**options, "limits": httpx2.Limits(max_connections=None, max_keepalive_connections=0)}


class SdkErrors(NamedTuple):
    """The two errors of an SDK that a call can end with."""

    status: type[Any]
    """For another status than success; it carries the response."""
    connection: type[Exception]


class Page(NamedTuple):
    """Some of a vendor's batches, newest first."""

    batches: list[dict[str, Any]]
    has_more: bool


class BatchHttp:
    """One vendor's batch service, as far as HTTP goes."""

    def __init__(self, client: Any, endpoint: Endpoint, timeout: float, errors: SdkErrors) -> None:
        self.host = endpoint.host
        self.endpoint = endpoint
        self._client = client
        self._timeout = timeout
        self._errors = errors
        self._has_answered = False

    async def listed(self, path: str, **query: str | int) -> Page:
        """A page of the batches that there are. Raises CredentialsError where they cannot be listed."""
        page = await self.get(path, **query)
        if page is None:
            raise CredentialsError(
                f"{self.host}: batches cannot be listed (status 404), so nobody can tell whether one that was being "
                "handed in was made. Check base_url; at a server without such a list, look there yourself"
            )
        batches = [batch for batch in page.get("data") or () if isinstance(batch, dict) and batch.get("id")]
        return Page(batches, bool(batches and page.get("has_more")))

    async def get(self, path: str, **query: str | int) -> dict[str, Any] | None:
        """The object at a path; None where there is none."""
        options = {"params": query} if query else {}
        try:
            call = self._client.get(path, cast_to=httpx2.Response, options=options)
            return self._object(await self._checked(call, self._timeout))
        except _NotFound:
            return None

    async def make(self, path: str, *, content: bytes) -> dict[str, Any]:
        """What comes of a JSON body. Raises CredentialsError where no batch service is at this address."""
        options = {"headers": {"Content-Type": "application/json"}}
        call = self._client.post(path, cast_to=httpx2.Response, content=content, options=options)
        return await self._made(call)

    async def upload(self, path: str, *, name: str, content: bytes, purpose: str) -> dict[str, Any]:
        """What comes of a file."""
        options = {"headers": {"Content-Type": "multipart/form-data"}}
        files = {"file": (name, content, "application/jsonl")}
        body = {"purpose": purpose}
        call = self._client.post(path, cast_to=httpx2.Response, body=body, files=files, options=options)
        return await self._made(call)

    def named(self, made: dict[str, Any]) -> str:
        """The id of what was made. Raises Transient where the reply has none."""
        if not isinstance(made.get("id"), str) or not made["id"]:
            raise Transient(f"{self.host}: the reply names no id", kind="unreadable")
        return str(made["id"])

    async def lines(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """The JSON objects of a file, as they come. What is no object is left out; a file that is gone has none."""
        call = self._client.get(path, cast_to=httpx2.Response, stream=True, stream_cls=object)
        try:
            response = await self._checked(call, self._timeout)
        except _NotFound:
            return
        try:
            async for line in _split(response):
                if (read := _object_in(self.endpoint.without_key(line))) is not None:
                    yield read
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as fault:
            raise Transient(f"{self.host}: the results broke off ({type(fault).__name__})", kind="transport") from None
        finally:
            await response.aclose()

    def answered(self, body: Any) -> bytes:
        """A reply that stood in a line, as the bytes that the ledger keeps; equal as JSON."""
        self._has_answered = True
        return line_body(body)

    def line_fault(self, status: int, error: Any) -> ProviderError:
        """What an error in a line means: the same as the same error online."""
        first = not self._has_answered
        return fault_of(self.endpoint, status if status >= 400 else 500, {}, line_body(error), at_first=first)

    async def _made(self, call: Awaitable[httpx2.Response]) -> dict[str, Any]:
        try:
            return self._object(await self._checked(call, LONGEST_TRANSFER))
        except _NotFound:
            raise CredentialsError(
                f"{self.host}: no batch service at this address, or no such model (status 404). "
                "Check base_url and model, or ask one call after another: mode: online"
            ) from None

    def _object(self, response: httpx2.Response) -> dict[str, Any]:
        return body_of(self.endpoint.without_key(response.content), self.host)

    async def _checked(self, call: Awaitable[httpx2.Response], timeout: float) -> httpx2.Response:
        """The response of a good status; every other end as an error of ours."""
        try:
            async with asyncio.timeout(timeout):
                return await call
        except self._errors.status as fault:
            reply = fault.response
            if reply.status_code == 404:
                raise _NotFound from None
            raise fault_of(self.endpoint, reply.status_code, reply.headers, reply.content) from None
        except TimeoutError:
            raise Transient(f"{self.host}: no reply within {timeout:g} s", kind="deadline") from None
        except (self._errors.connection, httpx2.HTTPError, OSError) as fault:
            raise _broken(self.host, fault.__cause__ or fault) from None


def _broken(host: str, cause: BaseException) -> Transient:
    """No reply: `refused` where nobody took the connection, so that nothing can have been made of the call."""
    nobody = isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError)
    return Transient(f"{host}: no reply ({type(cause).__name__})", kind="refused" if nobody else "transport")


class _NotFound(Exception):
    """Status 404, which means another thing at each address."""


def part(name: str) -> str:
    """A server's name of something, as one part of a path and never more."""
    return quote(name, safe="")


def line_body(value: Any) -> bytes:
    """A value as JSON, with whatever a server's texts hold escaped."""
    return json.dumps(value, separators=(",", ":")).encode()


async def _split(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Lines by line feeds alone: JSON may hold other line ends as they are."""
    rest = bytearray()
    async for chunk in response.aiter_bytes():
        rest += chunk
        *whole, last = rest.split(b"\n")
        rest = bytearray(last)
        for line in whole:
            yield bytes(line)
    yield bytes(rest)


def _object_in(line: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return read if isinstance(read, dict) else None
