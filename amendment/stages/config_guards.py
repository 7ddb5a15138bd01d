"""The part of a run file that says what is watched while a policy is trained on pairs, and when that ends."""

from __future__ import annotations

from pydantic import Field

from amendment.stages.contract import JudgeEntry
from amendment.training import GuardSettings

__all__ = ["DpoGuards"]


class DpoGuards(GuardSettings):
    """Guards of the policy on held-out prompts: those that the evaluation reaches last."""

    judge: JudgeEntry | None = None
    """Compares the policy's answers with its reference's at each measurement, in both orders; its score is P(the
    policy's answer is better). At each measurement it is asked two questions an answer and principle; with `every`
    beside it, steps have to be set, so that a plan can count them."""
    principles: int = Field(default=1, ge=1, le=64)
    """Principles per comparison of that judge."""
