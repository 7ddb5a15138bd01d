"""Limit the bytes of a reply that are read, so that a server that never stops sending does not fill the memory.

Covered: bodies of good replies and of errors, with and without a length, counted after they are unpacked. Not covered:
the time that a reply takes; see `transport`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextvars import ContextVar

import httpx2

from amendment.errors import Transient
from amendment.llm.requests import Request

LONGEST = 64 * 2**20
"""No reply is longer: a quarter of a million tokens at BYTES_PER_TOKEN, several millions at their usual length."""
LEAST = 4 * 2**20
"""The limit of a reply without tokens."""
BYTES_PER_TOKEN = 256
"""A token of JSON has about 5 bytes, the longest ones 128; its log-probability as part of a prompt about 200."""
MOST: ContextVar[float] = ContextVar("the most bytes of the next reply", default=LONGEST)


def most_bytes(request: Request, question: bytes) -> int:
    """Return the limit of the reply to a request, whose body is `question`."""
    tokens = request.sampling.max_tokens if request.scored is None else len(question)
    return LONGEST if tokens is None else min(LEAST + BYTES_PER_TOKEN * tokens, LONGEST)


def too_long(host: str, most: float) -> Transient:
    """Return the fault for a reply that goes on after `most` bytes."""
    return Transient(
        f"{host}: the reply is longer than {most:,.0f} bytes, more than any answer within max_tokens needs; the "
        "rest was not read. Check which server answers at base_url",
        kind="unreadable",
    )


async def bound(response: httpx2.Response, *, host: str) -> None:
    """Limit the body of a response that has not been read yet. An error gets the limit of a reply, never more."""
    packed = httpx2.Response(response.status_code, headers=response.headers, stream=response.stream)
    most = min(MOST.get(), LONGEST) if response.is_error else MOST.get()
    response.headers.pop("content-encoding", None)
    response.stream = _Bounded(packed, most, host)


class _Bounded(httpx2.AsyncByteStream):
    """An unpacked body. Raises Transient where it is longer than `most` bytes."""

    def __init__(self, packed: httpx2.Response, most: float, host: str) -> None:
        self._packed, self._most, self._host = packed, most, host

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._packed.aiter_bytes():
            size += len(part)
            if size > self._most:
                raise too_long(self._host, self._most)
            yield part

    async def aclose(self) -> None:
        await self._packed.aclose()
