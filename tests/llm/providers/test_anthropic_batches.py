"""Anthropic's batch service: what is sent, and what every kind of result means."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from amendment.errors import CredentialsError, ProviderError, Rejected, Transient
from amendment.llm._batch_services import open_batch_service
from amendment.llm._hosted import HostedProvider
from amendment.llm.batch_service import BatchService, Found
from amendment.llm.opening import open_provider
from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec
from tests.vendors.batches import BatchVendor
from tests.vendors.server import FaultServer
from tests.vendors.wire import Answer

KEY = "sk-ant-canary-0123456789"
ENVIRON = {"OUR_KEY": KEY}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as made:
        yield made


@pytest.fixture
def service(server: FaultServer) -> BatchService:
    return opened(server)[0]


def opened(server: FaultServer) -> tuple[BatchService, HostedProvider]:
    entry = {"provider": "anthropic", "base_url": server.origin, "model": "m", "api_key_env": "OUR_KEY"}
    spec = AnthropicSpec.model_validate(entry)
    provider = open_provider(spec, ENVIRON)
    assert isinstance(provider, HostedProvider)
    return open_batch_service(spec, provider, ENVIRON), provider


async def submitted(service: BatchService, names: list[str], request: Request) -> str:
    return await service.submit([service.line(name, request) for name in names], "no place for it")


def test_a_line_asks_what_a_single_call_asks(server: FaultServer, question: Callable[..., Request]) -> None:
    service, provider = opened(server)
    request = question("Is the sky blue?", provider="anthropic", sampling={"max_tokens": 9})

    async def both() -> bytes:
        await provider.send(request)
        await provider.close()
        return service.line("s2-0", request).body

    line = json.loads(asyncio.run(both()))
    (sent,) = server.asks.values()
    assert line == {"custom_id": "s2-0", "params": sent.json}


def test_what_the_protocol_cannot_ask_is_refused_before_anything_is_sent(
    service: BatchService, question: Callable[..., Request]
) -> None:
    with pytest.raises(Rejected, match="no label probabilities"):
        service.line("s2-0", question(choices=["A", "B"]))


def test_the_key_goes_to_the_entrys_host_alone_whatever_address_a_batch_names(
    server: FaultServer, service: BatchService, question: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "from-the-environment")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Canary: from-the-environment")
    vendor = BatchVendor(server)
    vendor.polls_to_end = 1

    async def whole() -> list[str]:
        remote = await submitted(service, ["s2-0", "s2-1"], question())
        await service.poll(remote)  # its record names http://elsewhere.invalid
        return [outcome.custom_id async for outcome in service.results(remote)]

    assert sorted(asyncio.run(whole())) == ["s2-0", "s2-1"]
    for ask in server.asks.values():
        assert ask.headers["authorization"] == f"Bearer {KEY}"
        assert "from-the-environment" not in str(ask.headers)


LINES: list[tuple[Any, type[ProviderError], str | None]] = [
    ({"type": "expired"}, Transient, "server"),
    ({"type": "canceled"}, Transient, "server"),
    (("overloaded_error", "busy"), Transient, "rate"),
    (("api_error", "broke"), Transient, "server"),
    (("rate_limit_error", "slow"), Transient, "rate"),
    (("invalid_request_error", "too long"), Rejected, None),
    (("invalid_request_error", "Your credit balance is too low"), CredentialsError, None),
    (("billing_error", "pay"), CredentialsError, None),
    (("authentication_error", "who?"), CredentialsError, None),
    (("never_heard_of_error", "?"), Transient, "server"),
    ({"type": "errored", "error": "a text"}, Transient, "server"),
    ({"type": "succeeded", "message": None}, Transient, "unreadable"),
    (None, Transient, "unreadable"),
]


@pytest.mark.parametrize(("result", "kind_of_error", "kind"), LINES)
def test_an_error_in_a_line_means_what_it_means_online(
    server: FaultServer, service: BatchService, result: Any, kind_of_error: type[ProviderError], kind: str | None
) -> None:
    if isinstance(result, tuple):
        said = {"type": result[0], "message": result[1]}
        result = {"type": "errored", "error": {"type": "error", "error": said}}
    content = json.dumps({"custom_id": "s2-0", "result": result}).encode()
    server.route("GET", "/v1/messages/batches/b/results", lambda _: Answer(200, content))

    async def read() -> list[Any]:
        return [outcome async for outcome in service.results("b")]

    (outcome,) = asyncio.run(read())
    assert outcome.raw is None
    assert type(outcome.fault) is kind_of_error
    assert getattr(outcome.fault, "kind", None) == kind


def test_a_batch_is_suspect_until_it_has_ended_and_then_known_by_its_requests(
    server: FaultServer, service: BatchService, question: Callable[..., Request]
) -> None:
    vendor = BatchVendor(server)
    vendor.polls_to_end = 5  # the list has two pages, and each of them polls each batch

    async def looked_for() -> list[Found]:
        await submitted(service, ["s2-0"], question("another number of requests"))
        await submitted(service, ["s2-8", "s2-9"], question("others"))
        await submitted(service, ["s2-0", "s2-1"], question("ours"))
        return [await service.find("", ["s2-1", "s2-0"], time.time()) for _ in range(3)]

    # of 3 batches those with 2 requests are suspect; when they have ended, the third is ours
    assert asyncio.run(looked_for()) == [Found(None, True), Found(None, True), Found("msgbatch_2")]
    assert vendor.violations == []


def test_a_batch_of_others_is_not_ours_and_looked_into_once(
    server: FaultServer, service: BatchService, question: Callable[..., Request]
) -> None:
    BatchVendor(server).polls_to_end = 1

    async def looked_for() -> list[Found]:
        await submitted(service, ["s2-8", "s2-9"], question("others"))
        return [await service.find("", ["s2-1", "s2-0"], time.time()) for _ in range(3)]

    assert asyncio.run(looked_for()) == [Found(None)] * 3
    assert [ask.path for ask in server.asks.values()].count("/v1/messages/batches/msgbatch_0/results") == 1
    assert sum(entry.path.endswith("/results") for entry in server.log) == 1


def test_what_is_not_one_shards_batch_may_be_anothers(
    server: FaultServer, service: BatchService, question: Callable[..., Request]
) -> None:
    BatchVendor(server).polls_to_end = 1

    async def looked_for() -> list[Found]:
        await submitted(service, ["s2-8", "s2-9"], question("of the second shard"))
        first = await service.find("first", ["s2-1", "s2-0"], time.time())
        return [first, await service.find("second", ["s2-8", "s2-9"], time.time())]

    assert asyncio.run(looked_for()) == [Found(None), Found("msgbatch_0")]


def test_a_batch_that_shares_a_request_with_ours_is_an_earlier_attempt_of_another_group(
    server: FaultServer, service: BatchService, question: Callable[..., Request]
) -> None:
    """Requests that a batch left unanswered are grouped anew: the older batch has one of them, and is not ours."""
    vendor = BatchVendor(server)
    vendor.polls_to_end = 1

    async def looked_for() -> Found:
        await submitted(service, ["s2-0", "s2-8"], question("an older group"))
        return await service.find("", ["s2-1", "s2-0"], time.time())

    assert asyncio.run(looked_for()) == Found(None)


def test_while_a_newer_batch_may_be_ours_no_older_one_of_the_same_requests_is_taken(
    server: FaultServer, service: BatchService, question: Callable[..., Request]
) -> None:
    vendor = BatchVendor(server)
    vendor.polls_to_end = 1

    async def looked_for() -> list[Found]:
        names = ["s2-0", "s2-1"]
        await submitted(service, names, question("the first attempt, expired"))
        found = [await service.find("", names, time.time())]
        vendor.polls_to_end = 2
        await submitted(service, names, question("the second"))
        return [*found, *[await service.find("", names, time.time()) for _ in range(2)]]

    assert asyncio.run(looked_for()) == [Found("msgbatch_0"), Found(None, is_open=True), Found("msgbatch_1")]


def test_a_batch_made_long_before_the_intent_is_not_ours(
    server: FaultServer, service: BatchService, question: Callable[..., Request]
) -> None:
    vendor = BatchVendor(server)
    vendor.polls_to_end = 1
    asyncio.run(submitted(service, ["s2-0"], question()))
    vendor.made["msgbatch_0"].at -= 86400
    assert asyncio.run(service.find("", ["s2-0"], time.time())) == Found(None)
    assert asyncio.run(service.find("", ["s2-0"], time.time() - 86400)) == Found("msgbatch_0")


def test_results_that_the_vendor_has_let_go_of_are_gone(server: FaultServer, service: BatchService) -> None:
    said = {"id": "b", "processing_status": "ended", "archived_at": "2026-01-01T00:00:00Z"}
    server.route("GET", "/v1/messages/batches/b", lambda _: Answer.of(said))
    assert asyncio.run(service.poll("b")).status == "gone"
    assert asyncio.run(service.poll("unknown")).status == "gone"
