"""Supervised fine-tuning as the run file says it, with the files of helpful answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from amendment.data.inputs import Inputs, read_inputs
from amendment.data.sources import FileSource
from amendment.data.verdict_files import DataSources
from amendment.dpo import SftSettings
from amendment.records import Part


class HelpfulAnswers(Part):
    """Sources of helpful answers: files, or drafts of this run."""

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


class SftConfig(SftSettings):
    """Supervised fine-tuning."""

    base: str
    """`base`, or a model as `provider: local` takes it (folder, Hub id, GGUF file, `smollm2-135m-instruct`)."""
    on: Literal["all_revisions", "last_revision", "chosen", "verified"] = "all_revisions"
    """The answers it learns from; all_revisions as in Constitutional AI. verified: every different candidate that
    passes `verify` (rejection sampling)."""
    helpful_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the rows that are helpful answers from `helpful`, added to all others. If there are too few, the other
    rows stay, and the summary states the share that was reached."""
    helpful: HelpfulAnswers | None = None
    """The sources of these answers."""

    @model_validator(mode="after")
    def _share_and_source(self) -> Self:
        if self.helpful_share and self.helpful is None:
            raise ValueError("helpful_share needs answers to take: set helpful.files, or helpful.drafts_of")
        if self.helpful is not None and not self.helpful_share:
            raise ValueError("helpful names answers, and none is taken: set helpful_share above 0")
        return self


def helpful_files(config: SftConfig | None) -> tuple[FileSource, ...]:
    """Return the files of helpful answers that a run file names; `config` is its part for fine-tuning."""
    return config.helpful.files if config and config.helpful else ()


def read_helpful(files: tuple[FileSource, ...], base: Path, *, glimpse: bool = False) -> Inputs:
    """Read everything in files of helpful answers. Raises DataError with the problems of all of them.

    `glimpse` reads only the first rows of each source, for a check.
    """
    return read_inputs(DataSources(name="helpful", candidates=files), base, glimpse=glimpse)
