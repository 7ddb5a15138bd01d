"""Which two candidates of a prompt are compared, and in which order: every two, or those that a ranking asks for.

Promised: the same answers lead to the same comparisons, whichever came back first; what comes out stands in the order
of the pool. A comparison that people have decided is not asked, and its decision counts in a ranking.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

from amendment.llm.concurrency import flow
from amendment.preference import Compare, Pool, Ranked, knock_out, merge_sort, rank_adaptively
from amendment.records import Comparison, Record
from amendment.stages.bench import Hearing, Judged, Two
from amendment.stages.configs import JudgingStage

__all__ = ["Ranking", "Schedule", "Scheduled"]


class Ranking(Record):
    """What a ranking found among the candidates of one prompt."""

    prompt_id: str
    best: str | None = None
    """The candidate's id; absent where answers that could not be read leave it open, or all comparisons were ties."""
    worst: str | None = None
    order: tuple[str, ...] | None = None
    """Best first, where the ranking tells the whole order."""
    p_best: float | None = None
    """P(`best` is the strongest), of an adaptive ranking."""
    comparisons: int
    """That were asked, or decided by people."""
    possible: int
    """Every two candidates."""
    notes: tuple[str, ...] = ()


class Scheduled(NamedTuple):
    """What was asked about a prompt, in the order of its pool."""

    judged: list[Judged]
    ranking: Ranking | None = None


class _Stopped(Exception):
    """A comparison is pending: what would be asked next depends on it."""


class Schedule:
    """The comparisons of a stage's prompts."""

    def __init__(self, stage: JudgingStage, decided: Mapping[str, float], *, seed: int, window: int) -> None:
        """`decided` has P(a) of comparisons that are not asked, by their ids; `window` of them are asked at once."""
        self._stage = stage
        self._decided = decided
        self._seed = seed
        self._window = window

    def is_decided(self, two: Two) -> bool:
        return Comparison.between(*two).id in self._decided

    async def follow(self, pool: Pool, hearing: Hearing, *, asks_most: bool) -> Scheduled:
        """Ask what is to be asked about a prompt with two candidates or more; all that may have to be, `asks_most`."""
        open_pairs = [two for two in pool.pairs() if not self.is_decided(two)]
        if self._stage.ranking == "all_pairs":
            return Scheduled(await flow(open_pairs, hearing.settle, window=self._window))
        if asks_most:
            some = open_pairs[: self._most(len(pool.candidates))]
            return Scheduled(await flow(some, hearing.settle, window=self._window))
        return await self._rank(pool, hearing)

    def _most(self, k: int) -> int:
        """Comparisons of k candidates at most, with the one of the best and the worst."""
        bounds = {
            "knockout": math.ceil(1.5 * k) - 2,
            "merge_sort": k * math.ceil(math.log2(k)),
            "adaptive": self._cap(k),
        }
        return bounds[self._stage.ranking] + 1

    def _cap(self, k: int) -> int:
        """Of an adaptive ranking: what the run file says, or two for each candidate."""
        return self._stage.comparisons_per_prompt or 2 * k

    async def _rank(self, pool: Pool, hearing: Hearing) -> Scheduled:
        by_id = {candidate.id: candidate for candidate in pool.candidates}
        pairs = {Comparison.between(*two): two for two in combinations(pool.candidates, 2)}
        judged: dict[Comparison, Judged] = {}

        async def compare(first: str, second: str) -> float | None:
            comparison = Comparison(pool.candidates[0].prompt_id, first, second)
            if comparison.id in self._decided:
                return self._decided[comparison.id]
            judged[comparison] = await hearing.settle(pairs[comparison])
            if judged[comparison].ending.outcome == "pending":
                raise _Stopped
            return judged[comparison].p_a

        ranking = None
        try:
            ranked = await self._ranked(list(by_id), compare)
            made = {(one.first, one.second) for one in ranked.comparisons}
            if (ends := _ends(ranked)) and ends not in made:
                await compare(*ends)
                made.add(ends)
            ranking = _ranking(pool, ranked, len(made))
        except _Stopped:
            pass
        return Scheduled([judged[comparison] for comparison in pairs if comparison in judged], ranking)

    async def _ranked(self, ids: list[str], compare: Compare) -> Ranked:
        if self._stage.ranking == "knockout":
            return await knock_out(ids, compare, seed=self._seed)
        if self._stage.ranking == "merge_sort":
            return await merge_sort(ids, compare, seed=self._seed)
        return await rank_adaptively(ids, compare, calls=self._cap(len(ids)), seed=self._seed)


def _ends(ranked: Ranked) -> tuple[str, str] | None:
    """The best and the worst, whose pair is worth most; None where they are not known, or all answers tie."""
    if ranked.best is None or ranked.worst is None or ranked.best == ranked.worst:
        return None
    return (ranked.best, ranked.worst) if ranked.best < ranked.worst else (ranked.worst, ranked.best)


def _ranking(pool: Pool, ranked: Ranked, comparisons: int) -> Ranking:
    return Ranking(
        prompt_id=pool.candidates[0].prompt_id,
        best=ranked.best,
        worst=ranked.worst,
        order=ranked.order,
        p_best=ranked.p_best,
        comparisons=comparisons,
        possible=math.comb(len(pool.candidates), 2),
        notes=ranked.notes,
    )
