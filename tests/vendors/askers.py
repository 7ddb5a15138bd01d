"""Asking a server through the real SDKs, with the project's own way out, as a run does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from amendment.errors import AmendmentError
from amendment.llm.budget import Budget
from amendment.llm.client import Calls
from amendment.llm.concurrency import flow
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.opening import open_model
from amendment.llm.prices import Price
from amendment.llm.requests import Reply
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.records import Message
from tests.vendors.server import FaultServer

__all__ = ["PROTOCOLS", "SEED", "ask_all", "ask_one", "entry", "said"]

PROTOCOLS: dict[str, dict[str, Any]] = {
    "chat": {"provider": "openai"},
    "responses": {"provider": "openai", "api": "responses"},
    "messages": {"provider": "anthropic"},
}
"""What an entry of `models:` says for each protocol."""
SEED = 7
_SPEC: TypeAdapter[OpenAISpec | AnthropicSpec] = TypeAdapter(OpenAISpec | AnthropicSpec)


def entry(server: FaultServer, protocol: str, **fields: Any) -> dict[str, Any]:
    """An entry of `models:` that asks this server."""
    base_url = server.origin if protocol == "messages" else server.url
    return {**PROTOCOLS[protocol], "base_url": base_url, "model": "m", **fields}


def ask_all(
    server: FaultServer,
    protocol: str,
    questions: Sequence[str],
    *,
    ledger: Path | None = None,
    window: int = 64,
    choices: tuple[str, ...] | None = None,
    attempts: int = 8,
    max_wait: float = 900.0,
    environ: dict[str, str] | None = None,
    budget: Budget | None = None,
    price: Price | None = None,
    **fields: Any,
) -> list[Reply | AmendmentError]:
    """The reply to each question, or the error that it ended with. `fields` are those of the entry."""

    async def main() -> list[Reply | AmendmentError]:
        with Ledger(ledger) as held:
            calls = Calls(held, budget=budget, attempts=attempts, longest_wait=0.01, max_wait=max_wait)
            spec = _SPEC.validate_python(entry(server, protocol, **fields))
            model = open_model("m", spec, calls, SEED, environ or {}, price=price)
            try:
                return await flow(questions, lambda text: _asked(model, text, choices), window=window)
            finally:
                await calls.drain()
                await model.provider.close()

    return asyncio.run(main())


def ask_one(server: FaultServer, protocol: str, question: str = "Hello", **settings: Any) -> Reply | AmendmentError:
    """The reply to one question, or the error that it ended with."""
    (found,) = ask_all(server, protocol, [question], **settings)
    return found


async def _asked(model: Model, text: str, choices: tuple[str, ...] | None) -> Reply | AmendmentError:
    try:
        return (await model.ask((Message(role="user", content=text),), choices=choices)).reply
    except AmendmentError as fault:
        return fault


def said(found: Reply | AmendmentError) -> str:
    """The text of a reply. An error is raised."""
    if isinstance(found, AmendmentError):
        raise found
    return str(found.messages[0].content)
