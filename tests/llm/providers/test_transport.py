"""What leaves this machine and what comes in, seen from the other end of a real socket."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from amendment.errors import Transient
from amendment.llm.opening import open_provider
from amendment.llm.provider import Sent
from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.llm.trust import Trust

Ask = Callable[..., Request]
KEY = "sk-canary-0123456789"
KINDS = ["openai", "responses", "anthropic"]
GOOD: dict[str, dict[str, Any]] = {
    "openai": {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]},
    "responses": {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}]},
    "anthropic": {"content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn"},
}


def spec(kind: str, base_url: str, **fields: Any) -> OpenAISpec | AnthropicSpec:
    if kind == "anthropic":
        return AnthropicSpec(provider="anthropic", model="m", base_url=base_url, **fields)
    api = "responses" if kind == "responses" else "chat"
    return OpenAISpec.model_validate(
        {"provider": "openai", "model": "m", "base_url": f"{base_url}/v1", "api": api, **fields}
    )


def send(kind: str, base_url: str, request: Request, times: int = 1, **fields: Any) -> Sent:
    async def main() -> Sent:
        provider = open_provider(spec(kind, base_url, **fields), {"OUR_KEY": KEY}, trust=Trust(["gateway.invalid"]))
        try:
            for _ in range(times - 1):
                await provider.send(request)
            return await provider.send(request)
        finally:
            await provider.close()

    return asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_reply_is_unpacked(kind: str, server: Any, question: Ask) -> None:
    raw = json.dumps(GOOD[kind]).encode()
    server.will_say(gzip.compress(raw), headers={"content-encoding": "gzip"})
    assert send(kind, server.url, question()).raw == raw


@pytest.mark.parametrize("kind", KINDS)
def test_the_servers_name_for_a_call_comes_with_the_reply(kind: str, server: Any, question: Ask) -> None:
    server.will_say(GOOD[kind], headers={"x-request-id": "req_1"})
    assert send(kind, server.url, question()).server_id == "req_1"


@contextmanager
def saying(answer: bytes, heard: list[bytes]) -> Iterator[str]:
    """A server of raw bytes for one connection: hears a head, or the beginning of TLS, says this, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(10)
                while not re.search(rb"\A\x16|\r\n\r\n", b"".join(heard)) and (part := connection.recv(65536)):
                    heard.append(part)
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"])
def test_what_is_no_http_or_breaks_off_may_have_been_paid(kind: str, answer: bytes, question: Ask) -> None:
    with saying(answer, []) as url, pytest.raises(Transient) as caught:
        send(kind, url, question())
    assert caught.value.kind == "transport"


@pytest.mark.parametrize("kind", KINDS)
def test_a_port_where_nobody_listens_cost_nothing(kind: str, question: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Transient) as caught:
        send(kind, url, question())
    assert caught.value.kind == "refused"


def test_a_server_that_speaks_no_tls_gets_no_key(question: Ask) -> None:
    heard: list[bytes] = []
    with saying(b"HTTP/1.1 200 OK\r\n\r\n", heard) as url, pytest.raises(Transient) as caught:
        send("openai", url.replace("http:", "https:"), question(), api_key_env="OUR_KEY", timeout=5)
    assert caught.value.kind == "refused"
    assert KEY.encode() not in b"".join(heard)


def test_a_proxy_is_asked_for_a_tunnel_and_sees_the_hosts_name_alone(
    question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "")
    with saying(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", heard) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(Transient) as caught:
            send("openai", "https://gateway.invalid", question("canary text"), api_key_env="OUR_KEY", timeout=5)
    assert caught.value.kind == "refused"
    said = b"".join(heard)
    assert said.startswith(b"CONNECT gateway.invalid:443 ")
    assert b"canary" not in said


def test_an_address_without_tls_is_never_asked_through_a_proxy(
    server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.will_say(GOOD["openai"])
    send("openai", server.url, question())
    assert len(server.asked) == 1


FORGETFUL = """
import sys
from amendment.llm import Request
from amendment.llm import OpenAISpec, open_provider
from amendment.records import user
from amendment.sync import run_sync

def ask():
    provider = open_provider(OpenAISpec(provider="openai", model="m", base_url=sys.argv[1] + "/v1"), {})
    run_sync(provider.send(Request(provider="openai", host="here", model="m", messages=user("x"))))
    return provider

ask()
kept = ask()
"""


def test_a_script_that_closes_nothing_ends_without_a_word(server: Any) -> None:
    server.will_say(GOOD["openai"])
    server.will_say(GOOD["openai"])
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL, server.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
