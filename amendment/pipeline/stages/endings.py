"""How items end: each in exactly one way, kept in a table, and the run stops where going on makes no sense."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from amendment.answers import Ending
from amendment.errors import AmendmentError
from amendment.pipeline.engine import Workspace
from amendment.records import Outcome, Record

__all__ = ["ItemEnding", "Paused", "write_endings"]


class Paused(AmendmentError):
    """Items are pending: faults outlasted their attempts. Running again asks for these and nothing else."""


class ItemEnding(Record):
    """How one item of a stage ended; there is exactly one for each item."""

    item_id: str
    outcome: Outcome
    reason: str | None = None


def write_endings(workspace: Workspace, stage: str, endings: Sequence[tuple[str, Ending]]) -> Counter[str]:
    """Keep how each item ended, count it, and stop the run where it has to stop."""
    counts: Counter[str] = Counter(ending.outcome for _, ending in endings)
    rows = [ItemEnding(item_id=item, outcome=ending.outcome, reason=ending.reason) for item, ending in endings]
    workspace.write(f"{stage}/endings", ItemEnding, rows)
    _check(stage, counts, _reasons(endings, counts))
    return counts


def _reasons(endings: Sequence[tuple[str, Ending]], counts: Counter[str]) -> list[str]:
    """Why items are pending, or where none is, why they did not end in `done`."""
    told = [ending for _, ending in endings if ending.outcome == "pending" or not counts["pending"]]
    return [ending.reason for ending in told if ending.reason]


def _check(stage: str, endings: Counter[str], reasons: Sequence[str]) -> None:
    """Raise Paused when items are pending, and AmendmentError when not one item came to anything."""
    said = f" Most often: {Counter(reasons).most_common(1)[0][0]}" if reasons else ""
    if endings["pending"]:
        raise Paused(f"{stage}: {endings['pending']} of {endings.total()} items are pending; run again to go on.{said}")
    if endings.total() and not endings["done"]:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in endings.items())
        raise AmendmentError(f"{stage}: no item was done ({counts}); see the models of the run file.{said}")
