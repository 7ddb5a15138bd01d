"""What a provider must be able to do to stand behind calls."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from amendment.llm.requests import Reply, Request, Usage

__all__ = ["Meter", "Provider", "Sent"]


class Sent(NamedTuple):
    """What came back for one request, the body untouched."""

    raw: bytes
    server_id: str | None = None
    """The server's own name for this call, for its support desk."""


class Meter(NamedTuple):
    """What is looked up in a raw reply before it is stored: what it cost, and which model says it answered."""

    usage: Usage | None = None
    model: str | None = None


class Provider(Protocol):
    """A place that answers requests. `send` returns the raw body; `read` makes a Reply of it, purely.

    Both raise Transient, Rejected or CredentialsError, and nothing else, for what a provider can do wrong.
    """

    @property
    def kind(self) -> str: ...

    @property
    def host(self) -> str: ...

    @property
    def shows_choices(self) -> bool:
        """Whether log-probabilities of label tokens can be had."""
        ...

    @property
    def deadline(self) -> float | None:
        """Seconds after which one `send` is given up as a passing fault; None where it takes as long as it takes."""
        ...

    async def send(self, request: Request) -> Sent: ...

    def meter(self, raw: bytes) -> Meter:
        """Usage and model of a raw reply, as far as they can be found. Never raises."""
        ...

    def read(self, raw: bytes, request: Request) -> Reply: ...

    async def close(self) -> None: ...
