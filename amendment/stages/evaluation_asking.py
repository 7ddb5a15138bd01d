"""Yes-or-no questions about single answers of policies, each put to the judge once, whoever gave that answer.

Covered: an answer by a principle, or by none; several draws of a question, whose share of yes counts; verdicts that
cannot be read, which are none. Not covered: what is asked for, which stands in the judge's folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import NamedTuple

from amendment.constitutions import Drawn as DrawnPrinciple
from amendment.errors import Paused, Transient
from amendment.preference import Judge, JudgeSettings, load_judge_folder
from amendment.records import Candidate, Prompt, Verdict
from amendment.stages.contract import Context, JudgeEntry

__all__ = ["Check", "Checks", "ask_checks"]


class Check(NamedTuple):
    """An answer, and the principle that it is held against; None for a question without one."""

    prompt: Prompt
    answer: Candidate
    principle: DrawnPrinciple | None = None

    @property
    def key(self) -> tuple[str, str | None]:
        """Equal for equal questions."""
        return self.answer.id, self.principle.id if self.principle else None


Checks = dict[tuple[str, str | None], float | None]
"""By `Check.key` the share of yes; None where no verdict could be read."""


def ask_checks(context: Context, title: str, entry: JudgeEntry, checks: Iterable[Check]) -> Checks:
    """Ask them all. Raises Paused where a passing fault of the judge's server outlasts its attempts."""
    judge = Judge(
        folder=load_judge_folder(entry.protocol, base=context.base),
        model=context.model(entry.model),
        constitutions=context.constitutions,
        settings=JudgeSettings(principles_per_pair="all"),  # so that the principle stands last in a shared prefix
        samples=entry.samples,
        seed=context.config.seed,
    )
    asked = {one.key: one for one in checks}

    async def work(check: Check) -> float | None:
        return _share_of_yes(await judge.answer_verdicts(check.prompt, check.answer, by=[check.principle]))

    try:
        found = context.each(title, list(asked.values()), work, models=[judge.model])
    except Transient as fault:
        raise Paused(f"evaluate: {fault}; run again to go on") from fault
    return dict(zip(asked, found, strict=True))


def _share_of_yes(verdicts: Iterable[Verdict]) -> float | None:
    read = [float(bool(one.value)) for one in verdicts if one.invalid is None]
    return fmean(read) if read else None
