"""What trainers share: settings, preflight, tiny models.

What loads torch is imported by its full name: `workbench`, `model_files`, `generating`, `losses`.
"""

from amendment.training.bases import check_base, need_training
from amendment.training.results import Progress, Report, TrainResult
from amendment.training.settings import (
    LaunchSettings,
    LoraSettings,
    PairTrainerSettings,
    TinyModel,
    TrainerSettings,
    TrlFields,
    unmet_demands,
)
from amendment.training.tiny import build_tiny

__all__ = [
    "LaunchSettings",
    "LoraSettings",
    "PairTrainerSettings",
    "Progress",
    "Report",
    "TinyModel",
    "TrainResult",
    "TrainerSettings",
    "TrlFields",
    "build_tiny",
    "check_base",
    "need_training",
    "unmet_demands",
]
