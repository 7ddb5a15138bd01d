"""What goes into the ledger and comes out of it, as values, and how foreign values are made fit for a column.

A server chooses the text and the numbers of its reply; none of them may keep the row of a paid reply off the disk.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

__all__ = ["Batch", "BatchCall", "TokenMeter", "TokenUsage", "count", "money", "text"]


class TokenUsage(Protocol):
    """Tokens as a provider counted them."""

    @property
    def input_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int: ...

    @property
    def cached_tokens(self) -> int: ...


class TokenMeter(Protocol):
    """What was found in a raw reply: its tokens, and the model that says it answered."""

    @property
    def usage(self) -> TokenUsage | None: ...

    @property
    def model(self) -> str | None: ...


class BatchCall(NamedTuple):
    """One request of a batch."""

    request_id: str
    body: bytes
    host: str
    model: str
    stage: str


class Batch(NamedTuple):
    """A batch that was meant to be uploaded and is not done with."""

    number: int
    shard: str
    """The hash of its content."""
    host: str
    model: str
    remote: str | None
    """The server's name for it; None when the process ended between the intent and the server's answer."""
    begun_at: str
    """UTC."""
    attempts: dict[str, int]
    """Request id -> number of the attempt."""


def text(value: str | None) -> str | None:
    """Text that UTF-8 can hold: lone surrogates become question marks."""
    return None if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def count(value: int | None) -> int | None:
    """A number of tokens that a column can hold; anything else counts as not told."""
    return int(value) if isinstance(value, int) and 0 <= value < 2**63 else None


def money(value: float | None) -> float | None:
    """USD; what is not finite counts as not known. SQLite gives -0.0 back as 0.0, which has another checksum."""
    return None if value is None or not math.isfinite(value) else float(value) + 0.0
