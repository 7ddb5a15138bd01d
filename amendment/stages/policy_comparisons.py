"""Two policies' answers to the same questions, as a judge sees them in both orders.

Covered: every two policies that the run file names; a comparison of equal answers is a tie that nobody is asked about,
and one that several matchups hold is asked once; win rates with intervals clustered by prompt, and beside each what it
would be at equal lengths (see `statistics.length_control`). Not covered: whether the judge is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import Field

from amendment.errors import Paused, Transient
from amendment.preference import Judge, JudgeSettings, aggregate_verdicts, load_judge_folder
from amendment.records import Candidate, Comparison, Record, text_of
from amendment.stages.candidates import Drawn
from amendment.stages.config_evaluation import EvaluateStage
from amendment.stages.contract import Context
from amendment.statistics import share
from amendment.statistics.length_control import length_controlled

__all__ = ["COMPARISONS", "Answers", "PolicyComparison", "compared_policies", "matchup_name", "win_rates"]

COMPARISONS = "evaluate/comparisons"
Answers = dict[str, list[Drawn]]
"""By policy, one entry per draw in the same order."""
Matchup = tuple[str, str]
"""The policy whose win rate it is, and the one that it is against."""


class PolicyComparison(Record):
    """An answer of one policy beside another policy's to the same question, as the judge sees them."""

    policy: str
    against: str
    prompt_id: str
    sample: int
    answer: str
    """Candidate id of the policy's answer."""
    other: str
    """That of the policy it is against; the same id where both said the same, which is a tie that no judge is asked
    about."""
    p: float = Field(ge=0, le=1)
    """P(the policy's answer is better)."""
    principle_ids: tuple[str, ...] = ()
    """By which the judge was asked."""

    @property
    def comparison(self) -> Comparison:
        return Comparison(self.prompt_id, *sorted((self.answer, self.other)))

    @property
    def matchup(self) -> Matchup:
        return self.policy, self.against


def matchup_name(matchup: Matchup) -> str:
    """As summaries call it."""
    return " against ".join(matchup)


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

    @property
    def is_equal(self) -> bool:
        """Whether both said the same."""
        our, their = self.answers
        return our.id == their.id


def win_rates(
    answers: Answers, matchups: Iterable[Matchup], compared: Sequence[PolicyComparison]
) -> dict[str, dict[str, Any]]:
    """By matchup P(the policy's answer is better than the other's), judged in both orders, ties half."""
    lengths = {
        one.answer.id: len(text_of(one.answer.messages)) for found in answers.values() for one in found if one.answer
    }
    by_matchup: dict[Matchup, list[PolicyComparison]] = {}
    for one in compared:
        by_matchup.setdefault(one.matchup, []).append(one)
    return {
        matchup_name(matchup): _win_rate(_bouts(answers, matchup), by_matchup.get(matchup, []), lengths)
        for matchup in matchups
    }


def _win_rate(bouts: Sequence[_Bout], read: Sequence[PolicyComparison], lengths: Mapping[str, int]) -> dict[str, Any]:
    fought = [bout for bout in bouts if bout.is_fought]
    rate = share([one.p for one in read], [one.prompt_id for one in read])
    equal = sum(one.answer == one.other for one in read)
    return {
        **rate.to_json(),
        **_left_out(bouts, fought),
        "unread": len(fought) - len(read),
        "equal answers": equal,
        "other ties": sum(one.p == 0.5 for one in read) - equal,
        "at equal length": _at_equal_length(read, lengths),
    }


def _at_equal_length(read: Sequence[PolicyComparison], lengths: Mapping[str, int]) -> dict[str, Any]:
    """The length-controlled rate by characters of the answers, and what being longer does for an answer."""
    found = length_controlled(
        [one.p for one in read],
        [lengths[one.answer] for one in read],
        [lengths[one.other] for one in read],
        [one.prompt_id for one in read],
    )
    longer = [lengths[one.answer] - lengths[one.other] for one in read]
    told = {"longer by": round(sum(longer) / len(longer), 4), "slope": round(found.phi, 4)} if read else {}
    return {**found.controlled.to_json(), **told, **({"warning": found.warning} if found.warning else {})}


def _bouts(answers: Answers, matchup: Matchup) -> list[_Bout]:
    policy, against = matchup
    return [_Bout(*pair) for pair in zip(answers[policy], answers[against], strict=True)]


def _left_out(bouts: Sequence[_Bout], fought: Sequence[_Bout]) -> dict[str, int]:
    """Draws on which there was nothing to compare, and on how many of them one of the policies refused."""
    refused = sum(bout.ended_in("refused") for bout in bouts)
    return {"draws": len(bouts), "refused": refused, "other unanswered": len(bouts) - len(fought) - refused}


def compared_policies(context: Context, stage: EvaluateStage, answers: Answers) -> list[PolicyComparison]:
    """What the judge makes of every matchup's answers, where it could be read."""
    assert stage.judge is not None
    judge = Judge(
        folder=load_judge_folder(stage.judge.protocol, base=context.base),
        model=context.model(stage.judge.model),
        constitutions=context.constitutions,
        settings=JudgeSettings(principles_per_pair=stage.principles),
        samples=stage.judge.samples,
        seed=context.config.seed,
    )
    fought = {matchup: [bout for bout in _bouts(answers, matchup) if bout.is_fought] for matchup in stage.matchups}
    rulings = _rulings(context, judge, [bout for bouts in fought.values() for bout in bouts])
    return [
        _comparison(matchup, bout, ruling)
        for matchup, bouts in fought.items()
        for bout in bouts
        if (ruling := _EQUAL if bout.is_equal else rulings[_key(bout)])
    ]


class _Ruling(NamedTuple):
    """P(the first answer by id is better), and the principles by which that was asked."""

    p_a: float
    principle_ids: tuple[str, ...] = ()


_EQUAL = _Ruling(0.5)


def _key(bout: _Bout) -> Comparison:
    return Comparison.between(*bout.answers)


def _comparison(matchup: Matchup, bout: _Bout, ruling: _Ruling) -> PolicyComparison:
    our, their = bout.answers
    draw = bout.ours.draw
    return PolicyComparison(
        policy=matchup[0],
        against=matchup[1],
        prompt_id=draw.prompt.id,
        sample=draw.sample,
        answer=our.id,
        other=their.id,
        p=ruling.p_a if our.id <= their.id else 1 - ruling.p_a,
        principle_ids=ruling.principle_ids,
    )


def _rulings(context: Context, judge: Judge, bouts: Iterable[_Bout]) -> dict[Comparison, _Ruling | None]:
    """Each comparison of different answers once, whichever matchups it is of; None where no verdict could be read."""
    asked: dict[Comparison, _Bout] = {}
    for bout in bouts:
        if not bout.is_equal:
            asked.setdefault(_key(bout), bout)

    async def work(bout: _Bout) -> _Ruling | None:
        found = await judge.verdicts(bout.ours.draw.prompt, *bout.answers)
        together = aggregate_verdicts(found, orders="both", disagreement="mean")
        return None if together.p_a is None else _Ruling(together.p_a, together.principle_ids)

    try:
        ruled = context.each("comparing policies", list(asked.values()), work, models=[judge.model])
    except Transient as fault:
        raise Paused(f"evaluate: {fault}; run again to go on") from fault
    return dict(zip(asked, ruled, strict=True))
