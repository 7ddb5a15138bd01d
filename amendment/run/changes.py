"""A changed configuration on resume: what differs, what would be asked again, what that costs, and a clear yes first.

It concerns stages that were done or begun with hosted or local models. A rehearsal with simulated ones costs nothing,
and what nobody is asked about again is made anew without a question. Not covered: what training again takes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.run.checks import LoadedRun
from amendment.run.context import Context
from amendment.run.differences import changes
from amendment.run.engine import RunFolder, RunStage, assemble
from amendment.run.plan import Asks, plan_run, shown_usd
from amendment.run.pricing import asked_models
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.run.stored import stored_replies
from amendment.terminal import plain

REMEMBERED = "settings.json"
"""In a run's folder: the settings of each stage, as a hash."""


def refuse_changes(loaded: LoadedRun, folder: Path, *, until: str | None = None, accepted: bool = False) -> None:
    """Raise ConfigError when models would be asked again because of a change that nobody has accepted.

    It names the differences, the stages, the calls that are left in them and their cost. Without a run in the folder,
    and where nothing has changed, it costs next to nothing. Raises what `plan_run` raises.
    """
    again = [] if accepted else asked_again(loaded, folder, until=until)
    if not again:
        return
    calls, money = sum(row.calls for row in again), [row.usd for row in again]
    unknown = " and what has no price" if None in money else ""
    differences = [str(change) for change in changes(loaded.config, folder)] or [
        "what these stages read (constitution, judge or data) is not what it was"
    ]
    lines = [
        f"{folder}: this run was made with other settings, and models would be asked again:",
        *(f"  {line}" for line in differences),
        *(f"  {row.stage}: {row.calls:,} calls to {plain(row.model)}" for row in again),
        f"  together {calls:,} calls, likely {shown_usd(sum(usd or 0 for usd in money))} USD{unknown}; replies that "
        "still fit are used",
        "Go on with --accept-changes, take another folder with --folder, or undo the change.",
    ]
    raise ConfigError("\n".join(lines))


def asked_again(loaded: LoadedRun, folder: Path, *, until: str | None = None) -> list[Asks]:
    """What models of the run file, but simulated ones, would be asked in stages that were done, or that were begun with
    other settings."""
    if not any(_costs(loaded.config, name) for name in asked_models(loaded.config)):
        return []
    run = RunFolder(folder)
    stages = assemble(Context(loaded.config, loaded.base, run, QuietProgress()))
    altered = _altered(stages, folder)
    if not altered and not (altered is None and changes(loaded.config, folder)):
        return []
    up_to_date, begun = run.standing(stages), _begun(folder)
    done = {stage.name for stage in stages if run.note(stage.name)} - set(up_to_date)
    counted = done | (begun if altered is None else begun & set(altered))
    asks = plan_run(loaded, folder, until=until).asks if counted else ()
    return [row for row in asks if row.calls and row.stage in counted and _costs(loaded.config, row.model)]


def remember_settings(wanted: Sequence[RunStage], folder: Path) -> None:
    """Write down the settings of these stages, so that a later start can see what has changed since.

    A run does so when it begins, after `refuse_changes`: a change is accepted once. `wanted` are
    the stages that it is going to make; the entries of others stay.
    """
    before = _remembered(folder)
    settings = {**(before or {}), **{stage.name: content_id(dict(stage.settings)) for stage in wanted}}
    if settings != before:
        write_text(folder / REMEMBERED, json.dumps(settings, indent=1) + "\n")


def _altered(stages: Sequence[RunStage], folder: Path) -> list[str] | None:
    """Stages whose settings, or the files that count for them, are not what the run last began with.

    None where the folder does not say. A stage that was not part of the run then is none of them.
    """
    before = _remembered(folder)
    if before is None:
        return None
    present = {stage.name: content_id(dict(stage.settings)) for stage in stages}
    return [name for name, now in present.items() if before.get(name, now) != now]


def _remembered(folder: Path) -> dict[str, Any] | None:
    try:
        remembered = json.loads((folder / REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return remembered if isinstance(remembered, dict) else None


def _begun(folder: Path) -> set[str]:
    """Stages on whose behalf models have answered."""
    with stored_replies(folder) as ledger:
        return {row.stage for row in ledger.spending() if row.replies} if ledger else set()


def _costs(config: RunFile, model: str) -> bool:
    """Whether calls to this model matter: not to simulated ones, nor to policies that the run trains by itself."""
    spec = config.models.get(model)
    return spec is not None and spec.provider != "simulated"
