"""The wire under both SDK clients: one aiohttp session a provider, and nothing on it that is not ours.

The SDKs read custom headers, organisations and credentials from the environment by themselves, and HTTP libraries
keep cookies and follow redirects; a key must go to its own host only. So the headers that leave are picked here by
name, the credentials among them given by the caller. Covered: bounded replies, compressed replies, a proxy for https.
Not covered: deadlines of a whole call, retries, HTTP/2.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from yarl import URL

__all__ = ["HEADERS", "LONGEST_REPLY", "TooLong", "Transport", "proxy_for"]

LONGEST_REPLY = 512 * 2**20
"""Bytes of a reply, unpacked; results of whole batches are the longest."""

_SENT = frozenset({b"accept", b"anthropic-beta", b"anthropic-version", b"content-type", b"user-agent"})
"""Of the headers that an SDK writes, those that leave. aiohttp adds Host, Content-Length and Accept-Encoding."""

HEADERS = "headers"
"""The extension of a response under which all of the reply's headers are found, fast to look up."""


class TooLong(aiohttp.ClientPayloadError):
    """A reply longer than any that makes sense."""


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
        headers = {name.decode(): value.decode() for name, value in request.headers.raw if name.lower() in _SENT}
        headers.update(self._credentials)
        async with self._session.request(
            request.method,
            _address(str(request.url)),
            headers=headers,
            data=await request.aread() or None,
            allow_redirects=False,
            timeout=self._timeout,
            proxy=self._proxy,
        ) as reply:
            return httpx2.Response(
                reply.status,
                headers={"content-type": reply.headers.get("content-type", "")},
                content=await _whole(reply),
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
