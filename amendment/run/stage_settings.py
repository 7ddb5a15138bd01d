"""Of each stage what of the run file, and of the files that it names, changes what the stage makes: the part of its key
beside its inputs.

Covered: what counts. Not covered: what a stage reads and makes, which stands in `wiring`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel

from amendment.calibration.labelling import EVALUATION
from amendment.data.source_rows import source_state
from amendment.preference import load_judge_folder
from amendment.run.context import Context
from amendment.stages.contract import JudgeEntry
from amendment.stages.kinship import independence
from amendment.stages.labels import labels_key
from amendment.stages.sft import helpful_files

__all__ = ["SETTINGS", "Settings"]

Settings = dict[str, Any]


def _judge(context: Context, entry: JudgeEntry) -> Settings:
    """What of a judge changes its verdicts: its folder's texts."""
    return {f"judge {entry.protocol}": load_judge_folder(entry.protocol, base=context.base).hash}


def _evaluate(context: Context) -> Settings:
    stage = context.config.evaluate
    assert stage is not None
    settings = _dump(stage, without={"people"})
    for name in stage.policies:
        settings |= _model(context, name) if name not in context.config.policies else {}
    for place, entry in stage.judges:
        settings |= {**_model(context, entry.model), **_judge(context, entry)}
        settings |= _constitutions(context) if place[0] != "over_refusal" else {}  # a refusal is no matter of principle
        settings[f"standing of {place[0]}"] = independence(context.config, entry, context.base)
    if stage.own_prompts:
        sources = (*stage.own_prompts, *helpful_files(context.config))
        settings["files"] = [source_state(source, context.base) for source in sources]
    return settings


def _evaluate_sample(context: Context) -> Settings:
    """Which comparisons are drawn, and the principles that are shown beside them; not who labels."""
    assert context.config.evaluate is not None
    assert context.config.evaluate.people is not None
    drawn = _dump(context.config.evaluate.people, without={"people", "annotators"})
    return {**drawn, "of": "every two policies", **_constitutions(context)}


def _evaluate_labels(context: Context) -> Settings:
    assert context.config.evaluate is not None
    assert context.config.evaluate.people is not None
    return labels_key(context, EVALUATION, context.config.evaluate.people)


SETTINGS: dict[str, Callable[[Context], Settings]] = {
    "evaluate": _evaluate,
    "evaluate_sample": _evaluate_sample,
    "evaluate_labels": _evaluate_labels,
}
"""Of each stage what of the run file, and of the files it names, changes what the stage makes."""


def _dump(stage: BaseModel, *, without: set[str] | None = None) -> dict[str, Any]:
    return stage.model_dump(mode="json", exclude=without, by_alias=True)


def _json(parts: Iterable[BaseModel]) -> list[Any]:
    return [_dump(part) for part in parts]


def _model(context: Context, name: str) -> dict[str, Any]:
    return context.model_key(name)


def _constitutions(context: Context) -> dict[str, Any]:
    return {"constitutions": [one.reference for one in context.constitutions]}
