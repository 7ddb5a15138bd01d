"""What each model of a run file costs a token, and what earlier starts of the run have spent, by its ledger.

A price is the entry's own, else the user's table's, else the shipped one's. Models inside this process are free, and
so are servers of one's own that no table names. A call to a model that has left the run file counts at the price that
the tables have, else at the dearest among the run's models, since a hard budget counts rather too much than too
little. Not covered: what a run comes to, see `plan`; what a vendor really bills for a call whose reply never came.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from amendment.errors import ConfigError
from amendment.llm.budget import Budget
from amendment.llm.ledger_reading import OpenAttempt, Reader
from amendment.llm.opening import shown_name
from amendment.llm.prices import FREE, Price, PriceTable, find_price, least_bound, most_cost
from amendment.llm.provider import RULES
from amendment.llm.requests import Request, Tokens, most_tokens
from amendment.llm.specs import AnthropicSpec, ModelSpec, OpenAISpec, RegisteredSpec
from amendment.preference import load_judge_folder
from amendment.preference.settings import JudgeEntry
from amendment.run.chain import list_stages
from amendment.run.runfile.config import RunFile
from amendment.stages.contract import Ask


def asking_stages(config: RunFile) -> list[str]:
    """Return the stages that ask models."""
    return [stage.name for stage in list_stages(config) if any(stage.asks())]


def price_table(config: RunFile, base: Path) -> PriceTable:
    """Return the user's price table, if there is one, before the shipped one. Raises ConfigError with all that is
    wrong."""
    own = PriceTable.read(base / config.prices) if config.prices else PriceTable()
    return own.before(PriceTable.shipped())


def find_prices(config: RunFile, base: Path) -> dict[str, Price | None]:
    """Return the price of every entry under `models`; None where it has none.

    `base` is the folder of the run file. Raises ConfigError with everything that is wrong with its price table.
    """
    table = price_table(config, base)
    prices: dict[str, Price | None] = {}
    for name, spec in config.models.items():
        if isinstance(spec, OpenAISpec | AnthropicSpec | RegisteredSpec):
            own = spec.price
            prices[name] = Price(**own.to_json()) if own else find_price(table, spec.host, spec.model)
        else:
            prices[name] = FREE
    return prices


def unpriced(config: RunFile, base: Path, stages: Collection[str] | None = None) -> list[str]:
    """Return the models that these stages ask and that have no price, in the order of the file. Raises as
    `find_prices`."""
    asked = asked_models(config, stages)
    return [name for name, price in find_prices(config, base).items() if price is None and name in asked]


def unbounded(config: RunFile, base: Path, stages: Collection[str] | None = None) -> list[str]:
    """Return the models that these stages ask under a budget, and whose answers nothing bounds: no max_tokens, and no
    max_output in the price. A judge that answers with one letter is bounded. Raises as `find_prices`."""
    prices = find_prices(config, base)
    if not config.budget:
        return []
    written = {ask.model for ask in _asked(config, stages) if not ask.judge or _writes(ask.judge, base)}
    limits = {name: Tokens(1, getattr(spec, "max_tokens", None)) for name, spec in config.models.items()}
    return [
        name for name, price in prices.items() if name in written and price and most_cost(price, limits[name]) is None
    ]


def _writes(judge: JudgeEntry, base: Path) -> bool:
    """Return whether a judge's verdict is a text of any length. A judge that cannot be read is reported elsewhere."""
    try:
        folder = load_judge_folder(judge.protocol, base=base)
        return folder.protocol.writes
    except ConfigError:
        return False


def asked_models(config: RunFile, stages: Collection[str] | None = None) -> frozenset[str]:
    return frozenset(ask.model for ask in _asked(config, stages)) - frozenset(config.policies)


def _asked(config: RunFile, stages: Collection[str] | None) -> list[Ask]:
    """Return the models that these stages ask; by default those of all stages."""
    wanted = [stage for stage in list_stages(config) if stages is None or stage.name in stages]
    return [ask for stage in wanted for ask in stage.asks()]


class _Unpaid(NamedTuple):
    """A call without a reply, and what it takes and costs at most."""

    call: OpenAttempt
    tokens: Tokens
    price: Price
    is_out: bool
    """Its batch is not finished, so the reply may still come."""


def open_budget(
    usd: float | None,
    ledger: Reader,
    models: Mapping[str, ModelSpec],
    prices: Mapping[str, Price | None],
    table: PriceTable,
) -> Budget:
    """Return the budget of a run that goes on: what was spent before, and what batches that are still out cost at most.
    When their lines are read, each is settled at what it cost. `table` has the prices of models that are no longer
    there."""
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
        by_model.setdefault((getattr(spec, "host", ""), shown_name(spec)), []).append(prices[name])
    out = {batch.number for batch in ledger.batches()}
    for call in ledger.open_attempts([kind for kind, rule in RULES.items() if rule.may_be_paid]):
        request = Request.from_json(json.loads(ledger.attempt_body(call)))
        model_prices = by_model.get((request.host, request.model)) or _gone(request, prices, table)
        unpaid = [
            _Unpaid(call, most_tokens(request), price, call.batch in out) for price in model_prices if price is not None
        ]
        if unpaid:
            yield max(unpaid, key=_worst)


def _gone(request: Request, prices: Mapping[str, Price | None], table: PriceTable) -> list[Price | None]:
    """Return the possible cost of a model that is no longer in the run file."""
    price = find_price(table, request.host, request.model)
    return list(prices.values()) if price is None else [price]


def _worst(unpaid: _Unpaid) -> float:
    return least_bound(unpaid.price, unpaid.tokens, batch=unpaid.call.batch is not None)


@contextmanager
def stored_replies(folder: Path) -> Iterator[Reader | None]:
    """Open the ledger of the run in a folder; None where there is none. Raises LedgerError if it cannot be read."""
    path = folder / "ledger.sqlite"
    if not path.is_file():
        yield None
        return
    with Reader(path, leave_no_trace=True) as ledger:
        yield ledger
