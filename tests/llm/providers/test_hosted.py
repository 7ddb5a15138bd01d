"""The SDKs against a real socket: what leaves this machine, what comes in, and what each failure on the way becomes."""

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

from amendment.errors import CredentialsError, Transient
from amendment.llm.opening import open_provider
from amendment.llm.provider import RawReply
from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.llm.trust import Trust

Ask = Callable[..., Request]
KEY = "sk-canary-0123456789"
GOOD: dict[str, dict[str, Any]] = {
    "chat": {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]},
    "messages": {"content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn"},
}
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages"}
PROTOCOLS = pytest.mark.parametrize("protocol", GOOD)


def spec(protocol: str, base_url: str, **fields: Any) -> OpenAISpec | AnthropicSpec:
    if protocol == "messages":
        return AnthropicSpec(provider="anthropic", model="m", base_url=base_url, **fields)
    entry = {"provider": "openai", "model": "m", "base_url": f"{base_url}/v1", **fields}
    return OpenAISpec.model_validate(entry)


def send(protocol: str, base_url: str, request: Request, **fields: Any) -> RawReply:
    async def main() -> RawReply:
        opened = spec(protocol, base_url, **fields)
        provider = open_provider(opened, {"OUR_KEY": KEY}, trust=Trust(["gateway.invalid"]))
        try:
            return await provider.send(request)
        finally:
            await provider.close()

    return asyncio.run(main())


@PROTOCOLS
def test_a_question_arrives_and_a_packed_reply_comes_back_untouched_with_the_servers_name_for_it(
    protocol: str, server: Any, question: Ask
) -> None:
    raw = json.dumps(GOOD[protocol]).encode() + b"  \n"
    server.will_say(gzip.compress(raw), headers={"content-encoding": "gzip", "x-request-id": "req_1"})
    sent = send(protocol, server.url, question("Schön?\u2028\0"))
    assert (sent.raw, sent.server_id) == (raw, "req_1")
    assert server.asked[0]["path"] == PATHS[protocol]
    assert "Schön?" in json.dumps(server.asked[0]["body"], ensure_ascii=False)


@PROTOCOLS
def test_the_named_key_and_nothing_else_of_the_environment_goes_to_a_foreign_host(
    protocol: str, server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", KEY)
    for vendor in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{vendor}_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}\nX-Team: {KEY}")
        monkeypatch.setenv(f"{vendor}_BASE_URL", "http://127.0.0.1:9")
    for fields in ({}, {"api_key_env": "OUR_KEY"}):
        server.will_say(GOOD[protocol])
        send(protocol, server.url, question(), **fields)
    assert KEY not in json.dumps(server.asked[0])
    assert "x-team" not in server.asked[1]["headers"]
    assert json.dumps(server.asked[1]).count(KEY) == 1


@PROTOCOLS
def test_a_key_that_a_server_echoes_is_not_kept(protocol: str, server: Any, question: Ask) -> None:
    server.will_say({"error": {"message": f"bad {KEY}"}}, status=200)
    raw = send(protocol, server.url, question(), api_key_env="OUR_KEY").raw
    assert KEY.encode() not in raw
    with pytest.raises(Transient) as caught:
        open_provider(spec(protocol, server.url), {}).read(raw, question())
    assert KEY not in str(caught.value)


@PROTOCOLS
def test_a_redirect_is_not_followed_with_a_key(protocol: str, server: Any, question: Ask) -> None:
    server.will_say(b"", status=307, headers={"location": f"{server.url}/elsewhere"})
    with pytest.raises(CredentialsError, match="base_url"):
        send(protocol, server.url, question(), api_key_env="OUR_KEY")
    assert len(server.asked) == 1


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


@PROTOCOLS
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"])
def test_what_is_no_http_or_breaks_off_may_have_been_paid(protocol: str, answer: bytes, question: Ask) -> None:
    with saying(answer, []) as url, pytest.raises(Transient) as caught:
        send(protocol, url, question())
    assert caught.value.kind == "transport"


@PROTOCOLS
def test_a_port_where_nobody_listens_cost_nothing(protocol: str, question: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(Transient) as caught:
        send(protocol, url, question())
    assert caught.value.kind == "refused"


def test_a_server_that_speaks_no_tls_gets_no_key(question: Ask) -> None:
    heard: list[bytes] = []
    with saying(b"HTTP/1.1 200 OK\r\n\r\n", heard) as url, pytest.raises(Transient) as caught:
        send("chat", url.replace("http:", "https:"), question(), api_key_env="OUR_KEY", timeout=5)
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
            send("chat", "https://gateway.invalid", question("canary text"), api_key_env="OUR_KEY", timeout=5)
    assert caught.value.kind == "refused"
    said = b"".join(heard)
    assert said.startswith(b"CONNECT gateway.invalid:443 ")
    assert b"canary" not in said


def test_an_address_without_tls_is_never_asked_through_a_proxy(
    server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.will_say(GOOD["chat"])
    send("chat", server.url, question())
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
    server.will_say(GOOD["chat"])
    server.will_say(GOOD["chat"])
    ran = subprocess.run(
        [sys.executable, "-c", FORGETFUL, server.url], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
