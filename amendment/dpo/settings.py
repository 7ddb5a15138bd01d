"""What the sections `sft` and `dpo` of a run file may set about training.

The defaults are for pretrained models of some billion parameters; a tiny model from nothing wants a
learning rate a thousand times larger.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from amendment.training import TrainerSettings

__all__ = ["DpoSettings", "SftSettings"]


class SftSettings(TrainerSettings):
    """Supervised fine-tuning: cross-entropy on the completion."""

    learning_rate: float = Field(default=2e-5, gt=0, le=1)
    """Of the optimiser, at its highest."""


class DpoSettings(TrainerSettings):
    """Direct preference optimisation (Rafailov et al. 2023), with an SFT term on the chosen answer if wanted."""

    learning_rate: float = Field(default=1e-6, gt=0, le=1)
    """Of the optimiser, at its highest."""
    beta: float = Field(default=0.1, gt=0)
    """Strength of the pull to the reference: the larger, the less the policy moves."""
    labels: Literal["hard"] = "hard"
    """The chosen answer counts as better, whatever `p_chosen` says."""
    sft_weight: float = Field(default=0.0, ge=0)
    """Weight of the cross-entropy of chosen answers (RPO, Pang et al. 2024); it keeps the policy's text sane."""
