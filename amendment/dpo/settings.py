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


class HelpfulDrafts(Part):
    """Helpful answers among this run's drafts."""

    drafts_of: tuple[str, ...] = Field(min_length=1)
    """Categories of harmless prompts: their drafts, as they were before critique and revision."""


class SftConfig(SftSettings):
    """Supervised fine-tuning."""

    base: str
    """`base`, or a model as `provider: local` takes it (folder, Hub id or `id@revision`, GGUF file,
    `smollm2-135m-instruct`)."""
    on: Literal["all_revisions", "last_revision", "chosen", "verified"] = "all_revisions"
    """The answers it learns from; all_revisions as in Constitutional AI. verified: every different candidate that
    passes `verify` (rejection sampling)."""
    helpful_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the rows that are helpful answers from `helpful`, added to all others. If there are too few, the other
    rows stay, and the summary states the share that was reached."""
    helpful: HelpfulDrafts | tuple[FileSource, ...] = ()
    """The helpful answers: drafts of this run, or files and datasets with prompts and their answers, as under
    `candidates`. Answers of files to held-out prompts of the run are left out."""

    @model_validator(mode="after")
    def _share_and_source(self) -> Self:
        if self.helpful_share and not self.helpful:
            raise ValueError("helpful_share needs answers to take: name files under helpful, or set helpful.drafts_of")
        if self.helpful and not self.helpful_share:
            raise ValueError("helpful names answers, and none is taken: set helpful_share above 0")
        return self

    @property
    def drafts_of(self) -> tuple[str, ...]:
        """Return the categories whose drafts are helpful answers."""
        return self.helpful.drafts_of if isinstance(self.helpful, HelpfulDrafts) else ()


def helpful_files(config: SftConfig | None) -> tuple[FileSource, ...]:
    """Return the files of helpful answers that a run file names; `config` is its part for fine-tuning."""
    return config.helpful if config and isinstance(config.helpful, tuple) else ()


def read_helpful(files: tuple[FileSource, ...], base: Path, *, glimpse: bool = False) -> Inputs:
    """Read everything in files of helpful answers. Raises DataError with the problems of all of them.

    `glimpse` reads only the first rows of each source, for a check.
    """
    return read_inputs(DataSources(name="helpful", candidates=files), base, glimpse=glimpse)
