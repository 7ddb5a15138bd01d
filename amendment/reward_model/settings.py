"""What the section `reward_model` of a run file may set about training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from amendment.training import TrainerSettings

__all__ = ["RewardSettings"]


class RewardSettings(TrainerSettings):
    """A Bradley-Terry reward model: a scalar head on the base, read at the last token."""

    learning_rate: float = Field(default=1e-5, gt=0, le=1)
    """Of the optimiser, at its highest."""
    labels: Literal["hard"] = "hard"
    """The chosen answer counts as better, whatever `p_chosen` says."""
    centre: float | None = Field(default=0.01, ge=0)
    """Weight of the squared sum of both rewards, which keeps scores near zero (Eisenstein et al. 2023)."""
