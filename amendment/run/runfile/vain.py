"""Settings of judging that would change nothing or measure nothing, each with its place in the file.

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


def _of_judging(config: RunFile) -> Iterator[tuple[Loc, str]]:
    stage = config.judging
    if stage is None:
        return
    if len(stage.every_judge) == 1 and stage.jury in ("majority", "weighted"):
        told = f"{stage.jury} puts several judges together, and there is one"
        yield ("judging", "jury"), f"{told}; name more under judging.judges, or leave it out"
