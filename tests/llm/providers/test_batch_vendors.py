"""The vendors' batch services: what is sent, and what every kind of result means."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import pytest
import yaml
from pydantic import TypeAdapter

from amendment.errors import CredentialsError, ProviderError, Transient
from amendment.llm.batch_vendors import BatchService, LineOutcome, Search, batch_service
from amendment.llm.hosted import HostedProvider
from amendment.llm.opening import open_provider
from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from tests.vendors.batches import BatchVendor
from tests.vendors.server import FaultServer
from tests.vendors.wire import Answer

Ask = Callable[..., Request]
KEY = "sk-test-canary-0123456789"
SPEC: TypeAdapter[OpenAISpec | AnthropicSpec] = TypeAdapter(OpenAISpec | AnthropicSpec)
VENDORS = ["openai", "anthropic"]
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as made:
        yield made


def using(
    server: FaultServer,
    work: Callable[[BatchService, HostedProvider], Awaitable[T]],
    vendor: str = "openai",
    **fields: Any,
) -> T:
    """The result of work with a vendor's service."""

    async def main() -> T:
        base_url = server.url if vendor == "openai" else server.origin
        entry = {"provider": vendor, "base_url": base_url, "model": "m", "api_key_env": "OUR_KEY", **fields}
        provider = open_provider(SPEC.validate_python(entry), {"OUR_KEY": KEY})
        assert isinstance(provider, HostedProvider)
        try:
            return await work(batch_service(provider), provider)
        finally:
            await provider.close()

    return asyncio.run(main())


async def submitted(service: BatchService, names: Sequence[str], request: Request, shard: str = "0f" * 16) -> str:
    return await service.submit([service.line(name, request) for name in names], shard)


def outcomes(server: FaultServer, content: bytes, vendor: str = "openai") -> list[LineOutcome]:
    """The outcomes read from one ended batch with these results."""
    made = {"id": "b", "status": "completed", "output_file_id": "file-0"}
    server.route("GET", "/v1/batches/b", lambda _: Answer.of(made))
    server.route("GET", "/v1/files/file-0/content", lambda _: Answer(200, content))
    server.route("GET", "/v1/messages/batches/b/results", lambda _: Answer(200, content))

    async def read(service: BatchService, _: HostedProvider) -> list[LineOutcome]:
        return [outcome async for outcome in service.results("b")]

    return using(server, read, vendor)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_line_asks_what_a_single_call_asks(server: FaultServer, question: Ask, vendor: str) -> None:
    async def both(service: BatchService, provider: HostedProvider) -> Any:
        request = question("Is the sky blue?", sampling={"max_tokens": 90})
        await provider.send(request)
        return json.loads(service.line("s2-0", request))

    line = using(server, both, vendor)
    (sent,) = server.asks.values()
    whole = {"method": "POST", "url": sent.path, "body": sent.json} if vendor == "openai" else {"params": sent.json}
    assert line == {"custom_id": "s2-0", **whole}


def test_a_name_that_a_server_gives_stays_one_part_of_the_path(server: FaultServer) -> None:
    assert using(server, lambda service, _: service.poll("../files/x?limit=1#")).status == "gone"
    (ask,) = server.asks.values()
    assert ask.path.startswith("/v1/batches/..%2Ffiles%2Fx%3Flimit")
    assert not ask.query


LINES = """
openai:
  - [{error: {code: batch_expired, message: late}}, Transient, server]
  - [{error: {code: server_error, message: broke}}, Transient, server]
  - [{error: {code: rate_limit_exceeded, message: slow}}, Transient, rate]
  - [{error: {code: insufficient_quota, message: You exceeded your current quota}}, CredentialsError, null]
  - [{response: {status_code: 400, body: {error: {message: too long}}}}, Rejected, null]
  - [{response: {status_code: "200", body: {}}}, Transient, server]
  - [{response: {status_code: 200, body: null}}, Transient, server]
  - [{}, Transient, server]
anthropic:
  - [{result: {type: expired}}, Transient, server]
  - [{result: {type: errored, error: {error: {type: overloaded_error, message: busy}}}}, Transient, rate]
  - [{result: {type: errored, error: {error: {type: invalid_request_error, message: too long}}}}, Rejected, null]
  - - {result: {type: errored, error: {error: {type: invalid_request_error, message: Your credit balance is too low}}}}
    - CredentialsError
    - null
  - [{result: {type: errored, error: {error: {type: authentication_error, message: who}}}}, CredentialsError, null]
  - [{result: {type: errored, error: {error: {type: never_heard_of_error, message: what}}}}, Transient, server]
  - [{result: {type: errored, error: a text}}, Transient, server]
  - [{result: {type: succeeded, message: null}}, Transient, unreadable]
  - [{result: null}, Transient, unreadable]
"""


@pytest.mark.parametrize(
    ("vendor", "line", "error", "kind"),
    [(vendor, *row) for vendor, rows in yaml.safe_load(LINES).items() for row in rows],
)
def test_an_error_in_a_line_means_what_it_means_online(
    server: FaultServer, vendor: str, line: dict[str, Any], error: str, kind: str | None
) -> None:
    (outcome,) = outcomes(server, json.dumps({"custom_id": "s2-0", **line}).encode(), vendor)
    assert outcome.raw is None
    assert (type(outcome.fault).__name__, getattr(outcome.fault, "kind", None)) == (error, kind)


def test_results_are_split_by_line_feeds_alone_and_what_is_no_object_is_left_out(server: FaultServer) -> None:
    def line(text: str) -> str:
        response = {"status_code": 200, "request_id": "r", "body": {"said": text}}
        return json.dumps({"custom_id": "s2-0", "response": response}, ensure_ascii=False)

    texts = ["one\u2028two", "three\x85four", "five\\ud800"]
    broken = ["", "not json", "[1]", "17", '{"custom_id":', "[" * 100_000]
    content = "\n".join([*map(line, texts), *broken]).replace("\\\\ud800", "\\ud800").encode() + b"\n\xff\xfe"
    read = outcomes(server, content)
    assert [json.loads(outcome.raw or b"{}")["said"] for outcome in read] == [*texts[:2], "five\ud800"]
    assert {outcome.server_id for outcome in read} == {"r"}


def test_a_key_that_a_server_echoes_in_a_line_reaches_nobody_however_it_is_escaped(server: FaultServer) -> None:
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in KEY)
    good = {"custom_id": "s2-0", "response": {"status_code": 200, "body": {"said": f"your key is {KEY}"}}}
    bad = {"custom_id": "s2-1", "response": {"status_code": 400, "body": {"error": {"message": f"key {KEY}"}}}}
    named = '{"custom_id": "s2-0", "response": {"status_code": 200, "request_id": "r-NAME", "body": {}}}'
    lines = [json.dumps(good), json.dumps(bad), *(named.replace("NAME", name) for name in (KEY, escaped, "a" * 300))]
    read = outcomes(server, "\n".join(lines).encode())
    assert KEY not in "".join(f"{outcome.raw!r} {outcome.fault}" for outcome in read)
    assert [outcome.server_id for outcome in read[2:]] == ["r-[key]", "r-[key]", "r-" + "a" * 198]


def test_where_batches_cannot_be_listed_nothing_is_handed_in_on_suspicion(server: FaultServer) -> None:
    with pytest.raises(CredentialsError, match="it is unknown whether"):
        using(server, lambda service, _: service.find("shard", ["s2-0"], time.time()))


@pytest.mark.parametrize(
    ("code", "message", "kind_of_error"),
    [
        ("token_limit_exceeded", "Enqueued token limit reached", Transient),
        ("insufficient_quota", "You exceeded your current quota", CredentialsError),
        ("empty_file", "The file is empty", ProviderError),
    ],
)
def test_a_batch_that_failed_as_a_whole_says_why(
    server: FaultServer, code: str, message: str, kind_of_error: type[ProviderError]
) -> None:
    said = {"id": "batch_0", "status": "failed", "errors": {"data": [{"code": code, "message": message}]}}
    server.route("GET", "/v1/batches/batch_0", lambda _: Answer.of(said))
    state = using(server, lambda service, _: service.poll("batch_0"))
    assert state.is_ended
    assert type(state.fault) is kind_of_error


OURS = ["s2-0", "s2-1"]


def test_anthropics_batch_is_suspect_until_it_has_ended_and_then_known_by_its_requests(
    server: FaultServer, question: Ask
) -> None:
    vendor = BatchVendor(server)
    vendor.polls_to_end = 5  # the list has two pages, and each of them polls each batch

    async def looked_for(service: BatchService, _: HostedProvider) -> list[Search]:
        await submitted(service, ["s2-0"], question("another number of requests"))
        await submitted(service, ["s2-8", "s2-9"], question("others"))
        await submitted(service, OURS, question("ours"))
        return [await service.find("", OURS[::-1], time.time()) for _ in range(3)]

    # of 3 batches those with 2 requests are suspect; when they have ended, the third is ours
    assert using(server, looked_for, "anthropic") == [Search(None, True), Search(None, True), Search("msgbatch_2")]
    assert vendor.violations == []


def test_while_a_newer_batch_may_be_ours_no_older_one_of_the_same_requests_is_taken(
    server: FaultServer, question: Ask
) -> None:
    vendor = BatchVendor(server)
    vendor.polls_to_end = 1

    async def looked_for(service: BatchService, _: HostedProvider) -> list[Search]:
        await submitted(service, OURS, question("the first attempt, expired"))
        found = [await service.find("", OURS, time.time())]
        vendor.polls_to_end = 2
        await submitted(service, OURS, question("the second"))
        return [*found, *[await service.find("", OURS, time.time()) for _ in range(2)]]

    expected = [Search("msgbatch_0"), Search(None, is_open=True), Search("msgbatch_1")]
    assert using(server, looked_for, "anthropic") == expected
