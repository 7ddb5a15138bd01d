"""The money that earlier starts of a run have spent, out of its ledger."""

from __future__ import annotations

import json
from collections.abc import Mapping

from amendment.calls import Price, Request
from amendment.calls.faults import RULES
from amendment.calls.prices import most_cost
from amendment.calls.tokens import most_tokens
from amendment.ledger.reading import Reader
from amendment.providers import ModelSpec, shown_name

__all__ = ["spent_before"]


def spent_before(ledger: Reader, models: Mapping[str, ModelSpec], prices: Mapping[str, Price | None]) -> float:
    """USD, by the ledger: replies at their price, and at their worst case all calls that may have been paid for without
    one. A kill leaves as many of those as were in flight."""
    by_model = {(_host(spec), shown_name(spec)): prices[name] for name, spec in models.items()}
    paid = sum(row.usd for row in ledger.spending())
    lost = ledger.lost([kind for kind, rule in RULES.items() if rule.may_be_paid])
    return paid + sum(_worst(body, by_model) for body in lost)


def _host(spec: ModelSpec) -> str:
    return getattr(spec, "host", "")


def _worst(body: str, by_model: Mapping[tuple[str, str], Price | None]) -> float:
    """What a lost call cost at most; nothing where it has no price."""
    request = Request.from_json(json.loads(body))
    price = by_model.get((request.host, request.model))
    if price is None:
        return 0.0
    tokens = most_tokens(request)
    worst = most_cost(price, tokens)
    return worst if worst is not None else most_cost(price, tokens._replace(output=0)) or 0.0
