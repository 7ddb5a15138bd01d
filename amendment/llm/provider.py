"""The protocol of a provider, the consequences of its faults for later calls, and the raw reply of providers that run
inside this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from amendment.errors import FaultKind, Transient
from amendment.llm.pace import Allowance
from amendment.llm.requests import Reply, Request, Usage
from amendment.records import Message, ToolCall


class RawReply(NamedTuple):
    """The unchanged body of the reply to one request."""

    raw: bytes
    server_id: str | None = None
    """The server's own name for this call, for its support desk."""
    allowances: Mapping[str, Allowance] = {}
    """What the reply says about the server's limits."""


class Meter(NamedTuple):
    """Usage and model, looked up in a raw reply before it is stored."""

    usage: Usage | None = None
    model: str | None = None


@runtime_checkable
class Provider(Protocol):
    """A place that answers requests. `send` returns the raw body; `read` makes a Reply of it, purely.

    A provider that can continue a given beginning of the answer says `takes_prefill = True`, one that returns the
    log-probability of a given answer `scores_texts = True`; without these attributes neither is asked of it.

    Both raise Transient, Rejected or CredentialsError, and nothing else, for what a provider can do wrong.
    """

    @property
    def kind(self) -> str:
        """Return the provider's name in records, such as `openai`."""
        ...

    @property
    def host(self) -> str:
        """Return where requests go. Replies of one host, model and question are the same reply."""
        ...

    @property
    def shows_choices(self) -> bool:
        """Return True for a provider that returns log-probabilities of label tokens."""
        ...

    @property
    def deadline(self) -> float | None:
        """Return the seconds after which one `send` is given up as a passing fault; None if it takes as long as it
        takes."""
        ...

    async def send(self, request: Request) -> RawReply:
        """Ask once, without retries."""
        ...

    def meter(self, raw: bytes) -> Meter:
        """Return usage and model of a raw reply, as far as they can be found. Never raises."""
        ...

    def read(self, raw: bytes, request: Request) -> Reply:
        """Return the reply in a raw body, also in one that an earlier run stored."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class FaultRule(NamedTuple):
    """The consequences of one kind of fault."""

    attempts: int | None = None
    """The maximum of attempts with this fault; None leaves it to the run's patience."""
    counts: bool = True
    """The fault uses up an attempt."""
    is_outage: bool = False
    """The fault points to an outage of the endpoint: the breaker counts it."""
    may_be_paid: bool = False
    """The provider may bill for the call although no reply is on disk."""


RULES: dict[FaultKind, FaultRule] = {
    "rate": FaultRule(counts=False),
    "server": FaultRule(is_outage=True),
    "transport": FaultRule(is_outage=True, may_be_paid=True),
    "refused": FaultRule(is_outage=True),
    "deadline": FaultRule(is_outage=True, may_be_paid=True),
    "unreadable": FaultRule(may_be_paid=True),
    "empty": FaultRule(attempts=3, may_be_paid=True),
}
"""rate: the server wants fewer calls. server: it says itself that it failed. refused: nobody took the connection.
transport: the connection broke after the request had left. deadline: no reply in time. unreadable: a reply that is cut,
a page, an error in disguise. empty: a whole reply that says nothing."""


def write_plain(
    text: str,
    *,
    finish_reason: str,
    input_tokens: int,
    output_tokens: int,
    logprobs: dict[str, float] | None = None,
    scored: tuple[float, int] | None = None,
    thinking: str | None = None,
    calls: Sequence[dict[str, Any]] = (),
    model: str | None = None,
) -> bytes:
    """Return the raw bytes of a reply; `logprobs` are those of the labels that were asked for, `scored` is
    log-probability and tokens of the text that was. Absent values are left out."""
    further = {
        "choice_logprobs": logprobs,
        "scored": scored,
        "thinking": thinking,
        "calls": list(calls) or None,
        "model": model,
    }
    body = {
        "text": text,
        "finish_reason": finish_reason,
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        **{name: value for name, value in further.items() if value is not None},
    }
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()


class PlainProvider:
    """Base of providers whose raw replies are those of `write_plain`."""

    deadline: float | None = None

    def meter(self, raw: bytes) -> Meter:
        """Return usage and model of what `write_plain` wrote; nothing of any other bytes."""
        try:
            body = json.loads(raw)
            usage = Usage(input_tokens=body["input_tokens"], output_tokens=body["output_tokens"])
            return Meter(usage, body.get("model"))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Meter()

    def read(self, raw: bytes, request: Request) -> Reply:
        """Return the inverse of `write_plain`. Raises Transient for bytes that it did not write."""
        try:
            body = json.loads(raw)
            calls = tuple(ToolCall(function=call) for call in body.get("calls", ()))
            content = body["text"] or None if calls else body["text"]
            scored_logprob, scored_tokens = body.get("scored", (None, None))
            return Reply(
                messages=(
                    Message(role="assistant", content=content, thinking=body.get("thinking"), tool_calls=calls or None),
                ),
                finish_reason=body["finish_reason"],
                choice_logprobs=body.get("choice_logprobs"),
                scored_logprob=scored_logprob,
                scored_tokens=scored_tokens,
                model=body.get("model"),
                usage=Usage(input_tokens=body["input_tokens"], output_tokens=body["output_tokens"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise Transient(
                f"{request.host}: the stored reply is not one of this provider ({fault!r})", kind="unreadable"
            ) from fault

    async def close(self) -> None:
        """Do nothing: nothing is open."""
