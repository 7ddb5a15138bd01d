"""The simulated world behind OpenAI's protocol: a process of its own, real sockets, and whoever talks to them."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from typing import Any

import openai
import pytest

GOOD = {"messages": [{"role": "user", "content": "please add 3 8"}], "seed": 7}


class Served:
    """A server in a process of its own."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "amendment", "lilliput", "serve", "--port", "0", *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.rpartition(":")[2].partition("/")[0])

    def line(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def talk(self, sent: bytes) -> bytes:
        """All that comes back for some bytes, until the server closes the connection."""
        with self.line() as line:
            line.sendall(sent)
            return b"".join(iter(lambda: line.recv(65536), b""))

    def ask(self, method: str, path: str, body: str | None = None) -> Any:
        """The body of a good reply."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as line:
            line.request(method, f"/v1/{path}", body)
            reply = line.getresponse()
            assert reply.status == 200
            return json.loads(reply.read())

    def is_well(self) -> bool:
        made = self.ask("POST", "chat/completions", json.dumps(GOOD | {"model": self.model}))
        return bool(made["choices"][0]["message"]["content"])

    @property
    def model(self) -> str:
        return str(self.ask("GET", "models")["data"][0]["id"])

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        with self.process as process:
            process.send_signal(number)
            try:
                process.wait(timeout=20)
            finally:
                process.kill()
            assert process.stdout is not None
            assert process.stderr is not None
            # not `communicate`, which does not see what `readline` has buffered
            return process.returncode, process.stdout.read(), process.stderr.read()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    made = Served()
    yield made
    if made.process.poll() is None:
        made.end()


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


ODD = {
    "two lengths": (head("POST /v1/x HTTP/1.1", "host: localhost", "content-length: 1", "content-length: 2"), b"400"),
    "a host that begins well": (head("GET /v1/models HTTP/1.1", "host: 127.0.0.1.evil", "connection: close"), b"400"),
    "a long body": (
        head("POST /v1/chat/completions HTTP/1.1", "host: localhost", "connection: close", "content-length: 1048577")
        + b"x" * 1048577,
        b"413",
    ),
    "a head without end": (b"GET /v1/models HTTP/1.1\r\n" + b"x: y\r\n" * 16_384, b"4"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_is_refused_and_the_server_lives_on(served: Served, name: str) -> None:
    sent, status = ODD[name]
    assert served.talk(sent).startswith(b"HTTP/1.1 " + status)
    assert served.is_well()


def test_the_vendors_sdk_understands_models_answers_and_errors(served: Served) -> None:
    with openai.OpenAI(api_key="none", base_url=served.url, max_retries=0) as client:
        name = client.models.list().data[0].id
        made = client.chat.completions.create(
            model=name, seed=7, messages=[{"role": "user", "content": "please add 3 8"}]
        )
        assert made.choices[0].message.content
        assert made.usage is not None
        assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
        assert made.system_fingerprint == "simulated"
        with pytest.raises(openai.BadRequestError, match="leave it out"):
            client.chat.completions.create(model=name, n=2, messages=[{"role": "user", "content": "x"}])


def test_a_signal_ends_the_server_cleanly_with_connections_open() -> None:
    made = Served()
    assert made.is_well()
    with ExitStack() as opened:
        idle, half = (opened.enter_context(made.line()) for _ in range(2))
        half.sendall(b"POST /v1/chat")
        code, said, complained = made.end(signal.SIGINT)
        assert (code, complained) == (0, "")
        assert "stopped after 2 answered requests" in said
        assert idle.recv(10) == half.recv(10) == b""
