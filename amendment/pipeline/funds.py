"""The money that earlier starts of a run have spent, out of its ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from amendment.calls import Budget, Price, Request
from amendment.calls.faults import RULES
from amendment.calls.prices import most_cost
from amendment.calls.tokens import Tokens, most_tokens
from amendment.ledger.reading import LostCall, Reader
from amendment.providers import ModelSpec, shown_name

__all__ = ["open_budget", "spent_before"]


class _Unpaid(NamedTuple):
    """A call without a reply, and what it takes and costs at most."""

    call: LostCall
    tokens: Tokens
    price: Price


def open_budget(
    usd: float | None, ledger: Reader, models: Mapping[str, ModelSpec], prices: Mapping[str, Price | None]
) -> Budget:
    """The budget of a run that goes on: what was spent before, and what batches that are still out cost at most. When
    their lines are read, each is settled at what it cost."""
    budget = Budget(usd, spent=spent_before(ledger, models, prices))
    for unpaid in _unpaid(ledger, models, prices):
        if unpaid.call.is_out:
            budget.count_left(unpaid.call.number, unpaid.tokens, unpaid.price)
    return budget


def spent_before(ledger: Reader, models: Mapping[str, ModelSpec], prices: Mapping[str, Price | None]) -> float:
    """USD, by the ledger: replies at their price, and at their worst case all calls that may have been paid for without
    one. A kill leaves as many of those as were in flight. Batches that are still out do not count."""
    paid = sum(row.usd for row in ledger.spending())
    return paid + sum(_worst(unpaid) for unpaid in _unpaid(ledger, models, prices) if not unpaid.call.is_out)


def _unpaid(ledger: Reader, models: Mapping[str, ModelSpec], prices: Mapping[str, Price | None]) -> Iterator[_Unpaid]:
    """Calls without a reply that have a price and may be billed."""
    by_model = {(_host(spec), shown_name(spec)): prices[name] for name, spec in models.items()}
    for call in ledger.lost([kind for kind, rule in RULES.items() if rule.may_be_paid]):
        request = Request.from_json(json.loads(call.body))
        price = by_model.get((request.host, request.model))
        if price is not None:
            yield _Unpaid(call, most_tokens(request), price)


def _host(spec: ModelSpec) -> str:
    return getattr(spec, "host", "")


def _worst(unpaid: _Unpaid) -> float:
    """What a lost call cost at most, in USD; without its answer where nothing bounds that."""
    _, tokens, price = unpaid
    worst = most_cost(price, tokens, batch=unpaid.call.in_batch)
    bare = tokens._replace(output=0)
    return worst if worst is not None else most_cost(price, bare, batch=unpaid.call.in_batch) or 0.0
