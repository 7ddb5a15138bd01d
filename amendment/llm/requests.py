"""Requests to a model and its replies as values, and an estimate of a request's tokens without a tokenizer.

Covered: tokenizers of which no token is shorter than a byte of the text, as byte-level BPE has them and SentencePiece
with byte fallback. Not covered: normalisers that lengthen a text first (one ligature can become many letters), and
text that a server adds on its own beyond the allowances below. Nothing here knows of networks, money or files.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import orjson
from pydantic import Field

from amendment.hashing import canonical_json, hash_name
from amendment.records import FinishReason, Message, Messages, Origin, Record, Sampling

REQUEST_TOKENS = 64
"""Allowed for what a chat format puts around a request; what it puts around a message is shorter than its JSON."""
TOOL_TOKENS = 1024
"""Allowed for the system text that vendors add where tools or an answer schema are given."""
IMAGE_TOKENS = 5000
"""Allowed for an image, by its URL or in itself. Vendors count 85 to about 4,800 tokens for a large one; models that
multiply the count for images (some small ones do) can take more."""
LIKELY_IMAGE_TOKENS = 1000
"""An image of usual size."""
CHARACTERS_PER_TOKEN = 4
"""English text, roughly."""
BYTES_PER_TOKEN = 3
"""Text outside ASCII, roughly: a Chinese character, one and a half Cyrillic letters."""
MESSAGE_TOKENS = 4
"""Around each message, as chat formats usually have them."""

_IMAGE = b'"type":"image'
"""An image in canonical JSON; inside a text the quotes would be escaped."""


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
    prefill: str | None = None
    """Text that the assistant's turn begins with; the reply continues it and does not repeat it. For `choices` the
    label's token comes right behind it."""
    scored: str | None = None
    """Text whose log-probability as the assistant's whole answer is asked for; nothing is generated."""
    answer_schema: dict[str, Any] | None = None
    """The JSON schema that the answer must follow, where the provider can be held to one."""
    sample: int = 0
    """0, 1, 2 ... for repeated draws of the same question."""
    shared: int = Field(default=0, exclude=True)
    """The number of characters at the beginning of the last message that other requests share: a hint for vendors whose
    prefix caches need one. It changes the bill, not the answer, and is not part of the request's id."""

    @cached_property
    def body(self) -> bytes:
        """Return JSON with sorted keys, as the ledger keeps it."""
        values = self.to_json()
        try:
            return orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # an integer of more than 64 bits, in a tool's schema, say
            return canonical_json(values)

    @cached_property
    def id(self) -> str:
        """Return the content hash under which ledger and records know this request."""
        return hash_name(self.body)


class Usage(Record):
    """Tokens as the provider counted them."""

    input_tokens: int
    """All of them, whether read from a cache or not."""
    output_tokens: int
    """Thinking included."""
    cached_tokens: int = 0
    """Input tokens that the provider read from its prefix cache."""
    written_tokens: int = 0
    """Input tokens that the provider wrote to its prefix cache, where it charges for that."""


READING = 1 / 8
"""The work of reading a token, in tokens written: 1/6 for a small model on a CPU, less where many are read at once."""


def estimate_work(usage: Usage | None) -> float:
    """Return the work of a call, as tokens that are written; 1 where the server did not say how many it read and
    wrote."""
    if usage is None:
        return 1.0
    return usage.output_tokens + READING * (usage.input_tokens - usage.cached_tokens)


class Reply(Record):
    """A provider's answer, read from its raw reply."""

    messages: tuple[Message, ...] = ()
    """The completion; empty when the model refused without words."""
    finish_reason: FinishReason = "stop"
    choice_logprobs: dict[str, float] | None = None
    """Natural log-probability of each asked label as first token; absent where the provider shows none, empty where it
    shows none for this answer."""
    least_logprob: float | None = None
    """The least that the provider lists of the first token: an upper bound for a label that is not listed."""
    scored_logprob: float | None = None
    """Natural log-probability of the scored text: the sum over its tokens, without the token that ends the turn."""
    scored_tokens: int | None = None
    """Number of the scored text's tokens."""
    model: str | None = None
    """The model's name as returned, which may be more exact than the name asked for."""
    usage: Usage | None = None


class Answer(NamedTuple):
    """A reply, where it came from, and the request that it answers."""

    reply: Reply
    origin: Origin
    request: Request


class Tokens(NamedTuple):
    """Tokens of one call."""

    input: int
    output: int | None
    """None when the request sets no limit: then only the model knows one."""

    @property
    def total(self) -> int:
        """Return both together, as rate limits count them; an answer without a limit counts nothing."""
        return self.input + (self.output or 0)

    @property
    def charged(self) -> int:
        """Return tokens that some vendors count against a rate limit when a call is sent: the larger of max_tokens and
        an estimate of the input."""
        return max(self.output or 0, self.input // CHARACTERS_PER_TOKEN)


def most_tokens(request: Request) -> Tokens:
    """Return the most that a request can take: a token is at least one byte of its JSON, and max_tokens bounds the
    answer."""
    images, inline = _images(request)
    most = len(request.body) - inline + REQUEST_TOKENS + IMAGE_TOKENS * images
    if request.tools or request.answer_schema:
        most += TOOL_TOKENS
    return Tokens(most, request.sampling.max_tokens)


def likely_tokens(request: Request, *, output: int | None = None) -> Tokens:
    """Return an estimate of a request's tokens, for plans: easily 20 % off, more for code and for rare scripts.

    `output` is how long the answer is thought to become; it is cut at max_tokens and is max_tokens where absent.
    """
    bounds = (output, request.sampling.max_tokens, None if request.scored is None else 1)
    limits = [tokens for tokens in bounds if tokens is not None]
    images, inline = _images(request)
    texts = sum(text_tokens(text) for text in prompt_texts(request)) - inline // CHARACTERS_PER_TOKEN
    around = MESSAGE_TOKENS * len(request.messages) + LIKELY_IMAGE_TOKENS * images
    return Tokens(texts + around, min(limits, default=None))


def _images(request: Request) -> tuple[int, int]:
    """Return the number of a request's images, and of their bytes in its JSON, which no model reads as text."""
    images = request.body.count(_IMAGE)
    if not images:
        return 0, 0
    parts = [part for message in request.messages if isinstance(message.content, tuple) for part in message.content]
    shown = [part for part in parts if str(part.get("type")).startswith("image")]
    return images, sum(len(canonical_json(part)) for part in shown)


def text_tokens(text: str) -> int:
    """Return tokens of a text, roughly: four ASCII characters each, or three bytes of anything else; rounded up."""
    encoded = text.encode("utf-8", "replace")
    ascii_bytes = len(encoded) if text.isascii() else sum(map(str.isascii, text))
    return -(-ascii_bytes // CHARACTERS_PER_TOKEN) + -(-(len(encoded) - ascii_bytes) // BYTES_PER_TOKEN)


def prompt_texts(request: Request) -> Iterator[str]:
    """Yield the texts that the model reads, in its order: tools and schema first, as vendors put them, then the
    messages."""
    for given in (request.tools, request.answer_schema):
        if given:
            yield canonical_json(given).decode()
    for message in request.messages:
        if isinstance(message.content, str) and not message.tool_calls and message.thinking is None:
            yield f"{message.role}\n{message.content}\n"
        else:
            yield canonical_json(message.to_json()).decode() + "\n"
    for text in (request.prefill, request.scored):
        if text:
            yield text
