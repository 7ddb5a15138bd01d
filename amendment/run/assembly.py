"""From a run file to its stages: what each reads, what each makes, and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import cast

from amendment.run.context import Context
from amendment.run.engine import Stage, in_order
from amendment.run.stage_settings import SETTINGS
from amendment.run.wiring import Wiring, wire
from amendment.stages.candidates import Drawing
from amendment.stages.config_rounds import RoundStep, round_step
from amendment.stages.contract import Made, Step
from amendment.stages.dataset import MakingDataset
from amendment.stages.dpo import TrainingPolicy
from amendment.stages.evaluation import make_evaluation
from amendment.stages.evaluation_people import make_evaluation_labels, make_evaluation_sample
from amendment.stages.judging import Judging
from amendment.stages.passes import one_pass
from amendment.stages.rounds.deriving import data_settings, round_context
from amendment.stages.rounds.making import ROUND_MAKERS
from amendment.stages.rounds.table import make_rounds_table

__all__ = ["assemble"]

TITLES = {
    "candidates": "draw candidates",
    "dataset": "make the dataset",
    "rounds": "put the rounds side by side",
    "evaluate": "evaluate on held-out prompts",
    "evaluate_sample": "draw what people look at of the evaluation",
    "evaluate_labels": "correct win rates by what people said",
}
MAKERS: dict[str, Callable[[Context], Made]] = {
    "rounds": make_rounds_table,
    "evaluate": make_evaluation,
    "evaluate_sample": make_evaluation_sample,
    "evaluate_labels": make_evaluation_labels,
}
OWN_CLASS = {kind.name: kind for kind in (Drawing, Judging, MakingDataset, TrainingPolicy)}
"""Steps of further rounds that are classes of their own."""


def assemble(context: Context) -> list[Stage]:
    """The stages of a run in an order in which each finds what it reads. Raises ConfigError for a circle.

    Looks at every file that the run file names: once for a run, not once for a question about it.
    """
    return [_stage(context, wiring) for wiring in in_order(wire(context.config))]


def _stage(context: Context, wiring: Wiring) -> Stage:
    if place := round_step(wiring.name):
        return _round_stage(context, wiring, *place)
    if stage := wiring.stage:
        begin = partial(stage.begin, context) if stage.is_streamed else None
        return Stage(
            name=stage.name,
            title=stage.title,
            settings={"seed": context.config.seed, **stage.key(context)},
            needs=stage.reads,
            makes=stage.writes,
            run=partial(_alone, context, begin) if begin else partial(stage.make, context),
            step=begin,
        )
    return Stage(
        name=wiring.name,
        title=TITLES[wiring.name],
        settings={"seed": context.config.seed, **SETTINGS[wiring.name](context)},
        needs=wiring.needs,
        makes=wiring.makes,
        run=partial(MAKERS[wiring.name], context),
    )


def _round_stage(context: Context, wiring: Wiring, number: int, step: RoundStep) -> Stage:
    """A stage of a further round: its settings are those of the stage of the first one, as they hold in it."""
    inner = cast(Context, round_context(context, number, step))
    kind = OWN_CLASS.get(step)
    settings = kind(inner.config).key(inner) if kind else SETTINGS[step](inner)
    return Stage(
        name=wiring.name,
        title=f"round {number}: {kind.title if kind else TITLES[step]}",
        settings={"seed": context.config.seed, **settings, **data_settings(context.config, step)},
        needs=wiring.needs,
        makes=wiring.makes,
        run=partial(ROUND_MAKERS[step], context, number),
    )


def _alone(context: Context, step: Callable[[], Step]) -> Made:
    [made] = one_pass(context, [step()])
    return made
