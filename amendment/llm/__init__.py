"""The one way out to a model: what is asked, what it may cost, what comes back, and the ledger that keeps it."""

from amendment.llm.budget import Budget
from amendment.llm.client import DRAIN, Calls
from amendment.llm.concurrency import STAGE, flow, stream
from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.ledger_reading import Batch, OpenAttempt, Reader, ReturnedModel, Spending
from amendment.llm.limits import Endpoint, Limits, Trouble
from amendment.llm.model import Model
from amendment.llm.opening import check_model, open_model, open_provider, register_provider, shown_name
from amendment.llm.prices import Price, PriceTable
from amendment.llm.provider import Meter, Provider, RawReply
from amendment.llm.requests import Answer, Reply, Request, Usage
from amendment.llm.simulated import model_entries, serve_world
from amendment.llm.specs import AnthropicSpec, LocalSpec, ModelSpec, OpenAISpec, RegisteredSpec, SimulatedSpec
from amendment.llm.transport import Online, Transport
from amendment.llm.trust import Trust

__all__ = [
    "DRAIN",
    "STAGE",
    "Answer",
    "AnthropicSpec",
    "Batch",
    "BatchCall",
    "Budget",
    "Calls",
    "Endpoint",
    "Ledger",
    "Limits",
    "LocalSpec",
    "Meter",
    "Model",
    "ModelSpec",
    "Online",
    "OpenAISpec",
    "OpenAttempt",
    "Price",
    "PriceTable",
    "Provider",
    "RawReply",
    "Reader",
    "RegisteredSpec",
    "Reply",
    "Request",
    "ReturnedModel",
    "SimulatedSpec",
    "Spending",
    "Transport",
    "Trouble",
    "Trust",
    "Usage",
    "check_model",
    "flow",
    "model_entries",
    "open_model",
    "open_provider",
    "register_provider",
    "serve_world",
    "shown_name",
    "stream",
]
