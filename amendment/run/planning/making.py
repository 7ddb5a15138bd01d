"""From a run file and a folder to a plan. Nothing is sent, no key is needed, and the run's folder is only read.

Covered: what the ledger holds already; lengths and times that it has measured. Not covered: what training takes, faults
and the attempts they cost, and data that the run reads from the Hugging Face Hub, which is read for a plan, too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from amendment.llm.ledger_reading import Latency
from amendment.run.assembly import assemble
from amendment.run.checks import LoadedRun, check_run_file
from amendment.run.context import Context
from amendment.run.differences import changes
from amendment.run.engine import RunFolder, Stage, up_to
from amendment.run.funds import spent_before
from amendment.run.outward import contacts, outside_files
from amendment.run.planning.assumptions import assumptions
from amendment.run.planning.figures import asks_of, budget_check
from amendment.run.planning.performing import Scene, Setting, perform, prepared_inputs
from amendment.run.planning.plan import Plan, Total
from amendment.run.planning.portions import Portion, portions_of
from amendment.run.planning.rehearsal import Rehearsal
from amendment.run.planning.stored import stored_replies
from amendment.run.pricing import is_asking, price_table, prices_of, unpriced
from amendment.run.progress import QuietProgress

__all__ = ["Rehearsed", "plan_run", "rehearse", "stages_of"]


class Rehearsed(NamedTuple):
    """A run as it was rehearsed."""

    setting: Setting
    stages: list[Stage]
    """Up to the last one that was wanted."""
    portions: list[Portion]
    likely: Rehearsal
    most: Rehearsal
    """With the longest answers."""
    stops: dict[str, str]
    spent: float
    """USD, as a run that starts now would count it."""
    times: list[Latency]
    warnings: list[str]


def plan_run(loaded: LoadedRun, folder: Path, *, until: str | None = None) -> Plan:
    """What is left of the run in `folder` to be asked, up to the stage `until`, and what it will take.

    Raises ConfigError and DataError with all that is wrong with the run file and what it names, but for absent keys,
    and LedgerError for a ledger that cannot be read.
    """
    with rehearse(loaded, folder, until=until) as found:
        setting, config = found.setting, loaded.config
        asks = asks_of(found.likely, found.most, setting, found.times)
        return Plan(
            name=config.name,
            prompts=round(sum(portion.size * portion.weight for portion in found.portions)),
            rehearsed=sum(portion.size for portion in found.portions),
            asks=asks,
            total=Total.of(asks),
            unasked=tuple(stage.name for stage in found.stages if not is_asking(stage.name, config)),
            done=tuple(stage.name for stage in found.stages if stage.name in setting.standing),
            stops=found.stops,
            contacts=contacts(config, loaded.base, [one.model for one in asks if one.calls], setting.standing),
            outside=outside_files(config, loaded.base),
            unpriced=tuple(name for name in unpriced(config, loaded.base) if any(one.model == name for one in asks)),
            assumed=assumptions(found.portions, found.likely, setting, asks, found.times),
            budget=budget_check(config.budget.usd, found.spent, asks) if config.budget else None,
            changes=tuple(changes(config, folder)),
            warnings=tuple(found.warnings),
        )


@contextmanager
def rehearse(loaded: LoadedRun, folder: Path, *, until: str | None = None) -> Iterator[Rehearsed]:
    """The run rehearsed twice: with likely answers, and with the longest ones. Raises as `plan_run`."""
    stages = stages_of(loaded, folder)
    wanted = up_to(stages, until)
    run = RunFolder(folder)
    standing = run.standing(stages)
    warnings = check_run_file(loaded, _all_keys(loaded), standing=standing)
    prices = prices_of(loaded.config, loaded.base)
    with stored_replies(folder) as ledger, tempfile.TemporaryDirectory(prefix="amendment-plan-") as temporary:
        find = ledger.find if ledger else _nothing
        setting = Setting(loaded.config, loaded.base, run, standing, prices, find, ledger is not None)
        inputs = prepared_inputs(setting, Path(temporary) / "inputs")
        portions = portions_of(loaded.config, inputs)
        likely, most = Rehearsal(find), Rehearsal(find, is_longest=True)
        scene = Scene(setting, portions, inputs, {stage.name for stage in wanted})
        stops = perform(scene, Path(temporary) / "likely", likely)
        perform(scene, Path(temporary) / "most", most)
        table = price_table(loaded.config, loaded.base)
        spent = spent_before(ledger, loaded.config.models, prices, table) if ledger else 0.0
        times = ledger.times() if ledger else []
        yield Rehearsed(setting, wanted, portions, likely, most, stops, spent, times, warnings)


def stages_of(loaded: LoadedRun, folder: Path) -> list[Stage]:
    """The stages of a run, with the settings that count for them now. Raises ConfigError for a circle."""
    return assemble(Context(loaded.config, loaded.base, RunFolder(folder), QuietProgress()))


def _all_keys(loaded: LoadedRun) -> dict[str, str]:
    """An environment in which no key is missing: a plan needs none."""
    return dict.fromkeys(loaded.config.key_variables, "set")


def _nothing(request_id: str) -> None:
    """No ledger, no reply."""
