"""The wire under both SDK clients: one aiohttp session a provider, and nothing on it that is not ours.

The SDKs read custom headers, organisations and credentials from the environment by themselves, and HTTP libraries
keep cookies and follow redirects; a key must go to its own host only. So the headers that leave are picked here by
name, the credentials among them given by the caller. Covered: bounded replies, compressed replies, a proxy for https.
Not covered: deadlines of a whole call, retries, HTTP/2, an SDK's files and queries.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from yarl import URL

__all__ = ["HEADERS", "LONGEST_REPLY", "Client", "TooLong", "Transport", "proxy_for", "repeated"]

LONGEST_REPLY = 512 * 2**20
"""Bytes of a reply, unpacked; results of whole batches are the longest."""

_SENT = frozenset({"accept", "anthropic-beta", "anthropic-version", "content-type", "user-agent"})
"""Of the headers that an SDK writes, those that leave. aiohttp adds Host, Content-Length and Accept-Encoding."""

HEADERS = "headers"
"""The extension under which a request's headers stand as they are to be sent, and all those of a response."""


class TooLong(aiohttp.ClientPayloadError):
    """A reply longer than any that makes sense."""


class Client(httpx2.AsyncClient):
    """The HTTP client under one SDK client, which asks it for two things only: build this request, send it.

    The base class would merge headers, cookies, queries, authentication and redirects that are all switched off here,
    at a tenth of what a whole call costs (`benchmarks/calls.py chains`).
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport=transport, follow_redirects=False, timeout=None, trust_env=False)
        self._wire = transport

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """A request with those headers only that may leave; `parts` are the base class's arguments."""
        headers = parts.get("headers") or ()
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        picked = {name.lower(): value for name, value in pairs if name.lower() in _SENT}
        return httpx2.Request(method, _parsed(str(url)), content=parts.get("content"), extensions={HEADERS: picked})

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """Send a request once. The whole reply has come, and lies in the response's stream."""
        return await self._wire.handle_async_request(request)


def repeated(request: httpx2.Request, content: bytes) -> httpx2.Request:
    """The same request with another content."""
    return httpx2.Request(request.method, request.url, stream=httpx2.ByteStream(content), extensions=request.extensions)


class Transport(httpx2.AsyncBaseTransport):
    """Carries the requests of one SDK client. Use from one event loop."""

    def __init__(self, credentials: Mapping[str, str], *, base_url: str, connect_seconds: float) -> None:
        """`credentials` are headers added to every request; the caller may fill them in before the first one."""
        self._credentials = credentials
        self._proxy = proxy_for(base_url)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds)
        self._is_tls = base_url.startswith("https:")
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send once and read the whole reply, whose headers are an extension. Raises what aiohttp raises."""
        if self._session is None:
            self._session = self._opened()
        headers = {**request.extensions[HEADERS], **self._credentials}
        async with self._session.request(
            request.method,
            _address(str(request.url)),
            headers=headers,
            data=request.read() or None,
            allow_redirects=False,
            timeout=self._timeout,
            proxy=self._proxy,
        ) as reply:
            return httpx2.Response(
                reply.status,
                headers={"content-type": reply.headers.get("content-type", "")},
                stream=httpx2.ByteStream(await _whole(reply)),  # with `content`, its making takes seven times as long
                request=request,
                extensions={HEADERS: reply.headers},
            )

    def _opened(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=httpx2.create_ssl_context() if self._is_tls else True)
        session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        weakref.finalize(self, _forget, session, asyncio.get_running_loop())
        return session

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def _forget(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> None:
    """Close a session that nobody will ask for anything any more, where its loop still runs, as a notebook's does."""
    if loop.is_running() and not session.closed:
        asyncio.run_coroutine_threadsafe(session.close(), loop)


async def _whole(reply: aiohttp.ClientResponse) -> bytes:
    chunks = []
    size = 0
    async for chunk in reply.content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > LONGEST_REPLY:
            raise TooLong(f"more than {LONGEST_REPLY} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


@lru_cache(maxsize=64)
def _parsed(url: str) -> httpx2.URL:
    return httpx2.URL(url)


@lru_cache(maxsize=64)
def _address(url: str) -> URL:
    return URL(url, encoded=True)


def proxy_for(base_url: str) -> str | None:
    """The proxy that the environment names for an address, by the usual variables (HTTPS_PROXY, NO_PROXY).

    Over https a proxy sees the host's name and nothing else. Where there is no https the key and all texts would pass
    through it in the clear, so there none is used.
    """
    parts = urlsplit(base_url)
    if parts.scheme != "https" or proxy_bypass(parts.hostname or ""):
        return None
    return getproxies().get("https")
