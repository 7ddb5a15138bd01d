"""What the two SDK clients share: no retries, no redirects, no header that the environment slipped in.

The SDKs read custom headers, organisations and credentials from the environment by themselves. A key must
go to its own host only, so a hook drops every header that the protocol does not need just before sending.
"""

from __future__ import annotations

from typing import Any

import httpx2

__all__ = ["http_options"]

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


def http_options(headers: dict[str, str], *, timeout: float, connections: int) -> dict[str, Any]:
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
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, 15.0)),
    }
