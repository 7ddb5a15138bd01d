"""A reply decides the outcome of its item."""

from __future__ import annotations

import asyncio

import pytest

from amendment.errors import ConfigError, CredentialsError, ProviderError, Rejected, Transient
from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Ending, Model, Unusable, draft, item_ending, usable
from amendment.llm.requests import Answer, Reply, Request
from amendment.records import FinishReason, Message, Origin, Prompt, Sampling, ToolCall, text_of, user
from tests.llm.scripted import Scripted, in_loop

WORDS = Message(role="assistant", content="Hello.")
CALL = Message(role="assistant", tool_calls=(ToolCall(function={"name": "look", "arguments": {}}),))
THOUGHT = Message(role="assistant", thinking="Hm.")
PARTS = Message(role="assistant", content=({"type": "text", "text": "Hello."},))


def answer(*messages: Message, finish_reason: FinishReason = "stop") -> Answer:
    asked = Request(provider="x", host="here", model="m", messages=user("Hi"))
    return Answer(Reply(messages=messages, finish_reason=finish_reason), Origin(), asked)


@pytest.mark.parametrize("messages", [(PARTS,), (CALL, WORDS)])
def test_words_and_tool_calls_are_answers(messages: tuple[Message, ...]) -> None:
    assert usable(answer(*messages), "draft") == messages


@pytest.mark.parametrize("messages", [(), (Message(role="assistant", content=" \n\t"),), (THOUGHT,)])
def test_silence_is_invalid(messages: tuple[Message, ...]) -> None:
    with pytest.raises(Unusable, match="critique: the reply is empty") as caught:
        usable(answer(*messages), "critique")
    assert caught.value.outcome == "invalid"


@pytest.mark.parametrize("messages", [(), (WORDS,)])
def test_a_refusal_is_a_refusal_with_or_without_words(messages: tuple[Message, ...]) -> None:
    with pytest.raises(Unusable, match="draft: the model refused") as caught:
        usable(answer(*messages, finish_reason="refusal"), "draft")
    assert caught.value.outcome == "refused"


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        (Unusable("refused", "no"), Ending("refused", "no")),
        (Transient("busy"), Ending("pending", "busy")),
        (Rejected("too long"), Ending("failed", "too long")),
    ],
)
def test_only_a_passing_fault_leaves_an_item_pending(fault: Unusable | ProviderError, ending: Ending) -> None:
    assert item_ending(fault) == ending


def test_a_key_that_is_refused_ends_no_item_but_the_run() -> None:
    with pytest.raises(CredentialsError, match="no key"):
        item_ending(CredentialsError("no key"))


class Cut(Scripted):
    """Whose answers are cut at their limit."""

    def read(self, raw: bytes, request: Request) -> Reply:
        return super().read(raw, request).model_copy(update={"finish_reason": "length"})


@in_loop
async def test_a_draft_carries_where_it_came_from_and_how_it_ended() -> None:
    provider = Cut()
    prompt = Prompt(messages=user("Hi"), source="mail", license="CC0-1.0")
    with Ledger() as ledger:
        model = Model(name="m", model="m-1", provider=provider, calls=Calls(ledger), sampling=Sampling())
        made = await draft(prompt, model, sample=3, kind="policy")
        assert (made.prompt_id, made.kind, text_of(made.messages)) == (prompt.id, "policy", "Hi")
        assert made.is_truncated
        assert (made.origin.model, made.origin.source, made.origin.license) == ("m-1", "mail", "CC0-1.0")
        assert made.origin.request == provider.asked[0].id
    assert [request.sample for request in provider.asked] == [3]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prefill": "Yes"}, "model ask: function cannot continue the beginning of an answer"),
        ({"scored": "Yes"}, "model ask: function returns no log-probability of a text"),
    ],
)
def test_what_a_provider_cannot_do_is_refused_before_it_is_asked(asked: dict[str, str], message: str) -> None:
    sent = list[object]()

    async def ask(messages: list[dict[str, object]]) -> str:
        sent.append(messages)
        return "No"

    with pytest.raises(ConfigError, match=message):
        asyncio.run(Model.from_function(ask).ask(user("Is it?"), **asked))  # type: ignore[arg-type]
    assert not sent
