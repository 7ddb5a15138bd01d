"""What each model of a run file costs a token: its entry's own price, the user's table, the shipped one.

Covered: models inside this process, and servers of one's own that no table names, which are free; answers that nothing
bounds, which no budget can hold. Not covered: what a run comes to; see `plan`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from amendment.errors import ConfigError
from amendment.llm.prices import FREE, Price, PriceTable, most_cost, price_of
from amendment.llm.specs import AnthropicSpec, OpenAISpec, RegisteredSpec
from amendment.llm.tokens import Tokens
from amendment.preference import load_judge_folder
from amendment.run.runfile.config import RunFile
from amendment.stages import stages_of
from amendment.stages.contract import Ask, JudgeEntry


def asking_stages(config: RunFile) -> list[str]:
    """The stages that ask models."""
    return [stage.name for stage in stages_of(config) if any(stage.asks())]


def price_table(config: RunFile, base: Path) -> PriceTable:
    """The user's price table, if there is one, before the shipped one. Raises ConfigError with all that is wrong."""
    own = PriceTable.read(base / config.prices) if config.prices else PriceTable()
    return own.before(PriceTable.shipped())


def prices_of(config: RunFile, base: Path) -> dict[str, Price | None]:
    """The price of every entry under `models`; None where it has none.

    `base` is the folder of the run file. Raises ConfigError with everything that is wrong with its price table.
    """
    table = price_table(config, base)
    prices: dict[str, Price | None] = {}
    for name, spec in config.models.items():
        if isinstance(spec, OpenAISpec | AnthropicSpec | RegisteredSpec):
            prices[name] = spec.price or price_of(table, spec.host, spec.model)
        else:
            prices[name] = FREE
    return prices


def unpriced(config: RunFile, base: Path, stages: Collection[str] | None = None) -> list[str]:
    """The models that these stages ask and that have no price, in the order of the file. Raises as `prices_of`."""
    asked = asked_models(config, stages)
    return [name for name, price in prices_of(config, base).items() if price is None and name in asked]


def unbounded(config: RunFile, base: Path, stages: Collection[str] | None = None) -> list[str]:
    """The models that these stages ask under a budget, and whose answers nothing bounds: no max_tokens, and no
    max_output in the price. A judge that answers with one letter is bounded. Raises as `prices_of`."""
    prices = prices_of(config, base)
    if not config.budget:
        return []
    written = {ask.model for ask in _asked(config, stages) if not ask.judge or _writes(ask.judge, base)}
    limits = {name: Tokens(1, getattr(spec, "max_tokens", None)) for name, spec in config.models.items()}
    return [
        name for name, price in prices.items() if name in written and price and most_cost(price, limits[name]) is None
    ]


def _writes(judge: JudgeEntry, base: Path) -> bool:
    """Whether a judge's verdict is a text; of one that cannot be read somebody else tells."""
    try:
        return not load_judge_folder(judge.protocol, base=base).needs_choices
    except ConfigError:
        return False


def asked_models(config: RunFile, stages: Collection[str] | None = None) -> frozenset[str]:
    """The entries under `models` that these stages ask."""
    return frozenset(ask.model for ask in _asked(config, stages)) - frozenset(config.policies)


def _asked(config: RunFile, stages: Collection[str] | None) -> list[Ask]:
    """What these stages ask, or all."""
    wanted = [stage for stage in stages_of(config) if stages is None or stage.name in stages]
    return [ask for stage in wanted for ask in stage.asks()]
