"""OpenAI's batch service: what is sent, and what every kind of result means."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest

from amendment.errors import CredentialsError, ProviderError, Rejected, Transient
from amendment.llm._batch_services import open_batch_service
from amendment.llm._hosted import HostedProvider
from amendment.llm.batch_service import BatchService, LineOutcome
from amendment.llm.opening import open_provider
from amendment.llm.requests import Request
from amendment.llm.specs import OpenAISpec
from tests.vendors.batches import BatchVendor
from tests.vendors.server import FaultServer
from tests.vendors.troubles import Fault, error, first, status
from tests.vendors.wire import Answer

KEY = "sk-test-canary-0123456789"
ENVIRON = {"OUR_KEY": KEY}
T = TypeVar("T")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as made:
        yield made


def opened(server: FaultServer, **fields: Any) -> tuple[BatchService, HostedProvider]:
    entry = {"provider": "openai", "base_url": server.url, "model": "m", "api_key_env": "OUR_KEY", **fields}
    spec = OpenAISpec.model_validate(entry)
    provider = open_provider(spec, ENVIRON)
    assert isinstance(provider, HostedProvider)
    return open_batch_service(spec, provider, ENVIRON), provider


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def submitted(service: BatchService, *requests: Request, shard: str = "0f" * 16) -> str:
    lines = [service.line(f"s2-{number}", request) for number, request in enumerate(requests)]
    return await service.submit(lines, shard)


async def read(service: BatchService, remote: str = "batch_0") -> list[LineOutcome]:
    return [outcome async for outcome in service.results(remote)]


def serving(server: FaultServer, content: bytes) -> None:
    """One batch that has ended, with this output file."""
    made = {"id": "batch_0", "status": "completed", "output_file_id": "file-0"}
    server.route("GET", "/v1/batches/batch_0", lambda _: Answer.of(made))
    server.route("GET", "/v1/files/file-0/content", lambda _: Answer(200, content))


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_line_asks_what_a_single_call_asks(server: FaultServer, question: Callable[..., Request], api: str) -> None:
    service, provider = opened(server, api=api)
    request = question("Is the sky blue?", sampling={"max_tokens": 9, "temperature": 0.5})

    async def both() -> bytes:
        await provider.send(request)
        await provider.close()
        return service.line("s2-0", request).body

    line = json.loads(run(both()))
    (sent,) = server.asks.values()
    assert line == {"custom_id": "s2-0", "method": "POST", "url": sent.path, "body": sent.json}


def test_a_batch_carries_its_shard_and_goes_where_single_calls_go(
    server: FaultServer, question: Callable[..., Request]
) -> None:
    vendor = BatchVendor(server)
    service, _ = opened(server)
    remote = run(submitted(service, question("one"), question("two")))
    made = vendor.made[remote]
    assert made.shard == "0f" * 16
    assert [line["url"] for line in made.lines] == ["/v1/chat/completions"] * 2


def test_nothing_of_the_environment_is_sent_but_the_entrys_key(
    server: FaultServer, question: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    BatchVendor(server)
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, "X-Canary: from-the-environment")
    service, _ = opened(server)
    run(submitted(service, question()))
    run(service.poll("batch_0"))
    assert len(server.asks) == 3
    for ask in server.asks.values():
        assert ask.headers["authorization"] == f"Bearer {KEY}"
        assert "from-the-environment" not in str(ask.headers)


def test_a_name_that_a_server_gives_stays_one_part_of_the_path(server: FaultServer) -> None:
    service, _ = opened(server)
    assert run(service.poll("../files/x?limit=1#")).status == "gone"
    assert [ask.path for ask in server.asks.values()] == ["/v1/batches/..%2Ffiles%2Fx%3Flimit%3D1%23"]


LINES: list[tuple[dict[str, Any], type[ProviderError], str | None]] = [
    ({"error": {"code": "batch_expired", "message": "late"}}, Transient, "server"),
    ({"error": {"code": "batch_cancelled", "message": "stopped"}}, Transient, "server"),
    ({"error": {"code": "server_error", "message": "broke"}}, Transient, "server"),
    ({"error": {"code": "rate_limit_exceeded", "message": "slow"}}, Transient, "rate"),
    ({"error": {"code": "insufficient_quota", "message": "You exceeded your current quota"}}, CredentialsError, None),
    ({"error": {"code": "invalid_request", "message": "no such field"}}, Rejected, None),
    ({"response": {"status_code": 429, "body": {"error": {"message": "slow down"}}}}, Transient, "rate"),
    ({"response": {"status_code": 500, "body": {"error": {"message": "broke"}}}}, Transient, "server"),
    ({"response": {"status_code": 400, "body": {"error": {"message": "too long"}}}}, Rejected, None),
    ({"response": {"status_code": 401, "body": {"error": {"message": "who?"}}}}, CredentialsError, None),
    ({"response": {"status_code": "200", "body": {}}}, Transient, "server"),
    ({"response": {"status_code": 200, "body": None}}, Transient, "server"),
    ({}, Transient, "server"),
]


@pytest.mark.parametrize(("line", "kind_of_error", "kind"), LINES)
def test_an_error_in_a_line_means_what_it_means_online(
    server: FaultServer, line: dict[str, Any], kind_of_error: type[ProviderError], kind: str | None
) -> None:
    serving(server, json.dumps({"custom_id": "s2-0", **line}).encode())
    (outcome,) = run(read(opened(server)[0]))
    assert outcome.raw is None
    assert type(outcome.fault) is kind_of_error
    assert getattr(outcome.fault, "kind", None) == kind


def test_results_are_split_by_line_feeds_alone_and_what_is_no_object_is_left_out(server: FaultServer) -> None:
    def line(text: str) -> str:
        body = {"said": text}
        whole = {"custom_id": "s2-0", "response": {"status_code": 200, "request_id": "r", "body": body}}
        return json.dumps(whole, ensure_ascii=False)

    texts = ["one\u2028two", "three\x85four", "five\\ud800"]
    broken = ["", "not json", "[1]", "17", '{"custom_id":', "[" * 100_000]
    serving(server, "\n".join([*map(line, texts), *broken]).replace("\\\\ud800", "\\ud800").encode() + b"\n\xff\xfe")
    outcomes = run(read(opened(server)[0]))
    assert [json.loads(outcome.raw or b"{}")["said"] for outcome in outcomes] == [*texts[:2], "five\ud800"]
    assert {outcome.server_id for outcome in outcomes} == {"r"}


def test_a_key_in_the_vendors_name_for_a_call_is_not_kept_however_it_is_escaped(server: FaultServer) -> None:
    escaped = "".join(f"\\u{ord(sign):04x}" for sign in KEY)
    line = '{"custom_id": "s2-0", "response": {"status_code": 200, "request_id": "r-NAME", "body": {}}}'
    serving(server, "\n".join(line.replace("NAME", name) for name in (KEY, escaped, "a" * 300)).encode())
    names = [outcome.server_id for outcome in run(read(opened(server)[0]))]
    assert names == ["r-[key]", "r-[key]", "r-" + "a" * 198]


def test_a_key_that_a_server_echoes_in_a_line_reaches_nobody(server: FaultServer) -> None:
    good = {"custom_id": "s2-0", "response": {"status_code": 200, "body": {"said": f"your key is {KEY}"}}}
    bad = {"custom_id": "s2-1", "response": {"status_code": 400, "body": {"error": {"message": f"key {KEY}"}}}}
    serving(server, f"{json.dumps(good)}\n{json.dumps(bad)}\n".encode())
    shown = [f"{outcome.raw!r} {outcome.fault}" for outcome in run(read(opened(server)[0]))]
    assert len(shown) == 2
    assert KEY not in "".join(shown)


def test_a_batch_is_found_by_its_shard_on_a_later_page(server: FaultServer, question: Callable[..., Request]) -> None:
    BatchVendor(server)
    service, _ = opened(server)

    async def among_others() -> list[str | None]:
        for number in range(7):
            await submitted(service, question(f"{number}"), shard=f"shard-{number}")
        found = [await service.find(shard, ["s2-0"], time.time()) for shard in ("shard-6", "shard-0", "shard-9")]
        return [one.remote for one in found]

    assert run(among_others()) == ["batch_6", "batch_0", None]


def test_batches_older_than_the_intent_are_not_paged_through(
    server: FaultServer, question: Callable[..., Request]
) -> None:
    vendor = BatchVendor(server)
    service, _ = opened(server)
    for number in range(7):
        run(submitted(service, question(f"{number}"), shard=f"shard-{number}"))
        vendor.made[f"batch_{number}"].at -= 2 * 86400
    server.forget()
    assert run(service.find("shard-9", ["s2-0"], time.time())).remote is None
    assert [ask.path for ask in server.asks.values()] == ["/v1/batches"]
    assert sum(server.received.values()) == 1


def test_where_batches_cannot_be_listed_nothing_is_handed_in_on_suspicion(server: FaultServer) -> None:
    with pytest.raises(CredentialsError, match="nobody can tell"):
        run(opened(server)[0].find("shard", ["s2-0"], time.time()))


@pytest.mark.parametrize(
    ("failure", "kind_of_error"),
    [
        ({"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}, Transient),
        ({"code": "insufficient_quota", "message": "You exceeded your current quota"}, CredentialsError),
        ({"code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached"}, CredentialsError),
        ({"code": "empty_file", "message": "The file is empty"}, ProviderError),
    ],
)
def test_a_batch_that_failed_as_a_whole_says_why(
    server: FaultServer, failure: dict[str, str], kind_of_error: type[ProviderError]
) -> None:
    said = {"id": "batch_0", "status": "failed", "errors": {"data": [failure]}}
    server.route("GET", "/v1/batches/batch_0", lambda _: Answer.of(said))
    state = run(opened(server)[0].poll("batch_0"))
    assert state.is_ended
    assert type(state.fault) is kind_of_error


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (status(429), "rate"),
        (status(503), "server"),
        (Fault("reset", on_wire="reset"), "transport"),
        (Fault("page", instead=lambda _: Answer(200, b"<html>")), "unreadable"),
        (Fault("other", instead=lambda _: Answer.of({"no": "id"})), "unreadable"),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_faults_of_handing_in_tell_whether_a_batch_may_exist(
    server: FaultServer, question: Callable[..., Request], trouble: Fault, kind: str
) -> None:
    BatchVendor(server)
    server.plan = lambda ask: trouble if ask.path == "/v1/batches" else None
    with pytest.raises(Transient) as caught:
        run(submitted(opened(server)[0], question()))
    assert caught.value.kind == kind


def test_where_nobody_takes_the_connection_no_batch_was_made(
    server: FaultServer, question: Callable[..., Request]
) -> None:
    server.refuse()
    with pytest.raises(Transient) as caught:
        run(submitted(opened(server)[0], question()))
    server.listen()
    assert caught.value.kind == "refused"


def test_a_redirect_is_not_followed_with_a_key(server: FaultServer) -> None:
    with FaultServer() as other:
        server.plan = first(
            1, Fault("moved", instead=lambda ask: error(ask, 307, "moved", location=f"{other.url}/batches/batch_0"))
        )
        with pytest.raises(CredentialsError, match="redirect"):
            run(opened(server)[0].poll("batch_0"))
        assert not other.asks
