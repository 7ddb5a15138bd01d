"""What a user agrees to when a run starts, and what is said and looked at before its first call.

Covered: models without a price, changes of what is made already, hosts that will be talked to. Not covered: the run
file itself, which `checks` looks at.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from amendment.errors import ConfigError
from amendment.ledger import ReadOnly
from amendment.pipeline.changes import refuse_changes
from amendment.pipeline.checks import LoadedRun
from amendment.pipeline.pricing import asked_models, unpriced
from amendment.pipeline.runfile.config import RunFile
from amendment.providers import AnthropicSpec, OpenAISpec
from amendment.terminal import plain

__all__ = ["Terms", "agree", "hosts_told", "keys_of"]


class Terms(NamedTuple):
    """What holds for this start of a run and stands in no file."""

    accept_changes: bool = False
    """Ask again where changed settings make it necessary, whatever that costs."""
    allow_unpriced: bool = False
    """Ask models whose price nobody knows; a budget does not bound them."""
    strict_model: bool = False
    """Stop when one name is answered by two models."""


def agree(loaded: LoadedRun, folder: Path, left: Sequence[str], terms: Terms) -> None:
    """Raise ConfigError for what the user has to agree to first. To be called before anything is sent or written.

    `left` are the names of the stages that are going to be made, in order; what no stage of these asks needs no yes.
    """
    if not terms.allow_unpriced and (names := unpriced(loaded.config, loaded.base, left)):
        raise ConfigError(
            f"no price is known of {', '.join(map(plain, names))}: give each a price under models (USD per million "
            "tokens, such as price: {input: 2.5, output: 10}), or a table of yours as prices, or run with "
            "--allow-unpriced"
        )
    if not terms.accept_changes:
        _refuse_to_leave_batches(loaded.config, folder, left)
    refuse_changes(loaded, folder, until=left[-1] if left else None, accepted=terms.accept_changes)


def _refuse_to_leave_batches(config: RunFile, folder: Path, left: Collection[str]) -> None:
    """A batch that is out is paid for: asking its requests online would pay for them again."""
    ledger = folder / "ledger.sqlite"
    asked = [config.models[name] for name in sorted(asked_models(config, left))]
    hosted = [spec for spec in asked if isinstance(spec, OpenAISpec | AnthropicSpec)]
    online = [spec for spec in hosted if spec.mode == "online"]
    if not online or not ledger.is_file():
        return
    with ReadOnly(ledger) as found:
        for spec in online:
            if out := found.batches(spec.host, spec.model):
                count = sum(len(batch.attempts) for batch in out)
                raise ConfigError(
                    f"{folder}: a batch with {count:,} requests to {plain(spec.model)} at {plain(spec.host)} is out, "
                    "and mode: online would pay for them again. Run with mode: batch until it is read, or with "
                    "--accept-changes to leave it"
                )


def hosts_told(config: RunFile, left: Collection[str]) -> Iterator[str]:
    """A line for each model of another host that these stages ask, with the variable of the key and never its value."""
    for name in sorted(asked_models(config, left)):
        spec = config.models[name]
        if isinstance(spec, OpenAISpec | AnthropicSpec):
            key = f"with the key in {plain(spec.api_key_env)}" if spec.api_key_env else "without a key"
            yield f"{plain(name)} is {plain(spec.model)} at {plain(spec.base_url)}, {key}"


def keys_of(config: RunFile) -> list[str]:
    """The values of all keys that the run's models name, so that they can be kept out of logs. They are not stored."""
    names = {getattr(spec, "api_key_env", None) for spec in config.models.values()}
    return [value for name in names if name and (value := os.environ.get(name))]
