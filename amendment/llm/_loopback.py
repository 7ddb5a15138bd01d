"""A small HTTP/1.1 server for JSON on loopback: whole requests in, whole replies out, connections kept alive.

Covered: bounds on heads, bodies, waiting and connections; names of this machine alone, so that no page in a browser
reaches it by a name of its own; an end that lets replies on their way finish. What is no request that it knows is
told so and its connection closed. Not covered: TLS, chunked bodies, streaming, any other address than 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import NamedTuple

__all__ = ["LONGEST_BODY", "Asked", "Handler", "Replied", "serve_loopback"]

LONGEST_HEAD = 16 * 1024
"""Bytes of a request line and its headers."""
LONGEST_BODY = 1024 * 1024
"""Bytes of a request's body."""
PATIENCE = 60.0
"""Seconds in which the next request, or the rest of one, has to come."""
MOST_CONNECTIONS = 512
GRACE = 5.0
"""Seconds for replies on their way when the server is ended."""
LINGER = 2.0
"""Seconds, and bytes, for the rest of a request that was refused."""
LONGEST_LINGER = 32 * LONGEST_BODY
_NAMES = frozenset({"127.0.0.1", "localhost"})


class Asked(NamedTuple):
    """A request with its whole body."""

    method: str
    path: str
    body: bytes


class Replied(NamedTuple):
    """A status and a JSON body."""

    status: int
    body: bytes


Handler = Callable[[Asked], Replied]


class _Refused(Exception):
    """What came is not taken, and the connection ends."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Head(NamedTuple):
    method: str
    path: str
    n_body: int
    keeps_alive: bool


async def serve_loopback(
    handler: Handler, refusal: Callable[[str], bytes], *, port: int, ready: Callable[[int], None]
) -> int:
    """Answer on 127.0.0.1 until SIGINT or SIGTERM; returns how many requests were answered.

    `refusal` words the body of what is refused before the handler sees it; `ready` is told the port. Raises
    OSError where the port cannot be had.
    """
    listening = _Listening(handler, refusal)
    server = await asyncio.start_server(listening.meet, "127.0.0.1", port, limit=LONGEST_HEAD, backlog=MOST_CONNECTIONS)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    try:
        ready(server.sockets[0].getsockname()[1])
        await ended.wait()
    finally:
        server.close()
        await listening.end()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return listening.answered


class _Listening:
    """The connections of one server."""

    def __init__(self, handler: Handler, refusal: Callable[[str], bytes]) -> None:
        self.answered = 0
        self._handler = handler
        self._refusal = refusal
        self._open: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()
        self._ending = False

    def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._talk(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def end(self) -> None:
        """Close idle connections at once, and those that are being answered after their reply."""
        self._ending = True
        for task in self._open - self._busy:
            task.cancel()
        if self._busy:
            await asyncio.wait(set(self._busy), timeout=GRACE)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its first request to its end."""
        try:
            if len(self._open) > MOST_CONNECTIONS:
                raise _Refused(503, f"more than {MOST_CONNECTIONS} connections; close some")
            while await self._exchange(reader, writer):
                pass
        except _Refused as fault:
            _write(writer, Replied(fault.status, self._refusal(str(fault))), keeps_alive=False)
            await _linger(reader, writer)
        except (OSError, EOFError, TimeoutError):
            pass  # whoever asked has left, or never came to the point
        finally:
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether another may follow."""
        async with asyncio.timeout(PATIENCE):
            head = _read_head(await _until_blank(reader))
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        try:
            async with asyncio.timeout(PATIENCE):
                body = await reader.readexactly(head.n_body)
                keeps_alive = head.keeps_alive and not self._ending
                _write(writer, self._handler(Asked(head.method, head.path, body)), keeps_alive=keeps_alive)
                self.answered += 1
                await writer.drain()
        finally:
            self._busy.discard(task)
        return keeps_alive


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take in what is still being sent, within bounds: a connection closed before would lose the refusal."""
    try:
        async with asyncio.timeout(LINGER):
            writer.write_eof()
            for _ in range(LONGEST_LINGER // LONGEST_HEAD):
                if not await reader.read(LONGEST_HEAD):
                    return
    except (OSError, TimeoutError):
        pass  # whoever asked does not listen


async def _until_blank(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise _Refused(431, f"the request's head is longer than {LONGEST_HEAD} bytes") from None


def _read_head(raw: bytes) -> _Head:
    """The request line and what is needed of the headers. Raises _Refused for all that is not plainly HTTP/1.1."""
    line, *rows = raw[:-4].decode("latin-1").split("\r\n")
    match line.split(" "):
        case [method, path, ("HTTP/1.1" | "HTTP/1.0") as version] if method.isalpha() and path.startswith("/"):
            pass
        case _:
            raise _Refused(400, "no HTTP/1.1 request")
    headers = dict(_headers(rows))
    _check_name(headers.get("host", ""))
    if "transfer-encoding" in headers:
        raise _Refused(411, "send Content-Length; chunked bodies are not taken")
    keeps_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return _Head(method, path, _length(headers.get("content-length", "0")), keeps_alive)


def _headers(rows: list[str]) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for row in rows:
        name, colon, value = row.partition(":")
        name = name.lower()
        if not colon or not name or name != name.strip():
            raise _Refused(400, "a header that cannot be read")
        if name in seen and name in ("host", "content-length"):
            raise _Refused(400, f"{name} stands there twice")
        seen.add(name)
        yield name, value.strip()


def _check_name(host: str) -> None:
    if host.rpartition(":")[0] not in _NAMES and host not in _NAMES:
        raise _Refused(421, "this server answers to 127.0.0.1 and localhost alone")


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _Refused(400, "Content-Length is no number")
    if int(text) > LONGEST_BODY:
        raise _Refused(413, f"the body is longer than {LONGEST_BODY} bytes")
    return int(text)


def _write(writer: asyncio.StreamWriter, replied: Replied, *, keeps_alive: bool) -> None:
    status = HTTPStatus(replied.status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(replied.body)}\r\nconnection: {'keep-alive' if keeps_alive else 'close'}\r\n\r\n"
    )
    writer.write(head.encode("latin-1") + replied.body)
