"""Each policy's answers beside those of the first, as a judge sees them in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pydantic import Field

from amendment.errors import Paused, Transient
from amendment.pipeline.context import Context
from amendment.pipeline.runfile.config import EvaluateStage
from amendment.pipeline.stages.draws import Drawn
from amendment.preference import Judge, JudgeSettings, judge_together, load_judge_folder
from amendment.records import Candidate, Comparison, Record
from amendment.statistics import clustered_mean

__all__ = ["COMPARISONS", "Answers", "PolicyComparison", "compared_policies", "win_rates"]

COMPARISONS = "evaluate/comparisons"
Answers = dict[str, list[Drawn]]
"""By policy, one entry per draw in the same order."""


class PolicyComparison(Record):
    """An answer of one policy beside the first policy's to the same question, as the judge sees them."""

    policy: str
    against: str
    prompt_id: str
    sample: int
    answer: str
    """Candidate id of the policy's answer."""
    other: str
    """That of the first policy's; the same id where both said the same, which is a tie that no judge is asked about."""
    p: float = Field(ge=0, le=1)
    """P(the policy's answer is better)."""
    principle_ids: tuple[str, ...] = ()
    """By which the judge was asked."""

    @property
    def comparison(self) -> Comparison:
        return Comparison(self.prompt_id, *sorted((self.answer, self.other)))


class _Bout(NamedTuple):
    """Two policies' draws of one question."""

    ours: Drawn
    theirs: Drawn

    def ended_in(self, outcome: str) -> bool:
        """Whether one of the two ended so."""
        return outcome in (self.ours.ending.outcome, self.theirs.ending.outcome)

    @property
    def is_fought(self) -> bool:
        """Whether there are two answers to compare."""
        return self.ours.answer is not None and self.theirs.answer is not None

    @property
    def answers(self) -> tuple[Candidate, Candidate]:
        """Both, where there are two."""
        assert self.ours.answer is not None
        assert self.theirs.answer is not None
        return self.ours.answer, self.theirs.answer


def win_rates(answers: Answers, compared: Sequence[PolicyComparison]) -> dict[str, Any]:
    """P(the policy's answer is better than the first policy's), judged in both orders; equal answers are ties."""
    first, *others = answers
    table = {}
    for name in others:
        bouts = _bouts(answers, name)
        fought = [bout for bout in bouts if bout.is_fought]
        read = [one for one in compared if one.policy == name]
        rate = clustered_mean([one.p for one in read], [one.prompt_id for one in read])
        table[f"{name} against {first}"] = {
            **rate.to_json(),
            **_left_out(bouts, fought),
            "unread": len(fought) - len(read),
        }
    return table


def _bouts(answers: Answers, name: str) -> list[_Bout]:
    return [_Bout(*pair) for pair in zip(answers[name], next(iter(answers.values())), strict=True)]


def _left_out(bouts: Sequence[_Bout], fought: Sequence[_Bout]) -> dict[str, int]:
    """Draws on which there was nothing to compare, and on how many of them one of the policies refused."""
    refused = sum(bout.ended_in("refused") for bout in bouts)
    return {"draws": len(bouts), "refused": refused, "other unanswered": len(bouts) - len(fought) - refused}


def compared_policies(context: Context, stage: EvaluateStage, answers: Answers) -> list[PolicyComparison]:
    """What the judge makes of each policy's answers beside the first one's, where it could be read."""
    assert stage.judge is not None
    judge = Judge(
        folder=load_judge_folder(stage.judge.protocol, base=context.base),
        model=context.model(stage.judge.model),
        constitutions=context.constitutions,
        settings=JudgeSettings(principles_per_pair=stage.principles),
        samples=stage.judge.samples,
        seed=context.config.seed,
    )
    first, *others = answers
    found: list[PolicyComparison] = []
    for name in others:
        fought = [bout for bout in _bouts(answers, name) if bout.is_fought]
        ruled = zip(fought, _rulings(context, judge, fought), strict=True)
        found += [_comparison(name, first, bout, ruling) for bout, ruling in ruled if ruling]
    return found


class _Ruling(NamedTuple):
    """P(our answer is better), and the principles by which that was asked."""

    p: float
    principle_ids: tuple[str, ...] = ()


def _comparison(name: str, first: str, bout: _Bout, ruling: _Ruling) -> PolicyComparison:
    our, their = bout.answers
    draw = bout.ours.draw
    return PolicyComparison(
        policy=name,
        against=first,
        prompt_id=draw.prompt.id,
        sample=draw.sample,
        answer=our.id,
        other=their.id,
        **ruling._asdict(),
    )


def _rulings(context: Context, judge: Judge, bouts: Sequence[_Bout]) -> list[_Ruling | None]:
    async def work(bout: _Bout) -> _Ruling | None:
        our, their = bout.answers
        if our.id == their.id:
            return _Ruling(0.5)
        found = await judge.verdicts(bout.ours.draw.prompt, our, their)
        together = judge_together(found, orders="both", disagreement="mean")
        if together.p_a is None:
            return None
        return _Ruling(together.p_a if together.a == our.id else 1 - together.p_a, together.principle_ids)

    try:
        return context.each("comparing policies", bouts, work, models=[judge.model])
    except Transient as fault:
        raise Paused(f"evaluate: {fault}; run again to go on") from fault
