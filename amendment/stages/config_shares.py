"""What a dataset is mixed from: the run's own pairs and pairs that people decided, each with its share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from amendment.data.sources import KnownLicense, PairFile, Part

__all__ = ["Mix", "PairShare", "RunShare"]

ROUNDING = 0.0021
"""A third may be written as 0.333, and there may be six of them."""


class RunShare(Part):
    """The pairs of this run."""

    source: Literal["run"]
    """The pairs that this run makes: judged, imported under `pairs`, or both."""
    share: float = Field(gt=0, le=1)
    """Their part of the pairs for training."""


class PairShare(PairFile):
    """Pairs of one's own, mixed with the run's."""

    share: float = Field(gt=0, le=1)
    """Their part of the pairs for training."""
    license: KnownLicense
    """License of these pairs, as the Hub spells it; it stands on each of their rows, and is never guessed."""


def _whole(mix: Sequence[RunShare | PairShare]) -> Sequence[RunShare | PairShare]:
    """The mix, if it is one. Raises ValueError with all that it is not."""
    total = sum(part.share for part in mix)
    runs = sum(isinstance(part, RunShare) for part in mix)
    problems = []
    if mix and abs(total - 1) > ROUNDING:
        problems.append(f"the shares sum to {total:.6g}, expected 1")
    if mix and runs != 1:
        problems.append(f"expected one entry `source: run` for this run's own pairs, found {runs or 'none'}")
    if problems:
        raise ValueError("; ".join(problems))
    return mix


Mix = Annotated[tuple[RunShare | PairShare, ...], AfterValidator(_whole)]
