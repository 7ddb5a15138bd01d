"""`helpful:` of the stage `sft`: answers that are learned beside revisions, so that the policy stays helpful.

As in Constitutional AI, where samples of the helpful-only model were mixed in (Bai et al. 2022, section 3.2). Covered:
what may be named. Not covered: how many of these answers are taken; see `stages.helpful`.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from amendment.data.sources import FileSource, Part
from amendment.dpo import SftSettings

__all__ = ["HelpfulAnswers", "WithHelpful"]


class HelpfulAnswers(Part):
    """Where helpful answers come from: files, or drafts of this run."""

    files: tuple[FileSource, ...] = ()
    """Files or datasets with prompts and their answers, as under `candidates`. Answers to held-out prompts of the run
    are left out."""
    drafts_of: tuple[str, ...] = ()
    """Categories of harmless prompts: their drafts, as they were before critique and revision."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if bool(self.files) == bool(self.drafts_of):
            raise ValueError("name either files, or drafts_of with the categories of harmless prompts")
        return self


class WithHelpful(SftSettings):
    """Supervised fine-tuning on several kinds of answers."""

    helpful_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the rows that are helpful answers from `helpful`, beside all others. Where there are too few of them the
    others stay, and the summary says which share was reached."""
    helpful: HelpfulAnswers | None = None
    """Where they come from."""

    @model_validator(mode="after")
    def _share_and_source(self) -> Self:
        if self.helpful_share and self.helpful is None:
            raise ValueError("helpful_share needs answers to take: set helpful.files, or helpful.drafts_of")
        if self.helpful is not None and not self.helpful_share:
            raise ValueError("helpful names answers, and none is taken: set helpful_share above 0")
        return self
