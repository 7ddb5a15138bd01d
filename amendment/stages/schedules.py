"""Which two candidates of a prompt are compared: every two, or those that an adaptive ranking asks for.

Promised: the same answers lead to the same comparisons, whichever came back first; what comes out stands in the order
of the pool. A comparison that people have decided is not asked, and its decision counts in a ranking.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from amendment.llm.concurrency import flow
from amendment.preference import Pool, rank_adaptively
from amendment.records import Comparison, Prompt, Record
from amendment.stages.configs import JudgingStage
from amendment.stages.judge_panel import Judged, JudgePanel, Two

__all__ = ["Ranking", "Schedule", "Scheduled"]


class Ranking(Record):
    """What a ranking found among the candidates of one prompt."""

    prompt_id: str
    best: str | None = None
    """The candidate's id; absent where answers that could not be read leave it open, or all comparisons were ties."""
    worst: str | None = None
    order: tuple[str, ...] | None = None
    """Best first, where comparisons that could be read connect all of them."""
    p_best: float | None = None
    """P(`best` is the strongest)."""
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

    async def follow(self, prompt: Prompt, pool: Pool, panel: JudgePanel) -> Scheduled:
        """Ask what is to be asked about a prompt with two candidates or more; in a plan, all that may have to be."""
        open_pairs = [two for two in pool.pairs() if not self.is_decided(two)]
        if self._stage.ranking == "adaptive":
            if not panel.asks_most:
                return await self._ranked(prompt, pool, panel)
            open_pairs = open_pairs[: self._most(pool) + 1]  # and the best with the worst
        return Scheduled(await flow(open_pairs, partial(panel.compare, prompt), window=self._window))

    def _most(self, pool: Pool) -> int:
        """Comparisons of an adaptive ranking: what the run file says, or two for each candidate."""
        return self._stage.comparisons_per_prompt or 2 * len(pool.candidates)

    async def _ranked(self, prompt: Prompt, pool: Pool, panel: JudgePanel) -> Scheduled:
        pairs = {Comparison.between(*two): two for two in pool.pairs()}
        judged: dict[Comparison, Judged] = {}

        async def compare(first: str, second: str) -> float | None:
            comparison = Comparison(prompt.id, first, second)
            if comparison.id in self._decided:
                return self._decided[comparison.id]
            judged[comparison] = await panel.compare(prompt, pairs[comparison])
            if judged[comparison].ending.outcome == "pending":
                raise _Stopped
            return judged[comparison].p_a

        ranking = None
        with suppress(_Stopped):
            ids = [candidate.id for candidate in pool.candidates]
            ranked = await rank_adaptively(ids, compare, calls=self._most(pool), seed=self._seed)
            asked = set(ranked.comparisons)
            if ranked.best and ranked.worst and ranked.best != ranked.worst:
                first, second = sorted((ranked.best, ranked.worst))
                if (first, second) not in asked:  # the pair that is worth most
                    await compare(first, second)
                    asked.add((first, second))
            ranking = Ranking(
                prompt_id=prompt.id,
                best=ranked.best,
                worst=ranked.worst,
                order=ranked.order,
                p_best=ranked.p_best,
                comparisons=len(asked),
                possible=len(pairs),
                notes=ranked.notes,
            )
        return Scheduled([judged[comparison] for comparison in pairs if comparison in judged], ranking)
