"""People and judges beside what the other people mostly say: leave-one-out agreement, ties being a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.statistics import Estimate, Resampling
from amendment.statistics.leave_one_out import judge_beside_others, people_beside_others

__all__ = ["LeaveOneOut", "leave_judge_in", "leave_one_out"]


@dataclass(frozen=True)
class LeaveOneOut:
    """A judge in the place of the person left out, and people in it, on the same items."""

    judge: Estimate
    people: Estimate
    difference: Estimate
    """judge - people."""


def leave_one_out(panel: Panel, draws: Resampling) -> Estimate | None:
    """Of people; None where no item has two of them."""
    found = people_beside_others(panel.people, panel.table.prompt, draws.level)
    return found if found.n else None


def leave_judge_in(panel: Panel, verdicts: Calls, draws: Resampling) -> LeaveOneOut | None:
    """Of a judge's labels; None where no item that it was read on has two people."""
    heard = verdicts.where(verdicts.readable)
    said = np.bincount(heard.item * 3 + heard.value, minlength=panel.people.size).reshape(-1, 3)
    found = judge_beside_others(panel.people, said, panel.table.prompt, draws.level)
    return LeaveOneOut(*found) if found.judge.n else None
