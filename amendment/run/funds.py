"""The money that earlier starts of a run have spent, out of its ledger.

Covered: calls to a model that is no longer in the run file. They count at the price that the tables have for their
host and model; where these have none, at the dearest price among the run's models, since a hard budget counts rather
too much than too little. Not covered: what a vendor really bills for a call whose reply never came.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from amendment.llm.budget import Budget
from amendment.llm.ledger_reading import OpenAttempt, Reader
from amendment.llm.opening import shown_name
from amendment.llm.prices import Price, PriceTable, most_cost, price_of
from amendment.llm.provider import RULES
from amendment.llm.requests import Request
from amendment.llm.specs import ModelSpec
from amendment.llm.tokens import Tokens, most_tokens


class _Unpaid(NamedTuple):
    """A call without a reply, and what it takes and costs at most."""

    call: OpenAttempt
    tokens: Tokens
    price: Price
    is_out: bool
    """Whether its batch is not done with, so that the reply may still come."""


def open_budget(
    usd: float | None,
    ledger: Reader,
    models: Mapping[str, ModelSpec],
    prices: Mapping[str, Price | None],
    table: PriceTable,
) -> Budget:
    """The budget of a run that goes on: what was spent before, and what batches that are still out cost at most. When
    their lines are read, each is settled at what it cost. `table` has the prices of models that are no longer there."""
    budget = Budget(usd, spent=spent_before(ledger, models, prices, table))
    for unpaid in _unpaid(ledger, models, prices, table):
        if unpaid.is_out:
            budget.count_left(unpaid.call.number, unpaid.tokens, unpaid.price)
    return budget


def spent_before(
    ledger: Reader, models: Mapping[str, ModelSpec], prices: Mapping[str, Price | None], table: PriceTable
) -> float:
    """USD, by the ledger: replies at their price, and at their worst case all calls that may have been paid for without
    one. A kill leaves as many of those as were in flight. Batches that are still out do not count.

    Of two entries that name one model the dearer counts. A call to a model that has left the run file counts at its
    price in `table`, else at the dearest among `prices`.
    """
    paid = sum(row.usd for row in ledger.spending())
    lost = _unpaid(ledger, models, prices, table)
    return paid + sum(_worst(unpaid) for unpaid in lost if not unpaid.is_out)


def _unpaid(
    ledger: Reader, models: Mapping[str, ModelSpec], prices: Mapping[str, Price | None], table: PriceTable
) -> Iterator[_Unpaid]:
    """Calls without a reply that have a price and may be billed."""
    by_model: dict[tuple[str, str], list[Price | None]] = {}
    for name, spec in models.items():
        by_model.setdefault((_host(spec), shown_name(spec)), []).append(prices[name])
    out = {batch.number for batch in ledger.batches()}
    for call in ledger.open_attempts([kind for kind, rule in RULES.items() if rule.may_be_paid]):
        body = ledger.body(call.request)
        assert body is not None  # it was written down together with the attempt
        request = Request.from_json(json.loads(body))
        model_prices = by_model.get((request.host, request.model)) or _gone(request, prices, table)
        unpaid = [
            _Unpaid(call, most_tokens(request), price, call.batch in out) for price in model_prices if price is not None
        ]
        if unpaid:
            yield max(unpaid, key=_worst)


def _gone(request: Request, prices: Mapping[str, Price | None], table: PriceTable) -> list[Price | None]:
    """What a model may have cost that is no longer in the run file."""
    price = price_of(table, request.host, request.model)
    return list(prices.values()) if price is None else [price]


def _host(spec: ModelSpec) -> str:
    return getattr(spec, "host", "")


def _worst(unpaid: _Unpaid) -> float:
    """What a lost call cost at most, in USD; without its answer where nothing bounds that."""
    is_batch = unpaid.call.batch is not None
    worst = most_cost(unpaid.price, unpaid.tokens, batch=is_batch)
    bare = unpaid.tokens._replace(output=0)
    return worst if worst is not None else most_cost(unpaid.price, bare, batch=is_batch) or 0.0
