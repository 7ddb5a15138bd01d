"""What the two SDK clients share: no retries, no redirects, no header that the environment slipped in.

`http_client` and `Repeating` are for calls, one small reply each; `http_options` are for batches, whose files are read
as streams.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from amendment.llm._transport import Client, Transport, proxy_for, repeated

__all__ = ["Repeating", "http_client", "http_options"]

CONNECT_SECONDS = 15.0
"""The longest that a connection may take to stand, TLS included."""

_NEEDED = frozenset(
    {
        "accept",
        "accept-encoding",
        "anthropic-version",
        "connection",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)


class Repeating:
    """Goes before the class of an SDK's client: its requests to one address differ in nothing but their content.

    So the SDK builds the first one, and the others are made of it: building takes the SDKs about a tenth of what a
    whole call costs (`benchmarks/calls.py chains`). Only over `http_client`, and for calls without headers or queries
    of their own. `_build_request` is the SDKs' own affair: where they name it otherwise, they build every request.
    """

    _first: httpx2.Request | None = None
    _first_url = ""

    def _build_request(self, options: Any, *, retries_taken: int = 0) -> httpx2.Request:
        if self._first is None or options.url != self._first_url:
            built: httpx2.Request = super()._build_request(options, retries_taken=retries_taken)  # type: ignore[misc]
            self._first, self._first_url = repeated(built, b""), options.url
            return built
        return repeated(self._first, options.content)


def http_client(credentials: Mapping[str, str], *, base_url: str, timeout: float) -> httpx2.AsyncClient:
    """The HTTP client for an SDK's client. `credentials` may be filled in until the first request."""
    wire = Transport(credentials, base_url=base_url, connect_seconds=min(timeout, CONNECT_SECONDS))
    return Client(wire)


def http_options(
    headers: dict[str, str], *, timeout: float, connections: int, base_url: str | None = None
) -> dict[str, Any]:
    """Keyword arguments of an SDK's own HTTP client.

    `headers` are the credentials, the only ones that are sent; the caller may fill them in later.
    """

    async def leave_only_ours(request: httpx2.Request) -> None:
        for name in list(request.headers):
            if name.lower() not in _NEEDED:
                del request.headers[name]
        request.headers.update(headers)

    return {
        "event_hooks": {"request": [leave_only_ours]},
        "follow_redirects": False,
        "limits": httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
        "proxy": proxy_for(base_url) if base_url else None,
        "trust_env": False,
    }
