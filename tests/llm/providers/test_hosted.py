"""Both SDKs against a real socket: what goes over the wire, and what each failure on it becomes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import CredentialsError, ProviderError, Rejected, Transient
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.opening import open_model, open_provider
from amendment.llm.provider import Provider
from amendment.llm.requests import Request
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.records import user

Ask = Callable[..., Request]
CANARY = "sk-canary-0123456789"
KINDS = ["openai", "anthropic"]
GOOD: dict[str, dict[str, Any]] = {
    "openai": {"choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]},
    "anthropic": {"content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn"},
}


def spec(kind: str, server: Any, **fields: Any) -> OpenAISpec | AnthropicSpec:
    if kind == "openai":
        return OpenAISpec(provider="openai", model="m", base_url=f"{server.url}/v1", **fields)
    return AnthropicSpec(provider="anthropic", model="m", base_url=server.url, **fields)


def provider(kind: str, server: Any, **fields: Any) -> Provider:
    return open_provider(spec(kind, server, **fields), {"OUR_KEY": CANARY})


def sent(provider: Provider, request: Request) -> bytes:
    async def main() -> bytes:
        try:
            return (await provider.send(request)).raw
        finally:
            await provider.close()

    return asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_the_raw_body_comes_back_untouched_and_can_be_read(kind: str, server: Any, question: Ask) -> None:
    raw = json.dumps(GOOD[kind]).encode() + b"  \n"
    server.will_say(raw)
    here = provider(kind, server)
    assert sent(here, question()) == raw
    assert here.read(raw, question()).messages[0].content == "Yes."


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1/chat/completions"), ("anthropic", "/v1/messages")])
def test_the_question_arrives_where_the_protocol_has_it(kind: str, path: str, server: Any, question: Ask) -> None:
    server.will_say(GOOD[kind])
    sent(provider(kind, server), question("Schön?\u2028\0"))
    assert server.asked[0]["path"] == path
    assert "Schön?" in json.dumps(server.asked[0]["body"], ensure_ascii=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_goes_to_the_server_that_names_it(kind: str, server: Any, question: Ask) -> None:
    server.will_say(GOOD[kind])
    sent(provider(kind, server, api_key_env="OUR_KEY"), question())
    assert CANARY in json.dumps(server.asked[0]["headers"])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_else_of_the_environment_goes_to_a_foreign_host(
    kind: str, server: Any, question: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, CANARY)
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", CANARY)
    for name in ("OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.setenv(name, f"Authorization: Bearer {CANARY}\nX-Team: {CANARY}")
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    server.will_say(GOOD[kind])
    server.will_say(GOOD[kind])
    sent(provider(kind, server), question())
    sent(provider(kind, server, api_key_env="OUR_KEY"), question())
    assert CANARY not in json.dumps(server.asked[0])
    assert "x-team" not in server.asked[1]["headers"]
    assert json.dumps(server.asked[1]).count(CANARY) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_a_server_echoes_is_not_kept(kind: str, server: Any, question: Ask) -> None:
    server.will_say({"error": {"message": f"bad {CANARY}"}}, status=200)
    made = provider(kind, server, api_key_env="OUR_KEY")
    raw = sent(made, question())
    assert CANARY.encode() not in raw
    with pytest.raises(Transient) as caught:
        made.read(raw, question())
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((status, Transient) for status in (408, 409, 429, 500, 529)),
        *((status, Rejected) for status in (400, 413, 422)),
        *((status, CredentialsError) for status in (401, 403, 404)),
    ],
)
def test_a_status_is_classified_by_the_table_after_one_attempt(
    kind: str, status: int, error: type[ProviderError], server: Any, question: Ask
) -> None:
    server.will_say({"error": {"message": f"no, {CANARY}"}}, status=status, headers={"retry-after": "2"})
    with pytest.raises(error) as caught:
        sent(provider(kind, server, api_key_env="OUR_KEY"), question())
    assert type(caught.value) is error
    assert len(server.asked) == 1
    assert CANARY not in str(caught.value)
    if isinstance(caught.value, Transient):
        assert caught.value.retry_after == 2


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_is_not_followed_with_a_key(kind: str, server: Any, question: Ask) -> None:
    server.will_say(b"", status=307, headers={"location": f"{server.url}/elsewhere"})
    with pytest.raises(CredentialsError, match="base_url"):
        sent(provider(kind, server, api_key_env="OUR_KEY"), question())
    assert len(server.asked) == 1


def test_label_probabilities_are_refused_where_the_protocol_has_none(server: Any, question: Ask) -> None:
    here = provider("anthropic", server)
    assert not here.shows_choices
    with pytest.raises(Rejected, match="verdict in words"):
        sent(here, question(choices=("A", "B")))
    assert server.asked == []


def test_label_probabilities_can_be_switched_off_for_a_server_without_them(server: Any) -> None:
    assert provider("openai", server).shows_choices
    assert not provider("openai", server, logprobs=False).shows_choices


class Run:
    """A run folder's ledger and one model, asked once."""

    def __init__(self, folder: Path, kind: str, server: Any, **fields: Any) -> None:
        self.path = folder / "ledger.sqlite"
        self.spec = spec(kind, server, api_key_env="OUR_KEY", **fields)

    def ask(self, attempts: int = 8) -> str:
        async def main() -> str:
            with Ledger(self.path) as ledger:
                calls = Calls(ledger, attempts=attempts, longest_wait=0.01)
                model: Model = open_model("m", self.spec, calls, 7, {"OUR_KEY": CANARY})
                try:
                    return str((await model.ask(user("Is water wet?"))).reply.messages[0].content)
                finally:
                    await model.provider.close()

        return asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_is_in_no_file_of_the_run(kind: str, server: Any, tmp_path: Path) -> None:
    server.will_say(GOOD[kind])
    Run(tmp_path, kind, server).ask()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not any(CANARY.encode() in path.read_bytes() for path in files)


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_has_the_time_that_its_entry_gives_it(kind: str, server: Any) -> None:
    assert provider(kind, server, timeout=5000.0).deadline == 5000.0


def test_replies_of_one_protocol_serve_an_entry_that_was_changed_to_the_other(server: Any, tmp_path: Path) -> None:
    response = {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}]}
    for number, (first, body) in enumerate((("chat", GOOD["openai"]), ("responses", response))):
        run = Run(tmp_path / str(number), "openai", server)
        run.path.parent.mkdir()
        asked = len(server.asked)
        server.will_say(body)
        second = "responses" if first == "chat" else "chat"
        for api in (first, second):
            run.spec = spec("openai", server, api_key_env="OUR_KEY", seed=None, api=api)
            assert run.ask() == "Yes."
        assert len(server.asked) == asked + 1
