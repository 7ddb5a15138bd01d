"""The stages of a run that ask models, run as they are with models that send nothing.

Covered: stages that stand in the run's folder, whose calls are all paid for; a stage that would stop the run, after
which nothing is known. Not covered: what is said of it; see `plan`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from amendment.errors import AmendmentError
from amendment.llm.prices import Price
from amendment.run.assembly import assemble
from amendment.run.engine import RunFolder
from amendment.run.planning.portions import Portion, write_portion
from amendment.run.planning.rehearsal import Find, Rehearsal
from amendment.run.planning.staging import Rehearsing, Sketch
from amendment.run.pricing import is_asking
from amendment.run.runfile.config import RunFile

__all__ = ["Scene", "Setting", "perform", "prepared_inputs"]


class Setting(NamedTuple):
    """What a rehearsal knows of its run."""

    config: RunFile
    base: Path
    run: RunFolder
    """The run's folder, which is only read."""
    standing: Collection[str]
    """Stages that stand there."""
    prices: dict[str, Price | None]
    find: Find
    has_replies: bool
    """Whether there is a ledger."""

    def rehearsing(self, config: RunFile, sketch: Sketch, rehearsal: Rehearsal) -> Rehearsing:
        """A context for one performance. The reward model, which no call needs, is left out of it."""
        return Rehearsing(
            config.model_copy(update={"reward_model": None}),
            self.base,
            sketch,
            rehearsal,
            self.prices,
            trained=self.standing,
            has_replies=self.has_replies,
        )


def prepared_inputs(setting: Setting, folder: Path) -> RunFolder:
    """A place where the run's input tables lie: the run's folder where they stand there, else the given one."""
    if "inputs" in setting.standing:
        return setting.run
    sketch = Sketch(folder, setting.run)
    stages = assemble(setting.rehearsing(setting.config, sketch, Rehearsal(setting.find)))
    next(stage for stage in stages if stage.name == "inputs").run()
    return sketch


class Scene(NamedTuple):
    """What is rehearsed."""

    setting: Setting
    portions: Sequence[Portion]
    inputs: RunFolder
    """Where the run's input tables lie."""
    wanted: Collection[str]
    """The stages up to the last one that is wanted; those among them that ask models are rehearsed."""


def perform(scene: Scene, folder: Path, rehearsal: Rehearsal) -> dict[str, str]:
    """Rehearse every portion; returns the stages that came to nothing in all portions, and why.

    `folder` is an empty one that is only this performance's.
    """
    stops: dict[str, list[str]] = {}
    for number, portion in enumerate(scene.portions):
        sketch = Sketch(folder / str(number), scene.setting.run, None if portion.tables else scene.inputs)
        write_portion(portion, sketch)
        stage, reason = _perform_one(scene, portion, sketch, rehearsal)
        if stage:
            stops.setdefault(stage, []).append(reason)
    return {stage: reasons[0] for stage, reasons in stops.items() if len(reasons) == len(scene.portions)}


def _perform_one(scene: Scene, portion: Portion, sketch: Sketch, rehearsal: Rehearsal) -> tuple[str, str]:
    """The stage at which this portion came to nothing, and why."""
    context = scene.setting.rehearsing(portion.config, sketch, rehearsal)
    try:
        for stage in assemble(context):
            if not is_asking(stage.name, context.config) or stage.name not in scene.wanted:
                continue
            rehearsal.stage, rehearsal.weight = stage.name, portion.weight_in(stage.name)
            rehearsal.is_done = stage.name in scene.setting.standing
            try:
                stage.run()
            except AmendmentError as fault:
                return stage.name, str(fault)
    finally:
        context.close()
    return "", ""
