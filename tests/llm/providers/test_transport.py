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

import anthropic
import openai
import pytest

from amendment.errors import Transient
from amendment.llm import _transport
from amendment.llm._transport import Client, Transport, proxy_for
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
OURS = {"host", "accept", "accept-encoding", "content-type", "content-length", "user-agent"}


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
def test_these_headers_leave_and_no_others(
    kind: str, server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, f"X-Team: {KEY}")
    server.will_say(GOOD[kind])
    server.will_say(GOOD[kind])
    send(kind, server.url, question())
    send(kind, server.url, question(), api_key_env="OUR_KEY")
    bare, with_key = (set(asked["headers"]) for asked in server.asked)
    assert bare == OURS | ({"anthropic-version"} if kind == "anthropic" else set())
    assert with_key - bare == {"authorization"}


@pytest.mark.parametrize("kind", KINDS)
def test_later_requests_are_as_the_first_but_for_what_they_ask(kind: str, server: Any, question: Ask) -> None:
    async def main() -> None:
        provider = open_provider(spec(kind, server.url, api_key_env="OUR_KEY"), {"OUR_KEY": KEY})
        for text in ("One?", "Two?", "Three?"):
            server.will_say(GOOD[kind])
            await provider.send(question(text))
        await provider.close()

    asyncio.run(main())
    asked = [json.dumps(one["body"]) for one in server.asked]
    assert [text in body for text, body in zip(("One?", "Two?", "Three?"), asked, strict=True)] == [True] * 3
    heads = [{**one["headers"], "content-length": "", "path": one["path"]} for one in server.asked]
    assert heads[0] == heads[1] == heads[2]
    assert heads[0]["authorization"] == f"Bearer {KEY}"
    assert heads[0]["user-agent"].startswith("AsyncAnthropic/" if kind == "anthropic" else "AsyncOpenAI/")


@pytest.mark.parametrize(("kind", "sdk"), [("openai", openai.AsyncOpenAI), ("anthropic", anthropic.AsyncAnthropic)])
def test_an_sdk_builds_the_first_request_alone(
    kind: str, sdk: Any, server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tenth of a call's cost; an SDK that builds its requests in another place would take it again unseen."""
    built, build = [], sdk._build_request

    def counted(self: Any, options: Any, **rest: Any) -> Any:
        built.append(options.url)
        return build(self, options, **rest)

    monkeypatch.setattr(sdk, "_build_request", counted)
    for _ in range(3):
        server.will_say(GOOD[kind])
    send(kind, server.url, question(), times=3)
    assert (len(built), len(server.asked)) == (1, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_servers_cookies_are_not_kept(kind: str, server: Any, question: Ask) -> None:
    server.will_say(GOOD[kind], headers={"set-cookie": "who=you; Path=/"})
    server.will_say(GOOD[kind])
    send(kind, server.url, question(), times=2)
    assert len(server.asked) == 2
    assert "cookie" not in server.asked[1]["headers"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_reply_is_unpacked(kind: str, server: Any, question: Ask) -> None:
    raw = json.dumps(GOOD[kind]).encode()
    server.will_say(gzip.compress(raw), headers={"content-encoding": "gzip"})
    assert send(kind, server.url, question()).raw == raw


@pytest.mark.parametrize("kind", KINDS)
def test_the_servers_name_for_a_call_comes_with_the_reply(kind: str, server: Any, question: Ask) -> None:
    server.will_say(GOOD[kind], headers={"x-request-id": "req_1"})
    assert send(kind, server.url, question()).server_id == "req_1"


def test_an_endless_reply_is_given_up(server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "LONGEST_REPLY", 1000)
    server.will_say(b" " * 1001)
    with pytest.raises(Transient, match="TooLong"):
        send("openai", server.url, question())


def test_an_unpacked_reply_is_bounded_too(server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "LONGEST_REPLY", 100_000)
    server.will_say(gzip.compress(b" " * 10_000_000), headers={"content-encoding": "gzip"})
    with pytest.raises(Transient, match="TooLong"):
        send("openai", server.url, question())


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
    assert proxy_for("http://gateway.example.org/v1") is None
    server.will_say(GOOD["openai"])
    send("openai", server.url, question())
    assert len(server.asked) == 1


def test_hosts_that_the_environment_excepts_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    assert proxy_for("https://inside.example.org/v1") is None
    assert proxy_for("https://outside.example.org/v1") == "http://proxy.example.org:3128"


@pytest.mark.parametrize("headers", [{"X-Own": "1", "Accept": "a/b"}, [("X-Own", "1"), ("Accept", "a/b")]])
def test_a_request_keeps_the_headers_that_may_leave_and_no_other(server: Any, headers: Any) -> None:
    async def main() -> int:
        wire = Transport({"authorization": "Bearer k"}, base_url=server.url, connect_seconds=5)
        async with Client(wire) as client:
            request = client.build_request("post", f"{server.url}/x", content=b"{}", headers=headers, timeout=None)
            return (await client.send(request, stream=False)).status_code

    server.will_say({"id": "f"}, status=200)
    assert asyncio.run(main()) == 200
    sent = {name.lower(): value for name, value in server.asked[0]["headers"].items()}
    assert (sent["accept"], sent["authorization"]) == ("a/b", "Bearer k")
    assert "x-own" not in sent
    assert "user-agent" in sent


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
