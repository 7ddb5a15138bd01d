"""What a passing fault means for the calls after it: one table, by kind."""

from __future__ import annotations

from typing import NamedTuple

from amendment.errors import FaultKind

__all__ = ["RULES", "Rule"]


class Rule(NamedTuple):
    """What follows from one kind of fault."""

    attempts: int | None
    """Most attempts that may end so; None leaves it to the run's patience."""
    counts: bool
    """Whether it uses up an attempt at all."""
    is_outage: bool
    """Whether it says that the endpoint is ill: the breaker counts it."""
    may_be_paid: bool
    """Whether the provider may bill for it although no reply is on disk."""


RULES: dict[FaultKind, Rule] = {
    "rate": Rule(attempts=None, counts=False, is_outage=False, may_be_paid=False),
    "server": Rule(attempts=None, counts=True, is_outage=True, may_be_paid=False),
    "transport": Rule(attempts=None, counts=True, is_outage=True, may_be_paid=True),
    "refused": Rule(attempts=None, counts=True, is_outage=True, may_be_paid=False),
    "deadline": Rule(attempts=None, counts=True, is_outage=True, may_be_paid=True),
    "unreadable": Rule(attempts=None, counts=True, is_outage=False, may_be_paid=True),
    "empty": Rule(attempts=3, counts=True, is_outage=False, may_be_paid=True),
}
"""rate: the server wants fewer calls. server: it says itself that it failed. refused: nobody took the connection.
transport: the connection broke after the request had left. deadline: no reply in time. unreadable: a reply that is cut,
a page, an error in disguise. empty: a whole reply that says nothing."""
