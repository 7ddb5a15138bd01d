"""A changed configuration on resume: what differs, what would be asked again, what that costs, and a clear yes first.

It concerns stages that were done or begun with hosted or local models. A rehearsal with simulated ones costs nothing,
and what nobody is asked about again is made anew without a question. Not covered: what training again takes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.errors import ConfigError
from amendment.files import write_text
from amendment.hashing import content_id
from amendment.run.checks import LoadedRun
from amendment.run.differences import changes, resolved_before
from amendment.run.engine import RunFolder, Stage
from amendment.run.planning.making import Rehearsed, rehearse, stages_of
from amendment.run.planning.rehearsal import Place
from amendment.run.planning.stored import stored_replies
from amendment.run.planning.table import shown_usd
from amendment.run.pricing import asked_models, is_asking
from amendment.run.runfile.config import RunFile
from amendment.terminal import plain

__all__ = ["Again", "asked_again", "refuse_changes", "remember_settings"]

REMEMBERED = "settings.json"
"""In a run's folder: the settings of each stage, as a hash."""


class Again(NamedTuple):
    """Calls that a stage which was done or begun would make because something has changed."""

    stage: str
    model: str
    calls: int
    usd: float | None
    """Likely; None without a price."""


def refuse_changes(loaded: LoadedRun, folder: Path, *, until: str | None = None, accepted: bool = False) -> None:
    """Raise ConfigError when models would be asked again because of a change that nobody has accepted.

    It names the differences, the stages, the calls and their cost. Without a run in the folder, and where nothing has
    changed, it costs next to nothing. Raises what `plan_run` raises.
    """
    again = [] if accepted else asked_again(loaded, folder, until=until)
    if not again:
        return
    calls, money = sum(one.calls for one in again), [one.usd for one in again]
    known = sum(usd for usd in money if usd is not None)
    unknown = " and what has no price" if None in money else ""
    found = [str(one) for one in changes(loaded.config, folder)] or [
        "what these stages read (constitution, judge or data) is not what it was"
    ]
    raise ConfigError(
        "\n".join(
            [
                f"{folder}: this run was made with other settings, and models would be asked again:",
                *(f"  {line}" for line in found),
                *(f"  {one.stage}: {one.calls:,} calls to {plain(one.model)}" for one in again),
                f"  together {calls:,} calls, likely {shown_usd(known)} USD{unknown}; replies that still fit are used",
                "Go on with --accept-changes, take another folder with --folder, or undo the change.",
            ]
        )
    )


def asked_again(loaded: LoadedRun, folder: Path, *, until: str | None = None) -> list[Again]:
    """What models of the run file, but simulated ones, would be asked in stages that were done or begun before.

    Of a stage that was only begun, what it would have asked anyhow does not count where that can be told.
    """
    if not any(_costs(loaded.config, name) for name in asked_models(loaded.config)):
        return []
    stages = stages_of(loaded, folder)
    altered, found = _altered(stages, folder), changes(loaded.config, folder)
    if not altered and not (altered is None and found):
        return []
    done, begun = _done_before(stages, loaded.config, folder), _begun(folder)
    if not done | begun:
        return []
    with rehearse(loaded, folder, until=until) as now:
        counted = done if found else done | (begun & set(altered or ()))
        again = _in_stages(now, counted)
        if found and begun - done:
            again += _beyond_before(loaded, folder, now, begun - done)
    return [one for one in again if one.calls]


def remember_settings(wanted: Sequence[Stage], folder: Path) -> None:
    """Write down what these stages are made with, so that a later start can tell what has changed since.

    A run does so when it begins, after `refuse_changes`: what was accepted once is not asked about again. `wanted` are
    the stages that it is going to make; what is known of others stays.
    """
    before = _remembered(folder)
    known = {**(before or {}), **{stage.name: content_id(dict(stage.settings)) for stage in wanted}}
    if known != before:
        write_text(folder / REMEMBERED, json.dumps(known, indent=1) + "\n")


def _altered(stages: Sequence[Stage], folder: Path) -> list[str] | None:
    """Stages whose settings, or the files that count for them, are not what the run last began with.

    None where the folder does not say. A stage that was not part of the run then is none of them.
    """
    known = _remembered(folder)
    if known is None:
        return None
    present = {stage.name: content_id(dict(stage.settings)) for stage in stages}
    return [name for name, now in present.items() if known.get(name, now) != now]


def _remembered(folder: Path) -> dict[str, Any] | None:
    try:
        known = json.loads((folder / REMEMBERED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) else None


def _done_before(stages: list[Stage], config: RunFile, folder: Path) -> set[str]:
    """Stages that ask models, were finished, and do not stand as they are now."""
    run = RunFolder(folder)
    standing = run.standing(stages)
    return {stage.name for stage in stages if is_asking(stage.name, config) and run.note(stage.name)} - set(standing)


def _begun(folder: Path) -> set[str]:
    """Stages on whose behalf models have answered."""
    with stored_replies(folder) as ledger:
        return {row.stage for row in ledger.spending() if row.replies} if ledger else set()


def _in_stages(found: Rehearsed, names: Collection[str]) -> list[Again]:
    return [
        _again(found, place, len(tally.ids), tally.calls)
        for place, tally in found.likely.tallies.items()
        if place.stage in names and _costs(found.setting.config, place.model)
    ]


def _beyond_before(loaded: LoadedRun, folder: Path, now: Rehearsed, names: Collection[str]) -> list[Again]:
    """What these stages would ask now and would not have asked before the change."""
    config = resolved_before(folder)
    if config is None:
        return []
    with rehearse(loaded._replace(config=config), folder) as before:
        asked = {request for tally in before.likely.tallies.values() for request in tally.ids}
    found = []
    for place, tally in now.likely.tallies.items():
        if place.stage in names and _costs(now.setting.config, place.model) and tally.ids:
            new = len(tally.ids - asked)
            found.append(_again(now, place, new, tally.calls * new / len(tally.ids)))
    return found


def _costs(config: RunFile, model: str) -> bool:
    """Whether calls to this model matter: not to simulated ones, nor to policies that the run trains by itself."""
    spec = config.models.get(model)
    return spec is not None and spec.provider != "simulated"


def _again(found: Rehearsed, place: Place, requests: int, calls: float) -> Again:
    tally = found.likely.tallies[place]
    is_priced = found.setting.prices[place.model] is not None
    share = calls / tally.calls if tally.calls else 0.0
    return Again(place.stage, place.model, round(calls) if requests else 0, tally.usd * share if is_priced else None)
