"""A judge as a run file names it: a model of `models`, and a folder of texts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from amendment.run.runfile.sources import Part

__all__ = ["JudgeEntry", "Name"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,79}$")]


class JudgeEntry(Part):
    """A judge: a model and a folder of texts."""

    model: Name
    """A name under `models`."""
    protocol: str = "verdict"
    """A shipped judge's id, or a folder of one's own."""
    samples: int = Field(default=1, ge=1, le=64)
    """Draws of each question; the share of verdicts is P where no probabilities are shown."""
