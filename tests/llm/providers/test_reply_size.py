"""Replies that are longer than an answer can be: refused while they come, whatever way they are sent."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

SENT = 200 * 2**20
"""Bytes after which the server ends, so that a client without a limit shows how much it takes."""
MOST_GROWN = 120
"""MiB; a line of a batch's results may have half of it."""
ZEROS = bytes(2**20)
HEAD = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\n%s\r\n\r\n"
CHUNKED = b"transfer-encoding: chunked"


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


def plain(status: int, head: bytes, part: bytes) -> Callable[[], Iterator[bytes]]:
    def body() -> Iterator[bytes]:
        yield HEAD % (status, head)
        yield from iter(lambda: part, None)

    return body


def packed() -> Iterator[bytes]:
    """Zeros without end: a thousandth of what they become."""
    yield HEAD % (200, CHUNKED + b"\r\ncontent-encoding: gzip")
    packer = zlib.compressobj(wbits=31)
    while True:
        if part := packer.compress(ZEROS) + packer.flush(zlib.Z_SYNC_FLUSH):
            yield chunk(part)


BODIES: dict[str, Callable[[], Iterator[bytes]]] = {
    "2 GB": plain(200, b"content-length: 2000000000", ZEROS),
    "chunks without end": plain(200, CHUNKED, chunk(ZEROS)),
    "an error without end": plain(500, CHUNKED, chunk(ZEROS)),
    "packed zeros": packed,
}


@contextmanager
def pouring(body: Callable[[], Iterator[bytes]]) -> Iterator[str]:
    """A server that answers each connection with this, until it is closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    left = SENT
                    try:
                        for part in body():
                            connection.sendall(part)
                            left -= len(part) if body is not packed else len(ZEROS)
                            if left < 0:
                                break
                    except OSError:
                        pass  # the client has had enough

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


ASKING = """
import asyncio, json, resource, sys
from amendment.errors import Transient
from amendment.llm import AnthropicSpec, OpenAISpec, Request, open_provider
from amendment.llm.batch_vendors import batch_service
from amendment.records import user

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def refused(work):
    try:
        await work
    except Transient as fault:
        return [fault.kind, str(fault)]

async def results(provider):
    return [line async for line in batch_service(provider).lines("/files/f/content")]

async def main(urls):
    question = {"host": "here", "model": "m", "messages": user("x"), "sampling": {"max_tokens": 300}}
    for url in urls:
        found, before = [], peak()
        chat = open_provider(OpenAISpec(provider="openai", model="m", base_url=url + "/v1"), {})
        messages = open_provider(AnthropicSpec(provider="anthropic", model="m", base_url=url), {})
        for provider in (chat, messages):
            asked = Request.model_validate({"provider": provider.kind, **question})
            found.append(await refused(provider.send(asked)))
        found.append(await refused(results(chat)))
        await chat.close()
        await messages.close()
        print(json.dumps([found, peak() - before]))

asyncio.run(main(sys.argv[1:]))
"""


def test_replies_without_end_are_refused_and_take_no_memory() -> None:
    with ExitStack() as opened:
        taken = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        nowhere = f"http://127.0.0.1:{taken.getsockname()[1]}"
        taken.close()  # asked first, so that the SDKs are loaded before anything is measured
        urls = [nowhere, *(opened.enter_context(pouring(body)) for body in BODIES.values())]
        command = [sys.executable, "-c", ASKING, *urls]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    for name, line in zip(BODIES, ran.stdout.splitlines()[1:], strict=True):
        (*of_calls, of_results), grown = json.loads(line)
        for kind, words in of_calls:
            assert kind == "unreadable", name
            assert re.search(r"127\.0\.0\.1:\d+\S*: the reply is longer than 4,271,104 bytes", words), name
        assert of_results[0] == "unreadable", name
        assert grown < MOST_GROWN, f"{name}: {grown} MiB more than before"
