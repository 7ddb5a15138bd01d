"""Names in a run file that nothing answers to, stages without what they read, stages that would measure nothing.

Covered: all that the file itself can tell. Not covered: what lies outside it, which `checks` looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from amendment.data.sources import ChainSource, FileSource, ModelSource
from amendment.run.engine import Circle, in_order
from amendment.run.runfile.config import RunFile
from amendment.run.wiring import Lack, Wiring, lacks, wire
from amendment.stages import stages_of
from amendment.stages.configs import POLICY_STAGES
from amendment.yamlfile import Loc, did_you_mean, format_path

__all__ = ["NO_INPUT", "only_lends_models", "reference_problems"]

NO_INPUT = "the run has no input; add prompts, candidates from a file, pairs or verdicts"
_LENT = frozenset({"name", "seed", "constitution", "models", "budget", "prices", "calls"})
"""What a run file for `Run.models` consists of."""
NO_PAIRS = "has no pairs to train on; add judging, construct, or pairs of your own"


def reference_problems(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """Everything that the file cannot mean, each with its place in the file."""
    yield from _stage_names(config)
    for loc, name in dict.fromkeys(_models_named(config)):
        if name not in config.models:
            known = ", ".join(config.models) or "none"
            yield loc, f"no model {name!r} under models{did_you_mean(name, config.models)}; there are {known}"
    for loc, name in _policies_named(config).items():
        if name in POLICY_STAGES and getattr(config, name) is None:
            yield loc, f"the run has no stage {name!r}; add it, or name a model under models"
    for stage in stages_of(config):
        yield from stage.problems()
    yield from _missing_parts(config)
    yield from _wiring(config)


def _stage_names(config: RunFile) -> Iterator[tuple[Loc, str]]:
    for name in config.models:
        if name in (*config.policies, "reward_model"):
            yield ("models", name), f"{name!r} is the name of a stage; call the model something else"


def _models_named(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """Every place that names a model which has to stand under `models`."""
    for place, model in _policies_named(config).items():
        if model not in (config.policies if place[0] == "evaluate" else POLICY_STAGES):
            yield place, model


def _policies_named(config: RunFile) -> dict[Loc, str]:
    """Every place that names a model or a policy of this run."""
    return {ask.place: ask.model for stage in stages_of(config) for ask in stage.asks()}


def only_lends_models(config: RunFile) -> bool:
    """The file has models and no stage and no data: it opens judges for Python, such as the reward of a training."""
    parts = RunFile.model_fields.items()
    rest = (getattr(config, name) == field.get_default() for name, field in parts if name not in _LENT)
    return bool(config.models) and all(rest)


def _missing_parts(config: RunFile) -> Iterator[tuple[Loc, str]]:
    needs_rules: list[Loc] = [(name,) for name in ("critique", "judging") if getattr(config, name)]
    if needs_rules and not config.constitution:
        yield needs_rules[0], "needs a constitution; add a line such as: constitution: helpful-honest"
    judged = config.pairs or config.verdicts
    has_input = config.prompts or judged or any(isinstance(one, FileSource) for one in config.candidates)
    if not (has_input or only_lends_models(config)):
        yield ("name",), NO_INPUT
    if len(config.dataset.mix) > 1 and not config.has_pairs:
        yield ("dataset", "mix"), "mixes with pairs of this run, and the run makes none; add judging, or pairs"
    if config.judging and not _has_two_a_prompt(config):
        yield ("judging",), _compares_nothing(config)
    if any(isinstance(one, ChainSource) for one in config.candidates) and not config.critique:
        yield ("candidates",), "from: critique needs the stage critique"
    yield from _nothing_to_publish(config)


def _nothing_to_publish(config: RunFile) -> Iterator[tuple[Loc, str]]:
    """What `publish` names and no stage makes."""
    if not config.publish:
        return
    if not config.has_pairs:
        yield ("publish",), "the run makes no dataset that could be published; add judging, or pairs"
    made = {artefact for wiring in wire(config) for artefact in wiring.makes}
    for name in config.publish.models:
        if f"models/{name}" not in made:
            yield ("publish", "models", name), f"the run has no stage {name}; add it, or take this line out"


def _compares_nothing(config: RunFile) -> str:
    """What to do about a judging without comparisons."""
    told = "has nothing to compare; add candidates, so that each prompt has two or more"
    if config.brings_pairs:
        told += ", or let the judges compare the answers of your own pairs too: judging.judge_labelled: true"
    return told


def _has_two_a_prompt(config: RunFile) -> bool:
    """Whether a prompt can have two candidates to compare; what files hold is not known yet."""
    if config.brings_pairs and config.judging and config.judging.judge_labelled:
        return True
    several = ("all", "draft_and_last")
    counts = [
        source.per_prompt if isinstance(source, ModelSource) else 1 + (source.take in several)
        for source in config.candidates
        if not isinstance(source, FileSource)
    ]
    return len(counts) < len(config.candidates) or sum(counts) > (0 if config.brings_pairs else 1)


def _wiring(config: RunFile) -> Iterator[tuple[Loc, str]]:
    wirings = wire(config)
    for lack in lacks(wirings):
        message = None if lack.absent in config.policies else _lacking(lack)
        if message:
            yield (lack.stage,), message
    yield from _circle(config, wirings)


def _lacking(lack: Lack) -> str | None:
    """What to do about an absent stage; None where the place that names it tells already."""
    if lack.absent == "dataset":
        return NO_PAIRS
    if lack.absent != "critique":
        return f"reads what the stage {lack.absent} makes; add it"
    if lack.stage in ("judging", "dataset"):
        return None
    what = "drafts" if lack.stage == "base" else "revisions"
    return f"learns from {what}, which needs the stage critique; add it, or train it on: chosen"


def _circle(config: RunFile, wirings: Sequence[Wiring]) -> Iterator[tuple[Loc, str]]:
    try:
        in_order(wirings)
    except Circle as fault:
        keys = [key for here, there in pairwise(fault.stages) for key in _reading_keys(config, here, there)]
        told = ", ".join(f"{format_path(loc)}: {value} reads {there}" for loc, value, there in keys)
        yield (keys[0][0] if keys else ()), f"{fault}; {told}" if told else str(fault)


def _reading_keys(config: RunFile, here: str, there: str) -> Iterator[tuple[Loc, str, str]]:
    """The keys by which a stage reads what another one makes, with their values; those of most stages are fixed."""
    if here == "candidates":
        for index, source in enumerate(config.candidates):
            if isinstance(source, ModelSource) and source.model == there:
                yield ("candidates", index, "model"), there, there
        return
    stage = getattr(config, here) if here in (*POLICY_STAGES, "reward_model") else None
    if there in POLICY_STAGES and getattr(stage, "base", None) == there:
        yield (here, "base"), there, there
    elif there == "dataset" and (on := getattr(stage, "on", None)):
        yield (here, "on"), on, "the dataset"
