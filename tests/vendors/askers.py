"""Asking a server through the real SDKs, one by one or in batches, with the project's own way out, as a run does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from amendment.errors import AmendmentError
from amendment.llm.batch_vendors import Tempo, batch_service
from amendment.llm.batching import Batching
from amendment.llm.budget import Budget
from amendment.llm.client import Calls
from amendment.llm.concurrency import flow
from amendment.llm.hosted import HostedProvider
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.opening import open_model, open_provider
from amendment.llm.prices import Price
from amendment.llm.requests import Reply
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.records import user
from tests.vendors.server import FaultServer

PROTOCOLS: dict[str, dict[str, Any]] = {
    "chat": {"provider": "openai"},
    "messages": {"provider": "anthropic"},
}
"""What an entry of `models:` says for each protocol."""
SEED = 7
QUICK = Tempo(linger=0.03, first_poll=0.01, longest_poll=0.02)
"""A speed for tests."""
_SPEC: TypeAdapter[OpenAISpec | AnthropicSpec] = TypeAdapter(OpenAISpec | AnthropicSpec)


@dataclass
class Asked:
    """What came of asking, and what was told on the way."""

    found: list[Reply | AmendmentError] = field(default_factory=list)
    """The reply to each question, or the error that it ended with."""
    notices: list[str] = field(default_factory=list)
    spent: float = 0.0
    sent: int = 0
    left_open: int = 0
    """Batches that are not closed in the ledger."""


def entry(server: FaultServer, protocol: str, **fields: Any) -> dict[str, Any]:
    """An entry of `models:` that asks this server."""
    base_url = server.origin if protocol == "messages" else server.url
    return {**PROTOCOLS[protocol], "base_url": base_url, "model": "m", **fields}


def batched_model(
    server: FaultServer, protocol: str, calls: Calls, *, price: Price | None = None, **fields: Any
) -> tuple[Model, Batching]:
    """A model of this server whose requests go out in batches."""
    spec = _SPEC.validate_python(entry(server, protocol, mode="batch", **fields))
    provider = open_provider(spec, {})
    assert isinstance(provider, HostedProvider)
    transport = Batching(
        provider,
        batch_service(provider),
        calls.ledger,
        calls.budget,
        price,
        tempo=QUICK,
        notice=calls.notice,
        max_wait=calls.max_wait,
    )
    sampling = spec.sampling(SEED)
    model = Model(name="m", model="m", provider=provider, calls=calls, sampling=sampling, transport=transport)
    return model, transport


def ask_batched(
    server: FaultServer,
    protocol: str,
    questions: Sequence[str],
    *,
    is_batched: bool = True,
    ledger: Path | None = None,
    window: int | None = None,
    choices: tuple[str, ...] | None = None,
    attempts: int = 8,
    longest_wait: float = 0.01,
    max_wait: float = 900.0,
    environ: dict[str, str] | None = None,
    budget: Budget | None = None,
    price: Price | None = None,
    **fields: Any,
) -> Asked:
    """Ask all questions, at once unless a window says otherwise, and wait for the ends of all. `fields` are those of
    the entry."""
    asked = Asked()

    async def main() -> None:
        with Ledger(ledger) as held:
            calls = Calls(held, budget=budget, attempts=attempts, longest_wait=longest_wait, max_wait=max_wait)
            if is_batched:
                model, _ = batched_model(server, protocol, calls, price=price, **fields)
            else:
                spec = _SPEC.validate_python(entry(server, protocol, **fields))
                model = open_model("m", spec, calls, SEED, environ or {}, price=price)

            async def ask(text: str) -> Reply | AmendmentError:
                try:
                    return (await model.ask(user(text), choices=choices)).reply
                except AmendmentError as fault:
                    return fault

            try:
                asked.found = await flow(questions, ask, window=window or len(questions))
            finally:
                await calls.drain()
                await model.provider.close()
                asked.notices, asked.sent, asked.spent = list(calls.notices), calls.sent, calls.budget.spent
                asked.left_open = len(held.batches())

    asyncio.run(main())
    return asked


def ask_all(
    server: FaultServer, protocol: str, questions: Sequence[str], *, window: int = 64, **settings: Any
) -> list[Reply | AmendmentError]:
    """The same, each question in a call of its own."""
    return ask_batched(server, protocol, questions, is_batched=False, window=window, **settings).found


def ask_one(server: FaultServer, protocol: str, question: str = "Hello", **settings: Any) -> Reply | AmendmentError:
    """What becomes of one question."""
    (found,) = ask_all(server, protocol, [question], **settings)
    return found


def said(found: Reply | AmendmentError) -> str:
    """The text of a reply. An error is raised."""
    if isinstance(found, AmendmentError):
        raise found
    return str(found.messages[0].content)
