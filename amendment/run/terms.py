"""What a user agrees to when a run starts, and what is shown and checked before its first call.

Covered: keys, models without a price, changes of what is made already, hosts that will be talked to. Not covered: the
run file itself, which `checks` looks at.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from amendment.errors import ConfigError
from amendment.llm.ledger_reading import Reader
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.llm.trust import Trust
from amendment.run.changes import refuse_changes
from amendment.run.checks import LoadedRun, unpriced_problems
from amendment.run.outward import contact_lines, contacts, file_lines, outside_files
from amendment.run.pricing import asked_models, unpriced
from amendment.run.runfile.config import RunFile
from amendment.terminal import plain


class Terms(NamedTuple):
    """What holds for this start of a run and is in no file."""

    accept_changes: bool = False
    """Ask again where changed settings make it necessary, whatever that costs."""
    allow_unpriced: bool = False
    """Ask models whose price nobody knows; a budget does not bound them."""
    strict_model: bool = False
    """Stop when one name is answered by two models."""
    trust: Trust = Trust()
    """Which hosts are sent keys."""


def agree(loaded: LoadedRun, folder: Path, left: Sequence[str], terms: Terms) -> None:
    """Raise ConfigError for what the user has to agree to first. To be called before anything is sent or written.

    `left` are the names of the stages that are going to be made, in order; what no stage of these asks needs no yes.
    """
    for name in sorted(asked_models(loaded.config, left)):
        spec = loaded.config.models[name]
        if isinstance(spec, OpenAISpec | AnthropicSpec) and spec.api_key_env:
            terms.trust.check(spec.api_key_env, spec.base_url)
    if not terms.allow_unpriced and (problems := unpriced_problems(loaded, left)):
        raise ConfigError(problems)
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
    with Reader(ledger) as reader:
        for spec in online:
            if out := reader.batches(spec.host, spec.model):
                count = sum(len(batch.attempts) for batch in out)
                raise ConfigError(
                    f"{folder}: a batch with {count:,} requests to {plain(spec.model)} at {plain(spec.host)} is out, "
                    "and mode: online would pay for them again. Run with mode: batch until it is read, or with "
                    "--accept-changes to leave it"
                )


def uncovered_lines(loaded: LoadedRun, left: Collection[str] | None = None) -> Iterator[str]:
    """A line where these stages ask models without a price, whose cost no budget bounds."""
    if loaded.config.budget and (names := unpriced(loaded.config, loaded.base, left)):
        has = "has" if len(names) == 1 else "have"
        yield f"the budget does not cover {', '.join(map(plain, names))}, which {has} no known price"


def outward_lines(loaded: LoadedRun, left: Collection[str]) -> Iterator[str]:
    """What these stages send where, with the variable of each key and never its value, and the files that they read
    outside the folder of the run file."""
    config, base = loaded.config, loaded.base
    standing = set(config.sources) - set(left)
    yield from contact_lines(contacts(config, base, sorted(asked_models(config, left)), standing))
    yield from file_lines(outside_files(config, base))


def keys_of(config: RunFile) -> list[str]:
    """The values of all keys that the run's models name, so that they can be kept out of logs. They are not stored."""
    return [value for name in config.key_variables if (value := os.environ.get(name))]
