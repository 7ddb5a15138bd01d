"""What can go wrong at a vendor's server, and when it does.

A plan is asked about each request as it comes in. Those here are seeded: whether a request meets a fault follows from
the seed, the request and how many times it has come, never from the order of arrival. `FAULTS` names them:
statuses, wires that break, bodies that say something else than was meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Literal

from tests.vendors.wire import Answer, Ask

Body = dict[str, Any]
_TYPES = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error"}
_TYPES |= {413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}


@dataclass(frozen=True)
class Fault:
    """One kind of trouble."""

    name: str
    instead: Callable[[Ask], Answer] | None = None
    """What is answered in place of a good answer; nothing is billed."""
    spoil: Callable[[Answer, Ask], Answer] | None = None
    """What becomes of the good answer, which is billed."""
    on_wire: Literal["whole", "reset", "cut", "drip", "hang"] = "whole"
    ruins: bool = False
    """Whether a spoilt answer is of no use to anybody."""


Plan = Callable[[Ask], Fault | None]


def never(_: Ask) -> None:
    """No trouble."""


def always(fault: Fault) -> Plan:
    """The same trouble for each request."""
    return lambda _: fault


def first(times: int, fault: Fault) -> Plan:
    """Trouble for the first so many times that a request comes."""
    return lambda ask: fault if ask.nth <= times else None


def seeded(seed: int, shares: Mapping[Fault, float], *, times: int = 2) -> Plan:
    """Each fault for its share of requests; none for a request that comes more than so many times, and no third empty
    reply, after which an item is invalid for good."""

    def plan(ask: Ask) -> Fault | None:
        if ask.method != "POST" or ask.nth > times:
            return None
        digest = blake2b(f"{seed} {ask.nth} {ask.key}".encode(), digest_size=8).digest()
        drawn = int.from_bytes(digest, "big") / 2**64
        for fault, share in shares.items():
            drawn -= share
            if drawn < 0:
                return None if fault.name == "empty" and ask.nth > 2 else fault
        return None

    return plan


def error(ask: Ask, status: int, message: str, *, code: str | None = None, **headers: str) -> Answer:
    """An error as the vendor words it that is asked. Underscores in names of headers stand for hyphens."""
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    said: dict[str, Any] = {"type": kind, "message": message}
    body = {"type": "error", "error": said} if ask.is_anthropic else {"error": {**said, "param": None, "code": code}}
    return Answer.of(body, status)._replace(headers={name.replace("_", "-"): value for name, value in headers.items()})


def status(number: int, message: str = "not now", *, code: str | None = None, **headers: str) -> Fault:
    """A status with the vendor's error body."""
    return Fault(str(number), lambda ask: error(ask, number, message, code=code, **headers))


def _rewritten(change: Callable[[Body], None]) -> Callable[[Answer, Ask], Answer]:
    """A good answer whose JSON was changed."""

    def spoil(good: Answer, _: Ask) -> Answer:
        body = good.json
        change(body)
        return good._replace(body=json.dumps(body, separators=(",", ":")).encode())

    return spoil


def _say(body: Body, make: Callable[[str], str]) -> None:
    """Let the model say something else, in whichever shape."""
    if "choices" in body:
        holder, name = body["choices"][0]["message"], "content"
    else:
        holder, name = body["content"][0], "text"
    holder[name] = make(holder[name])


def _said(make: Callable[[str], str]) -> Callable[[Answer, Ask], Answer]:
    """A good answer in which the model said something else."""
    return _rewritten(lambda body: _say(body, make))


def _silent(body: Body) -> None:
    """Nothing said, and no token shown either."""
    _say(body, lambda _: "")
    for choice in body.get("choices", ()):
        choice["logprobs"] = None


def _ended(openai: str, anthropic: str) -> Callable[[Answer, Ask], Answer]:
    def change(body: Body) -> None:
        if "choices" in body:
            body["choices"][0]["finish_reason"] = openai
        else:
            body["stop_reason"] = anthropic

    return _rewritten(change)


def _held(value: Any) -> Callable[[Answer, Ask], Answer]:
    """A good answer that holds something else than what was said."""

    def change(body: Body) -> None:
        body["choices" if "choices" in body else "content"] = value

    return _rewritten(change)


def _unmetered(body: Body) -> None:
    del body["usage"]


def _page(good: Answer, _: Ask) -> Answer:
    return good._replace(body=b"<html>busy</html>", headers={"content-type": "text/html"})


_STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529)
_ODD_USAGE = {"prompt_tokens": "many", "completion_tokens": [], "input_tokens": -1.5, "output_tokens": {}}

_BY_NAME = {
    **{str(number): status(number) for number in _STATUSES},
    "429 ms": status(429, retry_after_ms="20", retry_after="1"),
    "429 seconds": status(429, retry_after="0.02"),
    "429 nonsense": status(429, retry_after="nan"),
    "quota": status(429, "You exceeded your current quota", code="insufficient_quota"),
    "balance": status(400, "Your credit balance is too low to access the API"),
    "context": status(400, "the maximum context length is 8 tokens", code="context_length_exceeded"),
    "no retry": status(503, "not now", x_should_retry="false"),
    "reset": Fault("reset", on_wire="reset"),
    "cut": Fault("cut", on_wire="cut"),
    "drip": Fault("drip", on_wire="drip"),
    "hang": Fault("hang", on_wire="hang"),
    "cut json": Fault("cut json", spoil=lambda good, _: good._replace(body=good.body[:-20]), ruins=True),
    "page": Fault("page", spoil=_page, ruins=True),
    "error body": Fault("error body", lambda ask: error(ask, 500, "no model here")._replace(status=200)),
    "no choices": Fault("no choices", spoil=_held([]), ruins=True),
    "null": Fault("null", spoil=_held(None), ruins=True),
    "empty": Fault("empty", spoil=_rewritten(_silent), ruins=True),
    "surrogate": Fault("surrogate", spoil=_said(lambda text: f"\ud800{text}")),
    "nul": Fault("nul", spoil=_said(lambda text: f"\0{text}")),
    "megabyte": Fault("megabyte", spoil=_said(lambda text: f"{text} {'x' * 2**20}")),
    "two verdicts": Fault("two verdicts", spoil=_said(lambda text: f"{text}\n{text}")),
    "length": Fault("length", spoil=_ended("length", "max_tokens")),
    "refusal": Fault("refusal", spoil=_ended("content_filter", "refusal")),
    "odd usage": Fault("odd usage", spoil=_rewritten(lambda body: body.update(usage=_ODD_USAGE))),
    "no usage": Fault("no usage", spoil=_rewritten(_unmetered)),
    "other name": Fault("other name", spoil=_rewritten(lambda body: body.update(model="another-snapshot"))),
}
FAULTS: Mapping[str, Fault] = {name: replace(fault, name=name) for name, fault in _BY_NAME.items()}

PASSING = (
    *("no retry", "429", "429 ms", "429 seconds", "429 nonsense", "408", "409", "500", "502", "503", "504", "529"),
    *("reset", "cut", "cut json", "page", "error body", "no choices", "null", "empty"),
)
"""After each of these the same question, asked again, gets its good answer, and nothing has to be waited for long."""


def passing(share: float) -> dict[Fault, float]:
    """All of `PASSING`, together for so large a share of requests."""
    return {FAULTS[name]: share / len(PASSING) for name in PASSING}
