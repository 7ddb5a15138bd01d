"""What a run file cannot mean, whatever its files hold: names that nothing answers to, stages that miss what they read.

Covered: what all stages have in common; what concerns one stage alone is in its `problems`. Not covered: what lies
outside the file, which `checks` looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from amendment.data.sources import FileSource
from amendment.run.engine import Circle, in_order
from amendment.run.runfile.config import RunFile
from amendment.stages import STAGES, stages_of
from amendment.stages.contract import Note, Stage
from amendment.stages.pairs import has_pairs
from amendment.yamlfile import did_you_mean

NO_INPUT = "the run has no input; add prompts, candidates from a file, pairs or verdicts"
_LENT = frozenset({"name", "seed", "constitution", "models", "budget", "prices", "calls"})
"""What a run file for `Run.models` consists of."""


def reference_problems(config: RunFile) -> Iterator[Note]:
    """Everything that the file cannot mean, each with its place in the file."""
    stages = stages_of(config)
    trained = {name.removeprefix("models/") for stage in stages for name in stage.writes if name.startswith("models/")}
    for name in config.models:
        if name in trained.union(config.policies):
            yield ("models", name), f"{name!r} is the name of a stage; call the model something else"
    yield from _models(config, stages, trained)
    own = {stage.name: [*stage.problems()] for stage in stages}
    yield from (note for notes in own.values() for note in notes)
    asking = [ask for stage in stages for ask in stage.asks() if ask.role in ("revise", "judge")]
    if asking and not config.constitution:
        place = asking[0].place[:-1] if asking[0].judge else asking[0].place
        yield place, "needs a constitution; add a line such as: constitution: helpful-honest"
    brought = config.prompts or config.pairs or config.verdicts or config.parts(FileSource)
    if not (brought or only_lends_models(config)):
        yield ("name",), NO_INPUT
    yield from _nothing_to_publish(config, trained)
    yield from _missing_stages(config, [stage for stage in stages if not own[stage.name]])
    try:
        in_order(stages)
    except Circle as fault:
        yield (fault.stages[0],), str(fault)


def only_lends_models(config: RunFile) -> bool:
    """The file has models and no stage and no data: it opens judges for Python, such as the reward of a training."""
    parts = type(config).model_fields.items()
    rest = (getattr(config, name) == field.get_default() for name, field in parts if name not in _LENT)
    return bool(config.models) and all(rest)


def _models(config: RunFile, stages: Sequence[Stage], trained: set[str]) -> Iterator[Note]:
    """Names of models that are not under `models`, and policies that no stage of the run makes."""
    for ask in dict.fromkeys(ask for stage in stages for ask in stage.asks()):
        if ask.model in config.policies:
            if ask.model not in trained:
                yield ask.place, f"the run has no stage {ask.model!r}; add it, or name a model under models"
        elif ask.model not in config.models:
            names = ", ".join(config.models) or "none"
            near = did_you_mean(ask.model, config.models)
            yield ask.place, f"no model {ask.model!r} under models{near}; there are {names}"


def _nothing_to_publish(config: RunFile, trained: set[str]) -> Iterator[Note]:
    """What `publish` names and no stage makes."""
    if not config.publish:
        return
    if not has_pairs(config):
        yield ("publish",), "the run makes no dataset that could be published; add judging, or pairs"
    for name in config.publish.models:
        if name not in trained:
            yield ("publish", "models", name), f"the run has no stage {name}; add it, or take this line out"


def _missing_stages(config: RunFile, stages: Sequence[Stage]) -> Iterator[Note]:
    """Stages that read what no stage makes. One whose sources lack the same is not named again."""
    advice = {kind.name: kind.absent for kind in STAGES}
    maker = {artefact: stage.name for stage in stages_of(config) for artefact in stage.writes}
    absent = {stage.name: {_owner(name) for name in stage.reads if name not in maker} for stage in stages}
    for stage in stages:
        reported = {owner for name in stage.reads if name in maker for owner in absent.get(maker[name], ())}
        for owner in sorted(absent[stage.name] - reported):
            if owner not in config.policies:  # already reported where it is named
                yield (stage.name,), advice.get(owner) or f"reads what the stage {owner} makes; add it"


def _owner(artefact: str) -> str:
    """The stage that an artefact belongs to: of `models/sft` sft, of `dataset/train` dataset."""
    stage, _, name = artefact.partition("/")
    return name if stage == "models" else stage
