"""Defects that runs over models are known for: stale answers of another question, and a queue that eats the time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from amendment.llm.client import Calls
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.specs import OpenAISpec
from amendment.records import Message, Messages, Sampling, user
from tests.llm.scripted import Scripted, in_loop, until

URL = "http://127.0.0.1:8000/v1"
SYSTEM = Message(role="system", content="Be brief.")


def host_of(base_url: str) -> str:
    return OpenAISpec(provider="openai", model="m", base_url=base_url).host


def asked_after(path: Path, messages: Messages, base_url: str = URL) -> int:
    """How many questions reach the server when this one is asked over that ledger."""

    async def main() -> int:
        provider = Scripted()
        provider.host = host_of(base_url)
        with Ledger(path) as ledger:
            model = Model(name="m", model="m", provider=provider, calls=Calls(ledger), sampling=Sampling())
            await model.ask(messages)
            await model.calls.drain()
        return len(provider.asked)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("messages", "base_url"),
    [
        ((SYSTEM, *user("Hi")), URL),
        ((SYSTEM.model_copy(update={"content": "Be long."}), *user("Hi")), URL),
        (user("Hi "), URL),
        (user("Ho"), URL),
        (user("Hi"), "http://127.0.0.1:8001/v1"),
        (user("Hi"), "http://127.0.0.1:8000/v2"),
        (user("Hi"), "http://localhost:8000/v1"),
    ],
    ids=str,
)
def test_another_system_text_prompt_or_address_is_never_answered_from_the_ledger(
    tmp_path: Path, messages: Messages, base_url: str
) -> None:
    path = tmp_path / "ledger.sqlite"
    assert asked_after(path, user("Hi")) == 1
    assert asked_after(path, (SYSTEM, *user("Hi"))) == 1
    is_known = messages == (SYSTEM, *user("Hi")) and base_url == URL
    assert asked_after(path, messages, base_url) == int(not is_known)
    assert asked_after(path, messages, base_url) == 0


@in_loop
async def test_time_in_the_queue_is_no_part_of_a_calls_deadline() -> None:
    provider = Scripted()
    provider.gate.clear()
    with Ledger() as ledger:
        calls = Calls(ledger, attempts=1)
        model = Model(name="m", model="m", provider=provider, calls=calls, sampling=Sampling(), concurrency=1)
        first = asyncio.ensure_future(model.ask(user("first")))
        await until(lambda: provider.at_once == 1)  # on the wire without a deadline, it holds the only slot
        provider.deadline = 0.02
        second = asyncio.ensure_future(model.ask(user("second")))
        await asyncio.sleep(0.1)  # five times as long as the second may take once it is sent
        assert len(provider.asked) == 1
        provider.gate.set()
        replies = [answer.reply.messages[0].content for answer in await asyncio.gather(first, second)]
        assert replies == ["first", "second"]
        await calls.drain()
