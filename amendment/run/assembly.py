"""From a run file to its stages: what each reads, what each makes, and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from amendment.run.context import Context
from amendment.run.engine import Stage, in_order
from amendment.run.stage_settings import SETTINGS
from amendment.run.wiring import Wiring, wire
from amendment.stages.contract import Made, Step
from amendment.stages.evaluation import make_evaluation
from amendment.stages.evaluation_people import make_evaluation_labels, make_evaluation_sample
from amendment.stages.passes import one_pass

__all__ = ["assemble"]

TITLES = {
    "evaluate": "evaluate on held-out prompts",
    "evaluate_sample": "draw what people look at of the evaluation",
    "evaluate_labels": "correct win rates by what people said",
}
MAKERS: dict[str, Callable[[Context], Made]] = {
    "evaluate": make_evaluation,
    "evaluate_sample": make_evaluation_sample,
    "evaluate_labels": make_evaluation_labels,
}


def assemble(context: Context) -> list[Stage]:
    """The stages of a run in an order in which each finds what it reads. Raises ConfigError for a circle.

    Looks at every file that the run file names: once for a run, not once for a question about it.
    """
    return [_stage(context, wiring) for wiring in in_order(wire(context.config))]


def _stage(context: Context, wiring: Wiring) -> Stage:
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


def _alone(context: Context, step: Callable[[], Step]) -> Made:
    [made] = one_pass(context, [step()])
    return made
