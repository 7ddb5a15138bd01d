"""What each model of a run file costs a token: its entry's own price, the user's table, the shipped one.

Covered: models inside this process, and servers of one's own that no table names, which are free. Not covered: what a
run comes to; see `planning`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from amendment.calls.prices import FREE, Price, PriceTable, price_of
from amendment.pipeline.runfile.config import POLICY_STAGES, RunFile
from amendment.pipeline.runfile.sources import ModelSource
from amendment.providers import AnthropicSpec, OpenAISpec

__all__ = ["ASKING", "asked_models", "prices_of", "unpriced"]

ASKING = ("critique", "candidates", "judging", "evaluate")
"""Stages that ask models."""


def prices_of(config: RunFile, base: Path) -> dict[str, Price | None]:
    """The price of every entry under `models`; None where nobody has said one.

    `base` is the folder of the run file. Raises ConfigError with everything that is wrong with its price table.
    """
    own = PriceTable.read(base / config.prices) if config.prices else PriceTable()
    table = own.before(PriceTable.shipped())
    found: dict[str, Price | None] = {}
    for name, spec in config.models.items():
        if isinstance(spec, OpenAISpec | AnthropicSpec):
            found[name] = spec.price or price_of(table, spec.host, spec.model)
        else:
            found[name] = FREE
    return found


def unpriced(config: RunFile, base: Path, stages: Collection[str] = ASKING) -> list[str]:
    """The models that these stages ask and that have no price, in the order of the file. Raises as `prices_of`."""
    asked = asked_models(config, stages)
    return [name for name, price in prices_of(config, base).items() if price is None and name in asked]


def asked_models(config: RunFile, stages: Collection[str] = ASKING) -> frozenset[str]:
    """The entries under `models` that these stages ask."""
    asked = {
        "critique": [config.critique.model] if config.critique else [],
        "candidates": [source.model for source in config.candidates if isinstance(source, ModelSource)],
        "judging": [entry.model for entry in config.judging.judges] if config.judging else [],
        "evaluate": _evaluated(config),
    }
    names = {name for stage, models in asked.items() if stage in stages for name in models}
    return frozenset(names - set(POLICY_STAGES))


def _evaluated(config: RunFile) -> list[str]:
    """The policies that answer in the evaluation, and their judge."""
    if not config.evaluate:
        return []
    return [*config.evaluate.policies, *([config.evaluate.judge.model] if config.evaluate.judge else [])]
