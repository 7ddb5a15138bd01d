"""From a run file to its stages: what each reads, what each makes, and which settings count for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from amendment.files import file_hash
from amendment.pipeline.candidate_stages import make_candidates, make_chains, make_inputs
from amendment.pipeline.config import (
    POLICY_STAGES,
    ChainSource,
    DpoStage,
    FileSource,
    LilliputPrompts,
    ModelSource,
    RewardStage,
    SftStage,
)
from amendment.pipeline.context import Context
from amendment.pipeline.engine import Made, Stage, in_order
from amendment.pipeline.evaluation_stage import make_evaluation
from amendment.pipeline.judging_stages import candidate_tables, make_dataset, make_judgements
from amendment.pipeline.training_stages import make_base, make_dpo, make_reward_model, make_sft
from amendment.preference import load_judge_folder
from amendment.providers import LocalSpec

__all__ = ["assemble"]

PROMPTS = ("inputs/prompts", "inputs/split")
PAIRS = ("dataset/train", "dataset/test")
TRAININGS: dict[str, tuple[str, Callable[[Context], Made]]] = {
    "sft": ("fine-tune the policy", make_sft),
    "reward_model": ("train the reward model", make_reward_model),
    "dpo": ("train the policy on pairs", make_dpo),
}


def assemble(context: Context) -> list[Stage]:
    """The stages of a run in an order in which each finds what it reads. Raises ConfigError for a circle."""
    config = context.config
    stages = [_inputs(context)]
    if config.critique:
        stages.append(_critique(context))
    if config.base:
        stages.append(_base(context))
    if config.sft:
        reads = PAIRS if config.sft.on == "chosen" else (*PROMPTS, "critique/candidates")
        stages.append(_training(context, config.sft, name="sft", reads=reads))
    if any(isinstance(source, ModelSource) for source in config.candidates):
        stages.append(_candidates(context))
    if config.judging:
        stages.append(_judging(context))
    if config.judging or config.pairs:
        stages.append(_dataset(context))
    if config.reward_model:
        stages.append(_training(context, config.reward_model, name="reward_model", reads=PAIRS))
    if config.dpo:
        stages.append(_training(context, config.dpo, name="dpo", reads=PAIRS))
    if config.evaluate:
        stages.append(_evaluate(context))
    return [replace(stage, settings={"seed": config.seed, **stage.settings}) for stage in in_order(stages)]


def _inputs(context: Context) -> Stage:
    config = context.config
    files = [
        source
        for source in (*config.prompts, *config.candidates, *config.pairs)
        if not isinstance(source, LilliputPrompts | ModelSource | ChainSource)
    ]
    settings = {
        "prompts": _json(config.prompts),
        "candidates": _json(source for source in config.candidates if isinstance(source, FileSource)),
        "pairs": _json(config.pairs),
        "test_share": config.dataset.test_share,
        "files": {source.path: _content(context.base / source.path) for source in files},
    }
    makes = [f"inputs/{name}" for name in ("prompts", "split", "candidates", "verdicts", "judgements")]
    return Stage(
        name="inputs",
        title="read what you brought",
        settings=settings,
        needs=(),
        makes=tuple(makes),
        run=partial(make_inputs, context),
    )


def _critique(context: Context) -> Stage:
    stage = context.config.critique
    assert stage is not None
    settings = {**_dump(stage), **_model(context, stage.model), **_constitutions(context)}
    makes = [f"critique/{name}" for name in ("candidates", "critiques", "endings")]
    return Stage(
        name="critique",
        title="draft, critique, revise",
        settings=settings,
        needs=("inputs/prompts",),
        makes=tuple(makes),
        run=partial(make_chains, context),
    )


def _base(context: Context) -> Stage:
    stage = context.config.base
    assert stage is not None
    needs = (*PROMPTS, "critique/candidates") if stage.on == "drafts" else PAIRS
    return Stage(
        name="base",
        title="make a small base model",
        settings=_dump(stage),
        needs=needs,
        makes=("models/base",),
        run=partial(make_base, context),
    )


def _training(
    context: Context, stage: SftStage | RewardStage | DpoStage, *, name: str, reads: tuple[str, ...]
) -> Stage:
    own = stage.base in POLICY_STAGES
    title, make = TRAININGS[name]
    return Stage(
        name=name,
        title=title,
        settings=_dump(stage) if own else {**_dump(stage), "base files": _folder(context.base / stage.base)},
        needs=(f"models/{stage.base}", *reads) if own else reads,
        makes=(f"models/{name}",),
        run=partial(make, context),
    )


def _candidates(context: Context) -> Stage:
    sources = [source for source in context.config.candidates if isinstance(source, ModelSource)]
    policies = {source.model for source in sources if source.model in POLICY_STAGES}
    hosted = {
        name: value
        for source in sources
        if source.model not in POLICY_STAGES
        for name, value in _model(context, source.model).items()
    }
    return Stage(
        name="candidates",
        title="draw candidates",
        settings={"candidates": _json(sources), **hosted},
        needs=("inputs/prompts", *(f"models/{name}" for name in sorted(policies))),
        makes=("candidates/candidates", "candidates/endings"),
        run=partial(make_candidates, context),
    )


def _judging(context: Context) -> Stage:
    stage = context.config.judging
    assert stage is not None
    settings = {**_dump(stage, without={"pairs", "min_margin", "ties"}), **_constitutions(context)}
    settings["take"] = _json(source for source in context.config.candidates if isinstance(source, ChainSource))
    for entry in stage.judges:
        settings |= _model(context, entry.model)
        folder = load_judge_folder(entry.protocol, base=context.base)
        settings[f"judge {entry.protocol}"] = [
            folder.id,
            folder.version,
            folder.parser,
            folder.sees,
            folder.template.id,
        ]
    return Stage(
        name="judging",
        title="judge candidates",
        settings=settings,
        needs=("inputs/prompts", "inputs/judgements", *candidate_tables(context.config)),
        makes=tuple(f"judging/{name}" for name in ("verdicts", "judgements", "endings")),
        run=partial(make_judgements, context),
    )


def _dataset(context: Context) -> Stage:
    config = context.config
    settings: dict[str, Any] = _dump(config.dataset)
    needs = [*PROMPTS, "inputs/judgements", *candidate_tables(config)]
    if config.judging:
        settings |= {
            "pairs": config.judging.pairs,
            "min_margin": config.judging.min_margin,
            "judged ties": config.judging.ties,
        }
        settings |= _constitutions(context)
        needs.append("judging/judgements")
    return Stage(
        name="dataset",
        title="make the dataset",
        settings=settings,
        needs=tuple(needs),
        makes=PAIRS,
        run=partial(make_dataset, context),
    )


def _evaluate(context: Context) -> Stage:
    stage = context.config.evaluate
    assert stage is not None
    own = [name for name in stage.policies if name in POLICY_STAGES]
    settings = _dump(stage)
    for name in [*stage.policies, *([stage.judge.model] if stage.judge else [])]:
        settings |= _model(context, name) if name not in POLICY_STAGES else {}
    if stage.judge:
        settings |= _constitutions(context)
    needs = [*PROMPTS, *(f"models/{name}" for name in own)]
    needs += ["models/reward_model", "dataset/test"] if context.config.reward_model else []
    return Stage(
        name="evaluate",
        title="evaluate on held-out prompts",
        settings=settings,
        needs=tuple(needs),
        makes=("evaluate/answers", "evaluate/scores"),
        run=partial(make_evaluation, context),
    )


def _dump(stage: BaseModel, *, without: set[str] | None = None) -> dict[str, Any]:
    return stage.model_dump(mode="json", exclude=without, by_alias=True)


def _json(parts: Iterable[BaseModel]) -> list[Any]:
    return [_dump(part) for part in parts]


def _model(context: Context, name: str) -> dict[str, Any]:
    """What of a model's entry changes its answers, its files among them; how fast it is asked does not."""
    spec = context.config.models[name]
    settings = {f"model {name}": _dump(spec, without={"concurrency", "timeout", "api_key_env", "batch_size"})}
    files = _folder(context.base / spec.model) if isinstance(spec, LocalSpec) else None
    return {**settings, f"files of {name}": files} if files else settings


def _constitutions(context: Context) -> dict[str, Any]:
    return {"constitutions": [one.reference for one in context.constitutions]}


def _content(path: Path) -> str | None:
    return file_hash(path) if path.is_file() else None


def _folder(path: Path) -> Any:
    """Names, sizes and times of a local model's files; nothing for a Hub id, which names its content itself."""
    if not path.is_dir():
        return None
    return [
        [file.name, file.stat().st_size, file.stat().st_mtime_ns] for file in sorted(path.iterdir()) if file.is_file()
    ]
