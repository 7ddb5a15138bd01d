"""The simulated world behind OpenAI's protocol: a process of its own, real sockets, and whoever talks to them."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import openai
import pytest

from tests.vendors.processes import started


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], str]]:
    with started([sys.executable, "-m", "amendment", "lilliput", "serve", "--port", "0"]) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as (_, found):
        yield found


def line(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port), timeout=20)


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", base_url=url, max_retries=0)


def head(first: str, *lines: str) -> bytes:
    return "\r\n".join([f"{first} HTTP/1.1", *lines, "", ""]).encode("latin-1")


ODD = {
    "two lengths": (head("POST /v1/x", "host: localhost", "content-length: 1", "content-length: 2"), b"400"),
    "a host that begins well": (head("GET /v1/models", "host: 127.0.0.1.evil", "connection: close"), b"400"),
    "a long body": (
        head("POST /v1/chat/completions", "host: localhost", "connection: close", "content-length: 1048577")
        + b"x" * 1048577,
        b"413",
    ),
    "a head without end": (head("GET /v1/models")[:-2] + b"x: y\r\n" * 16_384, b"4"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_request_is_refused_and_the_server_lives_on(url: str, name: str) -> None:
    sent, status = ODD[name]
    with line(url) as opened:
        opened.sendall(sent)
        assert b"".join(iter(lambda: opened.recv(65536), b"")).startswith(b"HTTP/1.1 " + status)
    with client(url) as asking:
        assert asking.models.list().data


def test_the_vendors_sdk_understands_models_answers_and_errors(url: str) -> None:
    with client(url) as asking:
        name = asking.models.list().data[0].id
        made = asking.chat.completions.create(
            model=name, seed=7, messages=[{"role": "user", "content": "please add 3 8"}]
        )
        assert made.choices[0].message.content
        assert made.usage is not None
        assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens
        assert made.system_fingerprint == "simulated"
        with pytest.raises(openai.BadRequestError, match="leave it out"):
            asking.chat.completions.create(model=name, n=2, messages=[{"role": "user", "content": "x"}])


def test_a_signal_ends_the_server_cleanly_with_connections_open() -> None:
    with serving() as (process, url), line(url) as idle, line(url) as half:
        with client(url) as asking:
            assert asking.models.list().data
        half.sendall(b"POST /v1/chat")
        process.send_signal(signal.SIGINT)
        said, complained = process.communicate(timeout=20)
        assert (process.returncode, complained) == (0, "")
        assert "stopped after answering 1 requests" in said
        assert idle.recv(10) == half.recv(10) == b""
