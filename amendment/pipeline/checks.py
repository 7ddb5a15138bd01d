"""Everything wrong with a run file, at once, before anything is called or spent.

Covered: the shape of the file, its references to itself, constitutions, judge folders, data files, model
folders, and keys in the environment. Not covered: whether a server is up or a key is accepted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from amendment.constitutions import eligible_principles, load_constitution
from amendment.errors import AmendmentError, ConfigError, DataError, MissingExtra, Problem
from amendment.pipeline.config import (
    POLICY_STAGES,
    ChainSource,
    FileSource,
    JudgeEntry,
    LilliputPrompts,
    ModelSource,
    RunFile,
)
from amendment.pipeline.context import located
from amendment.pipeline.inputs import read_inputs
from amendment.pipeline.overrides import override
from amendment.preference import load_judge_folder
from amendment.providers import check_model
from amendment.training import check_base, need_training
from amendment.yamlfile import Document, did_you_mean, read_yaml, validate

__all__ = ["LoadedRun", "check_run_file", "load_run_file"]

Loc = tuple[str | int, ...]


class LoadedRun(NamedTuple):
    """A run file that has the right shape and whose references hold."""

    config: RunFile
    document: Document
    base: Path
    """The folder of the file, from which its paths are meant."""


def load_run_file(path: str | Path, overrides: Sequence[str] = (), *, limit: int | None = None) -> LoadedRun:
    """Read a run file, with `a.b=value` overrides and at most `limit` rows of each source.

    Raises ConfigError with every problem inside the file.
    """
    document = read_yaml(path)
    for text in overrides:
        document = override(document, text)
    config = validate(document, RunFile)
    config = _limited(config, limit) if limit else config
    loaded = LoadedRun(config, document, Path(path).resolve().parent)
    problems = [Problem(document.place(loc), message) for loc, message in _references(config)]
    if problems:
        raise ConfigError(problems)
    return loaded


def _limited(config: RunFile, limit: int) -> RunFile:
    prompts = tuple(
        source.model_copy(update={"lilliput": min(source.lilliput, limit)})
        if isinstance(source, LilliputPrompts)
        else source.model_copy(update={"take": min(source.take or limit, limit)})
        for source in config.prompts
    )
    candidates = tuple(
        source.model_copy(update={"take": min(source.take or limit, limit)})
        if isinstance(source, FileSource)
        else source
        for source in config.candidates
    )
    pairs = tuple(source.model_copy(update={"take": min(source.take or limit, limit)}) for source in config.pairs)
    return config.model_copy(update={"prompts": prompts, "candidates": candidates, "pairs": pairs})


def check_run_file(loaded: LoadedRun, environ: Mapping[str, str] = os.environ) -> None:
    """Look at all that the file names on this machine. Raises ConfigError or DataError with every problem."""
    config, document = loaded.config, loaded.document
    outside = [*_constitution_problems(loaded), *_judge_problems(loaded), *_base_problems(loaded)]
    for name, spec in config.models.items():
        outside += [(("models", name), message) for message in check_model(located(spec, loaded.base), environ)]
    problems = [Problem(document.place(loc), message) for loc, message in outside]
    try:
        inputs = read_inputs(config, loaded.base)
    except DataError as fault:
        problems += fault.problems
    else:
        if not problems:
            categories = dict.fromkeys(prompt.category for prompt in inputs.prompts.values())
            problems += [Problem(document.place(loc), message) for loc, message in _unjudged(loaded, categories)]
    if problems:
        raise ConfigError(problems)


def _references(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """Names that nothing answers to, and stages without what they read."""
    yield from _stage_names(config)
    for loc, name in _models_named(config):
        if name not in config.models:
            known = ", ".join(config.models) or "none"
            yield loc, f"no model {name!r} under models{did_you_mean(name, config.models)}; there are {known}"
    for loc, name in _policies_named(config):
        if name in POLICY_STAGES and getattr(config, name) is None:
            yield loc, f"the run has no stage {name!r}; add it, or name a model under models"
    yield from _missing_parts(config)


def _stage_names(config: RunFile) -> Iterator[tuple[Loc, str]]:
    for name in config.models:
        if name in (*POLICY_STAGES, "reward_model"):
            yield ("models", name), f"{name!r} is the name of a stage; call the model something else"


def _models_named(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """Every place that names a model which has to stand under `models`."""
    if config.critique:
        yield ("critique", "model"), config.critique.model
    for index, entry in _judges(config):
        yield ("judging", "judges", index, "model"), entry.model
    if config.evaluate and config.evaluate.judge:
        yield ("evaluate", "judge", "model"), config.evaluate.judge.model
    for loc, name in _policies_named(config):
        if loc[0] in ("candidates", "evaluate") and name not in POLICY_STAGES:
            yield loc, name


def _policies_named(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """Every place that may name a policy of this run."""
    for index, source in enumerate(config.candidates):
        if isinstance(source, ModelSource):
            yield ("candidates", index, "model"), source.model
    for stage in ("sft", "reward_model", "dpo"):
        settings = getattr(config, stage)
        if settings is not None:
            yield (stage, "base"), settings.base
    for index, name in enumerate(config.evaluate.policies if config.evaluate else ()):
        yield ("evaluate", "policies", index), name


def _judges(config: RunFile) -> Iterator[tuple[int, JudgeEntry]]:
    yield from enumerate(config.judging.judges if config.judging else ())


def _missing_parts(config: RunFile) -> Iterator[tuple[Loc, str]]:
    needs_rules: list[Loc] = [(name,) for name in ("critique", "judging") if getattr(config, name)]
    needs_rules += [("evaluate", "judge")] if config.evaluate and config.evaluate.judge else []
    if needs_rules and not config.constitution:
        yield needs_rules[0], "needs a constitution; add a line such as: constitution: helpful-honest"
    if not (config.prompts or config.pairs or any(isinstance(one, FileSource) for one in config.candidates)):
        yield ("name",), "the run has nothing to work on; add prompts, candidates from a file, or pairs"
    if config.judging and not _has_two_a_prompt(config):
        yield ("judging",), "has nothing to compare; add candidates, so that each prompt has two or more"
    if config.evaluate and not config.dataset.test_share:
        yield ("evaluate",), "needs held-out prompts; set dataset.test_share above 0"
    if any(isinstance(one, ChainSource) for one in config.candidates) and not config.critique:
        yield ("candidates",), "from: critique needs the stage critique"
    if not (config.judging or config.pairs):
        for stage in ("reward_model", "dpo"):
            if getattr(config, stage):
                yield (stage,), "has no pairs to train on; add judging, or pairs of your own"
    yield from _training_text(config)


def _has_two_a_prompt(config: RunFile) -> bool:
    """Whether a prompt can have two candidates to compare; what files hold is not known yet."""
    several = ("all", "draft_and_last")
    counts = [
        source.per_prompt if isinstance(source, ModelSource) else 1 + (source.take in several)
        for source in config.candidates
        if not isinstance(source, FileSource)
    ]
    return len(counts) < len(config.candidates) or sum(counts) > (0 if config.pairs else 1)


def _training_text(config: RunFile) -> Iterator[tuple[Loc, str]]:
    if config.base and config.base.on == "drafts" and not config.critique:
        yield ("base",), "on: drafts needs the stage critique; or train it on: chosen"
    if config.sft and config.sft.on != "chosen" and not config.critique:
        yield ("sft",), f"on: {config.sft.on} needs the stage critique; or train it on: chosen"


def _constitution_problems(loaded: LoadedRun) -> Iterator[tuple[Loc, str]]:
    for index, name in enumerate(loaded.config.constitution):
        try:
            load_constitution(name, base=loaded.base)
        except ConfigError as fault:
            yield from ((("constitution", index), str(problem)) for problem in fault.problems)


def _judge_problems(loaded: LoadedRun) -> Iterator[tuple[Loc, str]]:
    for index, entry in _judges(loaded.config):
        yield from _judge_problem(loaded, entry, ("judging", "judges", index))
    if loaded.config.evaluate and loaded.config.evaluate.judge:
        yield from _judge_problem(loaded, loaded.config.evaluate.judge, ("evaluate", "judge"))


def _judge_problem(loaded: LoadedRun, entry: JudgeEntry, loc: Loc) -> Iterator[tuple[Loc, str]]:
    try:
        folder = load_judge_folder(entry.protocol, base=loaded.base)
    except ConfigError as fault:
        yield from (((*loc, "protocol"), str(problem)) for problem in fault.problems)
        return
    spec: Any = loaded.config.models[entry.model]
    if folder.needs_choices and not spec.shows_choices:
        shown = f"{entry.protocol} reads token probabilities, which model {entry.model} does not show"
        yield (*loc, "protocol"), f"{shown}; use protocol: verdict with samples"


def _unjudged(loaded: LoadedRun, categories: Iterable[str | None]) -> Iterator[tuple[Loc, str]]:
    """Categories of prompts about which no principle has a text for a judge."""
    config = loaded.config
    if not (config.judging or (config.evaluate and config.evaluate.judge)):
        return
    rules = [load_constitution(name, base=loaded.base) for name in config.constitution]
    silent = [category for category in categories if not eligible_principles(rules, "compare", category=category)]
    if silent:
        shown = ", ".join(repr(category) if category else "none" for category in silent)
        yield ("constitution",), f"no principle with a `compare` text speaks about prompts of category {shown}; add one"


def _base_problems(loaded: LoadedRun) -> Iterator[tuple[Loc, str]]:
    trains = [name for name in ("base", "sft", "reward_model", "dpo") if getattr(loaded.config, name)]
    if not trains:
        return
    try:
        need_training()
    except MissingExtra as fault:
        yield (trains[0],), str(fault)
        return
    for name in trains:
        base = getattr(getattr(loaded.config, name), "base", None)
        if base is None or base in POLICY_STAGES:
            continue
        local = loaded.base / base
        try:
            check_base(str(local) if local.is_dir() else base)
        except AmendmentError as fault:
            yield (name, "base"), str(fault)
