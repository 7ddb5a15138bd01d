"""What stands before the labelling page: whose requests are taken, how long they may be, and what every reply says.

In this order: a host that is not ours, a read from another site's page, a write whose `Origin` is not the page's own
(an absent one is no pass), a type other than JSON, a body that is too long. After DNS rebinding or from another port
of this machine the cookie may come along; these checks are what holds then.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["LONGEST_BODY", "POLICY", "Guard"]

LONGEST_BODY = 64 * 1024
"""Bytes of a request's body."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
_READS = ("GET", "HEAD")
_OPEN_PATH = "/"
"""May be reached by a link on another site: it holds nothing."""


class Guard:
    """An ASGI application around another one. `hosts` are the values of `Host` that are taken, with their port."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no websockets here
        answer = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, answer)
            return
        body = b"" if scope["method"] in _READS else await _whole_body(receive)
        if body is None:
            await _refused(413, f"the body is longer than {LONGEST_BODY} bytes")(scope, receive, answer)
            return
        await self._app(scope, _replay(body, receive), answer)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _refused(421, "this page is not served under that name; use the address that was printed")
        if scope["method"] in _READS:
            site = headers.get("sec-fetch-site", "none")
            is_ours = site in ("same-origin", "none") or scope["path"] == _OPEN_PATH
            return None if is_ours else _refused(403, "asked for by a page of another site")
        if headers.getlist("origin") != [f"http://{hosts[0]}"]:
            return _refused(403, "Origin is absent or another site's; only the page itself may write")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "expected Content-Type: application/json")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length[:20]) > LONGEST_BODY:
            return _refused(413, f"the body is longer than {LONGEST_BODY} bytes")
        return None


def _refused(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": message}, status)


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_HEADERS)
        await send(message)

    return sending


async def _whole_body(receive: Receive) -> bytes | None:
    """The body, whatever length was announced; None where it is too long."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > LONGEST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body once more for the application behind; then what the connection still says."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving
