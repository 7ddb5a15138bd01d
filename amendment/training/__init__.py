"""Shared parts of the trainers: settings, preflight, tiny models.

What loads torch is imported by its full name: `workbench`, `model_files`, `generating`, `losses`.
"""

from amendment.training.bases import build_tiny, check_base, need_training
from amendment.training.settings import (
    LoraSettings,
    PairTrainerSettings,
    ProgressCallback,
    Report,
    TinyModel,
    TrainerSettings,
    TrainResult,
    missing_trackers,
)

__all__ = [
    "LoraSettings",
    "PairTrainerSettings",
    "ProgressCallback",
    "Report",
    "TinyModel",
    "TrainResult",
    "TrainerSettings",
    "build_tiny",
    "check_base",
    "missing_trackers",
    "need_training",
]
