"""Asking through batches, with the project's own way out, at a speed for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter

from amendment.errors import AmendmentError
from amendment.llm.batch_vendors import batch_service
from amendment.llm.batching import Batching, Tempo
from amendment.llm.budget import Budget
from amendment.llm.client import Calls
from amendment.llm.concurrency import flow
from amendment.llm.hosted import HostedProvider
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.opening import open_provider
from amendment.llm.prices import Price
from amendment.llm.requests import Reply
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.records import Message
from tests.vendors.askers import entry
from tests.vendors.server import FaultServer

__all__ = ["QUICK", "Asked", "ask_batched", "batched_model"]

QUICK = Tempo(linger=0.03, first_poll=0.01, longest_poll=0.02)
_SPEC: TypeAdapter[OpenAISpec | AnthropicSpec] = TypeAdapter(OpenAISpec | AnthropicSpec)


class Asked:
    """What came of asking, and what was told on the way."""

    def __init__(self) -> None:
        self.found: list[Reply | AmendmentError] = []
        self.notices: list[str] = []
        self.spent = 0.0
        self.sent = 0
        self.left_open = 0
        """Batches that are not closed in the ledger."""


def batched_model(
    server: FaultServer,
    protocol: str,
    calls: Calls,
    *,
    price: Price | None = None,
    tempo: Tempo = QUICK,
    **fields: object,
) -> tuple[Model, Batching]:
    """A model of this server whose requests go out in batches."""
    spec = _SPEC.validate_python(entry(server, protocol, mode="batch", **fields))
    provider = open_provider(spec, {})
    assert isinstance(provider, HostedProvider)
    service = batch_service(provider)
    carrier = Batching(
        provider,
        service,
        calls.ledger,
        calls.budget,
        price,
        tempo=tempo,
        notice=calls.notice,
        max_wait=calls.max_wait,
    )
    model = Model(
        name="m", model="m", provider=provider, calls=calls, sampling=spec.sampling(7), carrier=carrier, lengthens=True
    )
    return model, carrier


def ask_batched(
    server: FaultServer,
    protocol: str,
    questions: Sequence[str],
    *,
    ledger: Path | None = None,
    budget: Budget | None = None,
    price: Price | None = None,
    tempo: Tempo = QUICK,
    attempts: int = 8,
    max_wait: float = 900.0,
    **fields: object,
) -> Asked:
    """Ask all questions at once and wait for the ends of all."""
    asked = Asked()

    async def one(model: Model, text: str) -> Reply | AmendmentError:
        try:
            return (await model.ask((Message(role="user", content=text),))).reply
        except AmendmentError as fault:
            return fault

    async def main() -> None:
        with Ledger(ledger) as held:
            calls = Calls(held, budget=budget, attempts=attempts, longest_wait=0.01, max_wait=max_wait)
            model, _ = batched_model(server, protocol, calls, price=price, tempo=tempo, **fields)
            try:
                asked.found = await flow(questions, lambda text: one(model, text), window=len(questions))
            finally:
                await calls.drain()
                await model.provider.close()
                asked.notices, asked.sent, asked.spent = list(calls.notices), calls.sent, calls.budget.spent
                asked.left_open = len(held.batches())

    asyncio.run(main())
    return asked
