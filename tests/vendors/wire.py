"""HTTP/1.1 as the vendors' servers speak it, down to the bytes, so that a test can break it at any of them.

Covered: requests with a length or in chunks, connections kept alive, replies that are cut, reset or dripped.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from http import HTTPStatus
from typing import Any, NamedTuple

LONGEST_HEAD = 64 * 1024


class Answer(NamedTuple):
    """What a handler says. `paid`: the vendor bills for it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    paid: bool = False

    @classmethod
    def of(cls, value: Any, status: int = 200, *, paid: bool = False) -> Answer:
        """A JSON value as an answer. What JSON has no word for (NaN) is written as Python does."""
        return cls(status, json.dumps(value, separators=(",", ":")).encode(), {}, paid)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Ask:
    """One request as it came in."""

    def __init__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.path, _, self.query = path.partition("?")
        self.headers = headers
        """By lower-case name."""
        self.body = body
        self.at = 0.0
        """When it came in, by the monotonic clock."""
        self.nth = 0
        """How many times this very request has come, this time included."""
        self.parts: Mapping[str, str] = {}
        """The named groups of the route's pattern."""

    @cached_property
    def key(self) -> str:
        """What tells this request from others: method, path and body."""
        return sha256(f"{self.method} {self.path}\n".encode() + self.body).hexdigest()

    @cached_property
    def json(self) -> Any:
        """The body, read once. Raises ValueError where it is no JSON."""
        return json.loads(self.body)

    @property
    def is_anthropic(self) -> bool:
        """Whether it speaks Anthropic's protocol, and wants errors in its words."""
        return self.path.startswith("/v1/messages")


async def read_ask(reader: asyncio.StreamReader) -> Ask | None:
    """The next request of a connection; None when there is no other."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *rows = head[:-4].decode("latin-1").split("\r\n")
        method, path, _ = line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
        return Ask(method, path, headers, await _read_body(reader, headers))
    except (asyncio.IncompleteReadError, OSError):
        return None


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    found = bytearray()
    while size := int((await reader.readline()).split(b";")[0], 16):
        found += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return bytes(found)


def _head(answer: Answer) -> bytes:
    phrase = "Overloaded" if answer.status == 529 else HTTPStatus(answer.status).phrase
    headers = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
    rows = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {answer.status} {phrase}\r\n{rows}\r\n".encode("latin-1")


async def give(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """The whole answer. Raises OSError where nobody takes it."""
    writer.write(_head(answer) + answer.body)
    await writer.drain()


async def cut(writer: asyncio.StreamWriter, answer: Answer) -> None:
    """The head and half of the body; then the connection is reset."""
    writer.write(_head(answer) + answer.body[: len(answer.body) // 2])
    await writer.drain()
    await asyncio.sleep(0.01)  # a reset overtakes what is not read yet
    reset(writer)


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer, pause: float) -> None:
    """The head, and then one byte of the body after each pause, for as long as somebody takes them."""
    writer.write(_head(answer))
    leaving = asyncio.ensure_future(reader.read(1))
    try:
        for at in range(len(answer.body)):
            await asyncio.wait([leaving], timeout=pause)
            if leaving.done():
                return
            writer.write(answer.body[at : at + 1])
    finally:
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST instead of FIN."""
    found = writer.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
