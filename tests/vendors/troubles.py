"""What can go wrong at a vendor's server, and when it does.

A plan is asked about each request as it comes in. Those here are seeded: whether a request meets a fault follows from
the seed, the request and how many times it has come, never from the order of arrival. `catalogue` names the faults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from tests.vendors.wire import Answer, Ask

__all__ = ["Fault", "Plan", "always", "error", "first", "never", "seeded", "status"]

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
    on_wire: Literal["whole", "reset", "cut", "drip", "hang", "down"] = "whole"
    """down: the connection is reset, and none is taken for 50 ms."""
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
    """Each fault for its share of requests; none for a request that comes more than so many times."""

    def plan(ask: Ask) -> Fault | None:
        if ask.method != "POST" or ask.nth > times:
            return None
        digest = blake2b(f"{seed} {ask.nth} {ask.key}".encode(), digest_size=8).digest()
        drawn = int.from_bytes(digest, "big") / 2**64
        for fault, share in shares.items():
            drawn -= share
            if drawn < 0:
                return fault
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
