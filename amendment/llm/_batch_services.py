"""From an entry with `mode: batch` to the vendor's batch service."""

from __future__ import annotations

import os
from collections.abc import Mapping

from amendment.llm._hosted import HostedProvider
from amendment.llm.batch_service import BatchService
from amendment.llm.batching import Batching
from amendment.llm.client import Calls
from amendment.llm.prices import Price
from amendment.llm.provider import Provider
from amendment.llm.specs import AnthropicSpec, HostedSpec, OpenAISpec

__all__ = ["BATCH_WINDOW", "batching_for", "open_batch_service"]

BATCH_WINDOW = 12_500
"""How many calls at once a model is said to take in batches: by the window's usual factor of four, 50,000 items are on
their way together, which is one full batch of OpenAI's."""


def batching_for(
    spec: HostedSpec,
    provider: Provider,
    calls: Calls,
    *,
    price: Price | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Batching:
    """The carrier of an entry with `mode: batch`."""
    assert isinstance(spec, OpenAISpec | AnthropicSpec)
    assert isinstance(provider, HostedProvider)
    service = open_batch_service(spec, provider, environ)
    return Batching(provider, service, calls.ledger, calls.budget, price, notice=calls.notice, max_wait=calls.max_wait)


def open_batch_service(
    spec: OpenAISpec | AnthropicSpec, provider: HostedProvider, environ: Mapping[str, str] = os.environ
) -> BatchService:
    """The batch service behind an entry, which is sent what `provider` would send online. Nothing is sent yet."""
    key = environ.get(spec.api_key_env) if spec.api_key_env else None
    wire = provider.wire
    if isinstance(spec, OpenAISpec):
        from amendment.llm._openai_batches import open_openai_batches

        return open_openai_batches(spec, key, path=wire.path, body=wire.body)
    from amendment.llm._anthropic_batches import open_anthropic_batches

    return open_anthropic_batches(spec, key, body=wire.body)
