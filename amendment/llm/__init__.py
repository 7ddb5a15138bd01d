"""The one way out to a model: what is asked, what it may cost, what comes back, and the ledger that keeps it."""

from amendment.llm.budget import Budget
from amendment.llm.client import Calls
from amendment.llm.functions import ModelFunction
from amendment.llm.ledger import Ledger
from amendment.llm.model import Model
from amendment.llm.opening import open_model, open_provider, register_provider
from amendment.llm.prices import Price
from amendment.llm.provider import Meter, Provider, RawReply
from amendment.llm.requests import Answer, Reply, Request, Usage
from amendment.llm.simulated import serve_world
from amendment.llm.specs import AnthropicSpec, LocalSpec, ModelSpec, OpenAISpec, RegisteredSpec, SimulatedSpec
from amendment.llm.trust import Trust

__all__ = [
    "Answer",
    "AnthropicSpec",
    "Budget",
    "Calls",
    "Ledger",
    "LocalSpec",
    "Meter",
    "Model",
    "ModelFunction",
    "ModelSpec",
    "OpenAISpec",
    "Price",
    "Provider",
    "RawReply",
    "RegisteredSpec",
    "Reply",
    "Request",
    "SimulatedSpec",
    "Trust",
    "Usage",
    "open_model",
    "open_provider",
    "register_provider",
    "serve_world",
]
