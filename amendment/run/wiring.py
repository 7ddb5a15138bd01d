"""What each stage of a run reads and makes, by the run file alone: nothing is opened, and nothing has to be there.

Covered: which stages a run file has, the artefacts between them, and needs that no stage makes. Not covered:
the settings that count for a stage, which stand in `stage_settings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from amendment.calibration.settings import SpotCheckSettings
from amendment.run.runfile.config import RunFile
from amendment.stages.audit import Auditing
from amendment.stages.base import MakingBase
from amendment.stages.calibration import Calibrating
from amendment.stages.candidates import Drawing
from amendment.stages.construct import Constructing
from amendment.stages.contract import Stage
from amendment.stages.critique import Critiquing
from amendment.stages.dataset import MakingDataset
from amendment.stages.dpo import TrainingPolicy
from amendment.stages.evaluation import Evaluating
from amendment.stages.evaluation_people import DrawingEvaluationSample, ReadingEvaluationLabels
from amendment.stages.inputs import Bringing
from amendment.stages.judging import Judging
from amendment.stages.labels import ReadingLabels
from amendment.stages.mixing import Mixing
from amendment.stages.probes import Probing
from amendment.stages.reward_model import TrainingRewardModel
from amendment.stages.rounds import ComparingRounds
from amendment.stages.sft import FineTuning
from amendment.stages.spot_check import DrawingSample

__all__ = ["Lack", "Wiring", "lacks", "wire"]

PROMPTS = ("inputs/prompts", "inputs/split")
PEOPLE = "people.json"
CERTIFICATE = ("certificate.json", "certificate.md", "audit/certificate.json", "audit/certificate.md", PEOPLE)


class Wiring(NamedTuple):
    """A stage by what it reads and makes."""

    name: str
    needs: tuple[str, ...]
    makes: tuple[str, ...]
    stage: Stage


class Lack(NamedTuple):
    """A stage and the absent stage that would make what it reads."""

    stage: str
    absent: str


def wire(config: RunFile) -> list[Wiring]:
    """The stages of a run file, in the order of Constitutional AI; each artefact is called `stage/table`."""
    return [
        *_of(Bringing, config),
        *_of(Critiquing, config),
        *_of(MakingBase, config),
        *_of(FineTuning, config),
        *_of(Drawing, config),
        *_of(Constructing, config),
        *_of(Judging, config),
        *_measured(config),
        *_of(Mixing, config),
        *_of(MakingDataset, config),
        *_of(TrainingRewardModel, config),
        *_of(TrainingPolicy, config),
        *_of(ComparingRounds, config),
        *_of(Evaluating, config),
        *_of(DrawingEvaluationSample, config),
        *_of(ReadingEvaluationLabels, config),
    ]


def _tables(stage: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{stage}/{name}" for name in names)


def _models(config: RunFile, names: Iterable[str]) -> tuple[str, ...]:
    """The policies of this run among these names; a local folder or a Hub id is made by no stage."""
    return tuple(f"models/{name}" for name in names if name in config.policies)


def _of(kind: type[Stage], config: RunFile) -> Iterable[Wiring]:
    """A stage that is a class of its own."""
    for stage in kind.of(config):
        yield Wiring(stage.name, stage.reads, stage.writes, stage)


def _measured(config: RunFile) -> Iterable[Wiring]:
    """What is known of the judges. A run that waits for people asks its models first."""
    if config.part(SpotCheckSettings):
        return (*_of(Probing, config), *_labelled(config), *_of(Auditing, config))
    return (*_of(Auditing, config), *_of(Probing, config))


def _labelled(config: RunFile) -> Iterable[Wiring]:
    return (*_of(DrawingSample, config), *_of(ReadingLabels, config), *_of(Calibrating, config))


def lacks(wirings: Sequence[Wiring]) -> list[Lack]:
    """Stages that read what no stage makes. One whose own sources lack the same is not named again."""
    maker = {artefact: one.name for one in wirings for artefact in one.makes}
    absent = {one.name: {_owner(need) for need in one.needs if need not in maker} for one in wirings}
    found = []
    for one in wirings:
        sources = {maker[need] for need in one.needs if need in maker}
        told = {owner for source in sources for owner in absent[source]}
        found += [Lack(one.name, owner) for owner in sorted(absent[one.name] - told)]
    return found


def _owner(artefact: str) -> str:
    """The stage that an artefact belongs to: of `models/sft` sft, of `dataset/train` dataset."""
    stage, _, name = artefact.partition("/")
    return name if stage == "models" else stage
