"""Settings of judging and guards that would change nothing or measure nothing, each with its place in the file.

Covered: what the run file alone can tell. Not covered: what depends on the judges' folders, which `checks` looks at.
"""

from __future__ import annotations

from collections.abc import Iterator

from amendment.run.runfile.config import RunFile
from amendment.yamlfile import Loc

__all__ = ["vain_settings"]


def vain_settings(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """What is asked for and could not be had."""
    yield from _of_judging(config)
    yield from _of_guards(config)


def _of_guards(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """A limit of the file's own on the gap of two scores, where there are no two; the default one is silent."""
    guards = config.dpo.guards if config.dpo else None
    if guards is None or guards.reward_judge_gap in (None, type(guards).model_fields["reward_judge_gap"].default):
        return
    missing = [
        *(["reward_model"] if config.reward_model is None else []),
        *(["dpo.guards.judge"] if guards.judge is None else []),
    ]
    if missing:
        told = "watches the reward model's score against the judge's, and the run lacks"
        yield (
            ("dpo", "guards", "reward_judge_gap"),
            (f"{told} {' and '.join(missing)}; add what is missing, or leave it out"),
        )


def _of_judging(config: RunFile) -> Iterator[tuple[Loc, str]]:
    stage = config.judging
    if stage is None:
        return
    if len(stage.every_judge) == 1 and stage.jury in ("majority", "weighted"):
        told = f"{stage.jury} puts several judges together, and there is one"
        yield ("judging", "jury"), f"{told}; name more under judging.judges, or leave it out"
