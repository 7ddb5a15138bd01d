"""From a run file to its stages: what each reads, what each makes, and what makes it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from amendment.run.context import Context
from amendment.run.engine import Stage, in_order
from amendment.run.wiring import Wiring, wire
from amendment.stages.contract import Made, Step
from amendment.stages.passes import one_pass

__all__ = ["assemble"]


def assemble(context: Context) -> list[Stage]:
    """The stages of a run in an order in which each finds what it reads. Raises ConfigError for a circle.

    Looks at every file that the run file names: once for a run, not once for a question about it.
    """
    return [_stage(context, wiring) for wiring in in_order(wire(context.config))]


def _stage(context: Context, wiring: Wiring) -> Stage:
    stage = wiring.stage
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


def _alone(context: Context, step: Callable[[], Step]) -> Made:
    [made] = one_pass(context, [step()])
    return made
