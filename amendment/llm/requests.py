"""What is asked of a model and what it answers, as values: nothing here knows of networks, money or files."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import orjson
from pydantic import Field

from amendment.hashing import canonical_json, name_of
from amendment.records import FinishReason, Message, Messages, Origin, Record, Sampling


class Request(Record):
    """One question to one model: every field changes the answer, so every field counts in its name, but `shared`."""

    provider: str
    host: str
    model: str
    messages: Messages
    tools: tuple[dict[str, Any], ...] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    sampling: Sampling = Sampling()
    choices: tuple[str, ...] | None = None
    """Labels whose probabilities as the first token of the answer are asked for."""
    answer_schema: dict[str, Any] | None = None
    """The JSON schema that the answer shall keep, where the provider can be held to one."""
    sample: int = 0
    """0, 1, 2 ... for repeated draws of the same question."""
    shared: int = Field(default=0, exclude=True)
    """How many characters at the beginning of the last message other requests begin with too: a hint for vendors whose
    prefix caches want to be told. It changes the bill, not the answer, and counts in no name."""

    @cached_property
    def body(self) -> bytes:
        """JSON with sorted keys, as the ledger keeps it."""
        values = self.to_json()
        try:
            return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # an integer of more than 64 bits, in a tool's schema, say
            return canonical_json(values)

    @cached_property
    def id(self) -> str:
        """The content hash under which ledger and records know this request."""
        return name_of(self.body)


class Usage(Record):
    """Tokens as the provider counted them."""

    input_tokens: int
    """All of them, whether read from a cache or not."""
    output_tokens: int
    """Thinking included."""
    cached_tokens: int = 0
    """Of the input, those that the provider read from its prefix cache."""
    written_tokens: int = 0
    """Of the input, those that the provider wrote into its prefix cache, where it charges for that."""


class Reply(Record):
    """What a provider answered, read from its raw reply."""

    messages: tuple[Message, ...] = ()
    """The completion; empty when the model refused without words."""
    finish_reason: FinishReason = "stop"
    choice_logprobs: dict[str, float] | None = None
    """Natural log-probability of each asked label as first token; absent where the provider shows none, empty where it
    shows none for this answer."""
    least_logprob: float | None = None
    """The least that the provider lists of the first token: an upper bound for a label that is not listed."""
    model: str | None = None
    """The model's name as returned, which may be more exact than the name asked for."""
    usage: Usage | None = None


class Answer(NamedTuple):
    """A reply and where it came from."""

    reply: Reply
    origin: Origin
