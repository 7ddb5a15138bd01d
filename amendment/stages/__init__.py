"""The stages of a run, one file each, in the order of the chain."""

from amendment.stages.contract import Stage


def shipped_stages() -> tuple[type[Stage], ...]:
    """Return the stages of the package. Adding one is a file of this subpackage and its class here."""
    from amendment.stages.audit import AuditStage
    from amendment.stages.base import BaseStage
    from amendment.stages.calibration import CalibrationStage
    from amendment.stages.candidates import CandidatesStage
    from amendment.stages.construct import ConstructStage
    from amendment.stages.critique import CritiqueStage
    from amendment.stages.dataset import DatasetStage
    from amendment.stages.dpo import DpoStage
    from amendment.stages.evaluation import EvaluateStage
    from amendment.stages.evaluation_people import EvaluationLabelsStage, EvaluationSampleStage
    from amendment.stages.generate import GenerateStage
    from amendment.stages.inputs import InputsStage
    from amendment.stages.judging import JudgingStage
    from amendment.stages.labels import LabelsStage
    from amendment.stages.mixing import MixingStage
    from amendment.stages.probes import ProbesStage
    from amendment.stages.reward_model import RewardModelStage
    from amendment.stages.rounds import RoundsStage
    from amendment.stages.sft import SftStage
    from amendment.stages.spot_check import SpotCheckStage
    from amendment.stages.verify import VerifyStage

    return (
        GenerateStage,
        InputsStage,
        CritiqueStage,
        BaseStage,
        SftStage,
        CandidatesStage,
        ConstructStage,
        JudgingStage,
        VerifyStage,
        ProbesStage,
        SpotCheckStage,
        LabelsStage,
        CalibrationStage,
        AuditStage,
        MixingStage,
        DatasetStage,
        RewardModelStage,
        DpoStage,
        RoundsStage,
        EvaluateStage,
        EvaluationSampleStage,
        EvaluationLabelsStage,
    )
