"""Judgements that wait until their jury has heard all comparisons: in a file, since there may be many of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from amendment.data.workspace import Workspace
from amendment.preference import JuryVotes, with_p
from amendment.records import Judgement

__all__ = ["Waiting"]

TABLE = "judging/waiting"


class Waiting:
    """Judgements by the mean, in the order of their jury's votes. The file is gone when the block ends."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._writing = ExitStack()

    def __enter__(self) -> Self:
        self.add = self._writing.enter_context(self._workspace.writing(TABLE, Judgement))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.__exit__(kind, fault, trace)
        self._workspace.path(TABLE).unlink(missing_ok=True)

    def decided(self, votes: JuryVotes) -> Iterator[Judgement]:
        """The judgements as the jury makes them, one after another; nothing can be added any more. Raises ConfigError
        where people have decided too little."""
        self._writing.close()
        rows = zip(self._workspace.rows(TABLE, Judgement), votes.weighted(), votes.rows(), strict=True)
        return (with_p(judgement, p_a, p_by_rater) for judgement, p_a, p_by_rater in rows)
