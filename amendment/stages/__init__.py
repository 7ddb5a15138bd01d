"""The stages of a run, one file each. `STAGES` lists them in the order of the chain."""

from amendment.stages.audit import Auditing
from amendment.stages.base import MakingBase
from amendment.stages.calibration import Calibrating
from amendment.stages.candidates import Drawing
from amendment.stages.construct import Constructing
from amendment.stages.contract import RunSettings, Stage
from amendment.stages.critique import Critiquing
from amendment.stages.dataset import MakingDataset
from amendment.stages.dpo import TrainingPolicy
from amendment.stages.evaluation import Evaluating
from amendment.stages.evaluation_people import DrawingEvaluationSample, ReadingEvaluationLabels
from amendment.stages.inputs import LoadInputs
from amendment.stages.judging import Judging
from amendment.stages.labels import ReadingLabels
from amendment.stages.mixing import Mixing
from amendment.stages.probes import Probing
from amendment.stages.reward_model import TrainingRewardModel
from amendment.stages.rounds import ComparingRounds
from amendment.stages.sft import FineTuning
from amendment.stages.spot_check import DrawingSample

__all__ = ["STAGES", "stages_of"]

STAGES: tuple[type[Stage], ...] = (
    LoadInputs,
    Critiquing,
    MakingBase,
    FineTuning,
    Drawing,
    Constructing,
    Judging,
    Probing,
    DrawingSample,
    ReadingLabels,
    Calibrating,
    Auditing,
    Mixing,
    MakingDataset,
    TrainingRewardModel,
    TrainingPolicy,
    ComparingRounds,
    Evaluating,
    DrawingEvaluationSample,
    ReadingEvaluationLabels,
)
"""Adding a stage is a file of this subpackage and its class here."""


def stages_of(settings: RunSettings) -> list[Stage]:
    """The stages that a run file has."""
    return [stage for kind in STAGES for stage in kind.of(settings)]
