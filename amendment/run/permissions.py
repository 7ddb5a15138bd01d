"""What a user agrees to when a run starts, and what is shown and checked before its first call.

Covered: keys, models without a price, hosts that will be talked to, and changes because of which hosted or local models
would be asked again: what differs, what that costs, and a clear yes first. Not covered: the run file itself, which
`checks` looks at; what training again takes.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.errors import ConfigError
from amendment.files import write_json
from amendment.hashing import content_id
from amendment.llm.ledger_reading import Reader
from amendment.llm.specs import AnthropicSpec, OpenAISpec
from amendment.llm.trust import Trust
from amendment.run.changes import GIVEN, REMEMBERED, changes, remembered
from amendment.run.checks import LoadedRun, unpriced_problems
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder, RunStage, assemble
from amendment.run.money import asked_models, stored_replies, unpriced
from amendment.run.plan import Asks, contact_lines, contacts, file_lines, outside_files, plan_run, shown_usd
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.text import plain


class Terms(NamedTuple):
    """Permissions of this start of a run, which no file holds."""

    accept_changes: bool = False
    """Ask again where changed settings make it necessary, whatever that costs."""
    allow_unpriced: bool = False
    """Ask models whose price nobody knows; a budget does not bound them."""
    trust: Trust = Trust()
    """The hosts that are sent keys."""


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
    """Refuse to leave a batch that is out: asking its requests online would pay for them again."""
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
                    f"{folder}: a batch of {count:,} requests to {plain(spec.model)} at {plain(spec.host)} is still "
                    "open; with mode: online they would be paid for again. Keep mode: batch until the batch has been "
                    "read, or abandon it with --accept-changes"
                )


def uncovered_lines(loaded: LoadedRun, left: Collection[str] | None = None) -> Iterator[str]:
    """Yield a line where these stages ask models without a price, whose cost no budget bounds."""
    if loaded.config.budget and (names := unpriced(loaded.config, loaded.base, left)):
        has = "has" if len(names) == 1 else "have"
        yield f"the budget does not cover {', '.join(map(plain, names))}, which {has} no known price"


def outward_lines(loaded: LoadedRun, left: Collection[str]) -> Iterator[str]:
    """Yield what these stages send where, with the variable of each key and never its value, and the files that they
    read outside the folder of the run file."""
    config, base = loaded.config, loaded.base
    up_to_date = set(config.sources) - set(left)
    yield from contact_lines(contacts(config, base, sorted(asked_models(config, left)), up_to_date))
    yield from file_lines(outside_files(config, base))


def read_keys(config: RunFile) -> list[str]:
    """Return the values of all keys that the run's models name, so that they can be kept out of logs. They are not
    stored."""
    return [value for name in config.key_variables if (value := os.environ.get(name))]


def refuse_changes(loaded: LoadedRun, folder: Path, *, until: str | None = None, accepted: bool = False) -> None:
    """Raise ConfigError when models would be asked again because of a change that nobody has accepted.

    It names the differences, the stages, the calls that are left in them and their cost. Without a run in the folder,
    and where nothing has changed, it costs next to nothing. Raises what `plan_run` raises.
    """
    again = [] if accepted else repeated_asks(loaded, folder, until=until)
    if not again:
        return
    calls = sum(row.calls for row in again)
    money = [row.usd for row in again]
    unknown = ", plus models without a price" if None in money else ""
    differences = [str(change) for change in changes(loaded.config, folder)] or [
        "what these stages read (constitution, judge or data) has changed"
    ]
    lines = [
        f"{folder}: this run was made with other settings, and models would be asked again:",
        *(f"  {line}" for line in differences),
        *(f"  {row.stage}: {row.calls:,} calls to {plain(row.model)}" for row in again),
        f"  together {calls:,} calls, likely {shown_usd(sum(usd or 0 for usd in money))} USD{unknown}; replies that "
        "still apply are reused",
        "Continue with --accept-changes (in Python: terms=Terms(accept_changes=True)), use another folder "
        "(--folder), or undo the change.",
    ]
    raise ConfigError("\n".join(lines))


def repeated_asks(loaded: LoadedRun, folder: Path, *, until: str | None = None) -> list[Asks]:
    """Return what models of the run file, but simulated ones, would be asked in stages that were done, or that were
    begun with other settings."""
    if not any(_costs(loaded.config, name) for name in asked_models(loaded.config)):
        return []
    run = RunFolder(folder)
    stages = assemble(RunContext(loaded.config, loaded.base, run, QuietProgress()))
    altered = _altered(stages, folder)
    if not altered and not (altered is None and changes(loaded.config, folder)):
        return []
    up_to_date = run.up_to_date(stages)
    begun = _begun(folder)
    done = {stage.name for stage in stages if run.note(stage.name)} - set(up_to_date)
    counted = done | (begun if altered is None else begun & set(altered))
    asks = plan_run(loaded, folder, until=until).asks if counted else ()
    return [row for row in asks if row.calls and row.stage in counted and _costs(loaded.config, row.model)]


def remember_settings(wanted: Sequence[RunStage], folder: Path, given: Mapping[str, Any]) -> None:
    """Write down the settings of these stages, so that a later start can see what has changed, and those that the
    user gave, so that it can see which defaults have changed.

    A run does so when it begins, after `refuse_changes`: a change is accepted once. `wanted` are
    the stages that it is going to make; the entries of others stay.
    """
    before = remembered(folder)
    now = {stage.name: content_id(dict(stage.settings)) for stage in wanted}
    settings = {**before, **now, GIVEN: given}
    if settings != before:
        write_json(folder / REMEMBERED, settings)


def _altered(stages: Sequence[RunStage], folder: Path) -> list[str] | None:
    """Stages whose settings, or the files that count for them, are not what the run last began with.

    None where the folder does not say. A stage that was not part of the run then is none of them.
    """
    before = remembered(folder)
    if not before:
        return None
    present = {stage.name: content_id(dict(stage.settings)) for stage in stages}
    return [name for name, now in present.items() if before.get(name, now) != now]


def _begun(folder: Path) -> set[str]:
    """Stages on whose behalf models have answered."""
    with stored_replies(folder) as ledger:
        return {row.stage for row in ledger.spending() if row.replies} if ledger else set()


def _costs(config: RunFile, model: str) -> bool:
    """Return whether calls to this model matter: not those to simulated models or to policies of the run."""
    spec = config.models.get(model)
    return spec is not None and spec.provider != "simulated"
