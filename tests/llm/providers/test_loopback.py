"""The small HTTP server's bounds on waiting and on connections, and its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from amendment.llm import _loopback
from amendment.llm._loopback import Replied, serve_loopback

Lines = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Lines]]
WHOLE = b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}"


class Once:
    """Sends the signal that ends the server, once: the next one would end the tests."""

    def __init__(self) -> None:
        self.sent = False

    def __call__(self) -> None:
        if not self.sent:
            self.sent = True
            signal.raise_signal(signal.SIGTERM)


def serving(use: Callable[[Dial, Once], Awaitable[None]]) -> int:
    """Serve an echo of paths while `use` talks to it; gives how many requests were answered."""

    async def main() -> int:
        port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        server = asyncio.ensure_future(
            serve_loopback(lambda asked: Replied(200, asked.path.encode()), str.encode, port=0, ready=port.set_result)
        )
        number = await port
        end = Once()
        try:
            await use(lambda: asyncio.open_connection("127.0.0.1", number), end)
        finally:
            end()
        return await server

    return asyncio.run(asyncio.wait_for(main(), 20))


async def answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head.split(b"\r\n")[0] + b" " + await reader.readexactly(length)


@pytest.mark.parametrize("part", [b"", b"POST /x HTT", WHOLE[:-1]])
def test_a_request_that_does_not_come_to_its_end_is_let_go(part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loopback, "PATIENCE", 0.05)

    async def use(dial: Dial, end: Once) -> None:
        reader, writer = await dial()
        writer.write(part)
        assert await reader.read() == b""
        writer.close()

    assert serving(use) == 0


def test_one_connection_too_many_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_loopback, "MOST_CONNECTIONS", 2)

    async def use(dial: Dial, end: Once) -> None:
        kept = [await dial() for _ in range(2)]
        for reader, writer in kept:
            writer.write(WHOLE)
            assert await answer(reader) == b"HTTP/1.1 200 OK /x"
        reader, writer = await dial()
        writer.write(WHOLE)
        assert (await answer(reader)).startswith(b"HTTP/1.1 503")
        for _, one in (*kept, (reader, writer)):
            one.close()

    assert serving(use) == 2


def test_a_request_whose_body_is_on_its_way_is_answered_before_the_end() -> None:
    async def use(dial: Dial, end: Once) -> None:
        reader, writer = await dial()
        writer.write(WHOLE[:-1])
        probe, asking = await dial()
        asking.write(WHOLE)
        await answer(probe)  # so the head of the first has been read
        end()
        assert await probe.read() == b"", "an idle connection is closed at once"
        writer.write(WHOLE[-1:])
        assert await answer(reader) == b"HTTP/1.1 200 OK /x"
        assert await reader.read() == b""
        for one in (writer, asking):
            one.close()

    assert serving(use) == 2


def test_the_signals_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def use(dial: Dial, end: Once) -> None:
        reader, writer = await dial()
        writer.write(b"GET / HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n")
        assert await answer(reader) == b"HTTP/1.1 200 OK /"
        assert await reader.read() == b"", "a client of HTTP/1.0 waits for the end"
        writer.close()

    serving(use)
    assert signal.getsignal(signal.SIGTERM) is before
