"""Which comparisons a schedule asks, by judges whose answers are known."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import pytest

from amendment.llm.answers import Ending
from amendment.preference import Pool, pool_of
from amendment.records import Candidate, Comparison, Judgement, Message, Prompt, text_of, user
from amendment.stages.configs import JudgingStage
from amendment.stages.contract import JudgeEntry
from amendment.stages.judge_panel import Judged, Two
from amendment.stages.schedules import Schedule, Scheduled

PROMPT = Prompt(messages=user("how much"))
RankingKind = Literal["all_pairs", "adaptive"]


def pool(count: int) -> Pool:
    return pool_of(
        Candidate(
            prompt_id=PROMPT.id, messages=(Message(role="assistant", content=f"answer {number}"),), kind="imported"
        )
        for number in range(count)
    )


def worth(candidate: Candidate) -> int:
    return int(text_of(candidate.messages).split()[1])


class Even:
    """Says tie to everything."""

    asks_most = False

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def compare(self, prompt: Prompt, two: Two) -> Judged:
        comparison = Comparison.between(*two)
        self.asked.append(comparison.id)
        return Judged(comparison, [], Ending("done"), Judgement(**comparison._asdict(), p_a=0.5))


class Sure:
    """Prefers the answer with the larger number; some comparisons are pending."""

    asks_most = False

    def __init__(self, pending: frozenset[str] = frozenset()) -> None:
        self.asked: list[str] = []
        self._pending = pending

    async def compare(self, prompt: Prompt, two: Two) -> Judged:
        comparison = Comparison.between(*two)
        self.asked.append(comparison.id)
        if comparison.id in self._pending:
            return Judged(comparison, [], Ending("pending", "away"))
        best = max(two, key=worth)
        p_a = 0.9 if comparison.a == best.id else 0.1
        return Judged(comparison, [], Ending("done"), Judgement(**comparison._asdict(), p_a=p_a))


def followed(ranking: RankingKind, judge: Sure | Even, decided: dict[str, float], found: Pool) -> Scheduled:
    stage = JudgingStage(judges=(JudgeEntry(model="m"),), ranking=ranking)
    schedule = Schedule(stage, decided, seed=1, window=8)
    panel: Any = judge
    return asyncio.run(schedule.follow(PROMPT, found, panel))


def test_what_people_decided_is_not_asked_and_counts_in_the_ranking() -> None:
    found = pool(5)
    first, *_, last = found.candidates
    comparisons = {Comparison.between(*two): two for two in found.pairs()}
    # People say that the answer that the judge likes least is better than every other one.
    decided = {one.id: float(one.a == first.id) for one, two in comparisons.items() if first in two}
    judge = Sure()
    ranked = followed("adaptive", judge, decided, found).ranking
    assert not set(judge.asked) & set(decided)
    assert ranked is not None
    assert ranked.best == first.id
    assert ranked.worst != last.id
    assert ranked.possible == 10


def test_every_two_are_asked_once_but_those_that_people_decided() -> None:
    found = pool(4)
    decided = {Comparison.between(*two).id: 0.5 for two in found.pairs()[:2]}
    judge = Sure()
    judged = followed("all_pairs", judge, decided, found).judged
    assert [one.comparison for one in judged] == [Comparison.between(*two) for two in found.pairs()[2:]]


def test_a_pending_comparison_ends_the_ranking_and_stands_as_pending() -> None:
    found = pool(6)
    judge = Sure(frozenset(Comparison.between(*two).id for two in found.pairs()))
    scheduled = followed("adaptive", judge, {}, found)
    assert scheduled.ranking is None
    assert {one.ending.outcome for one in scheduled.judged} == {"pending"}
    assert len(judge.asked) == 1


def test_a_sure_judge_finds_the_best_and_the_worst_is_compared_with_it() -> None:
    found = pool(8)
    scheduled = followed("adaptive", Sure(), {}, found)
    assert scheduled.ranking is not None
    order = [Comparison.between(*two) for two in found.pairs()]
    places = [order.index(one.comparison) for one in scheduled.judged]
    assert places == sorted(places), "in the order of the pool"
    assert scheduled.ranking.best == max(found.candidates, key=worth).id
    ends = {scheduled.ranking.best, scheduled.ranking.worst}
    if None not in ends:
        assert any({one.comparison.a, one.comparison.b} == ends for one in scheduled.judged)


@pytest.mark.parametrize("count", [2, 4, 7])
def test_a_judge_that_sees_no_difference_ranks_nobody_and_is_not_asked_about_ends(count: int) -> None:
    judge = Even()
    ranked = followed("adaptive", judge, {}, pool(count)).ranking
    assert ranked is not None
    assert (ranked.best, ranked.worst, ranked.order, ranked.p_best) == (None, None, None, None)
    assert ranked.notes == ("all tied",)
    assert ranked.comparisons == len(judge.asked)


def test_one_decision_by_people_is_enough_for_a_best_and_a_worst() -> None:
    found = pool(2)
    (two,) = found.pairs()
    ranked = followed("adaptive", Even(), {Comparison.between(*two).id: 1.0}, found).ranking
    assert ranked is not None
    assert (ranked.best, ranked.worst) == (Comparison.between(*two).a, Comparison.between(*two).b)
