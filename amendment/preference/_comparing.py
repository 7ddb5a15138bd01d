"""What a schedule of comparisons knows while it runs: who was asked, who won, how strong they seem."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import NamedTuple

import numpy as np

from amendment.llm.concurrency import flow
from amendment.statistics import Posterior, posterior
from amendment.statistics.sides import side_of

__all__ = ["ALL_TIED", "Compare", "Comparing", "Made", "Ranked", "Two"]

Compare = Callable[[str, str], Awaitable[float | None]]
"""P(first is better) of two candidates, by id; None where the answer could not be read. The smaller id is first."""
Two = tuple[str, str]
"""Two ids, the smaller one first."""
ALL_TIED = "all tied"
"""The note of a ranking that found no difference: it has no order, no best and no worst."""
SPREAD = 2.0
"""Standard deviation of strengths, in log-odds, before anything was asked."""


class Made(NamedTuple):
    """A comparison that was made."""

    first: str
    second: str
    p_first: float | None
    """None where the answer could not be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranked:
    """What a schedule found out about candidates, by id."""

    order: tuple[str, ...] | None
    """All of them, best first; None where the schedule does not tell, or could not read what it takes."""
    best: str | None
    worst: str | None
    comparisons: tuple[Made, ...]
    """In the order of ids, each pair once, unreadable ones included: what the ranking has cost."""
    theta: dict[str, float] = field(default_factory=dict)
    """Strengths in log-odds, shrunk towards 0; of a candidate without a readable comparison: 0."""
    p_best: float | None = None
    """P(`best` is the strongest), from schedules that weigh it."""
    notes: tuple[str, ...] = ()
    """Why something is not determined, or rests on less than it should; of answers that are all ties: `all tied`."""


class Comparing:
    """The comparisons of one ranking."""

    def __init__(self, candidates: Iterable[str], compare: Compare) -> None:
        given = list(candidates)
        self.ids = sorted(set(given))
        if not given or len(given) != len(self.ids):
            raise ValueError(f"expected different candidates, found {len(given)} with {len(self.ids)} different ids")
        self._compare = compare
        self._answers: dict[Two, float | None] = {}

    async def ask(self, pairs: Sequence[Two]) -> None:
        """Compare these, all at once. ValueError for an answer that is no probability."""
        answers = await flow(pairs, self._answered, window=max(len(pairs), 1))
        self._answers.update(zip(pairs, answers, strict=True))

    async def _answered(self, pair: Two) -> float | None:
        p = await self._compare(*pair)
        if p is not None and not 0 <= p <= 1:  # nan as well
            raise ValueError(f"expected P(first is better) from 0 to 1, or None, found {p}")
        return p

    @property
    def n_asked(self) -> int:
        return len(self._answers)

    def was_asked(self, pair: Two) -> bool:
        return pair in self._answers

    def unasked(self) -> list[Two]:
        return [pair for pair in combinations(self.ids, 2) if pair not in self._answers]

    def winner(self, pair: Two) -> str | None:
        """The smaller id of a tie; None where the answer could not be read."""
        p = self._answers.get(pair)
        return None if p is None else pair[int(side_of(p) < 0)]

    def are_all_ties(self) -> bool:
        """Whether there are answers that could be read, and none of them prefers a candidate."""
        read = [p for p in self._answers.values() if p is not None]
        return bool(read) and not any(map(side_of, read))

    def wins(self) -> list[Two]:
        """Winner and loser of all comparisons that could be read."""
        named = [(pair, self.winner(pair)) for pair in self._answers]
        return [(pair if won == pair[0] else pair[::-1]) for pair, won in named if won is not None]

    def shuffled(self, seed: int) -> list[str]:
        """The candidates in an order that depends on ids and seed alone."""
        found = list(self.ids)
        random.Random(seed).shuffle(found)  # noqa: S311
        return found

    def reaches_all(self, start: str, arrows: Iterable[Two]) -> bool:
        """Whether a path leads from one candidate to each other one."""
        after: dict[str, list[str]] = {}
        for tail, head in arrows:
            after.setdefault(tail, []).append(head)
        seen, waiting = {start}, [start]
        while waiting:
            new = [name for name in after.get(waiting.pop(), ()) if name not in seen]
            seen.update(new)
            waiting.extend(new)
        return len(seen) == len(self.ids)

    def is_connected(self) -> bool:
        """Whether readable comparisons connect all candidates, whoever won."""
        wins = self.wins()
        return self.reaches_all(self.ids[0], [*wins, *((loser, winner) for winner, loser in wins)])

    def strengths(self, *, spread: float = SPREAD, weight: float = 1.0) -> Posterior:
        """Of `ids`, in their order; an answer counts as `weight` comparisons."""
        place = {name: i for i, name in enumerate(self.ids)}
        read = [(place[one], place[other], p) for (one, other), p in self._answers.items() if p is not None]
        first, second, y = (np.array(column) for column in zip(*read, strict=True)) if read else (np.zeros(0, int),) * 3
        return posterior(
            first.astype(np.intp),
            second.astype(np.intp),
            y.astype(np.float64),
            items=len(self.ids),
            spread=spread,
            weights=np.full(y.size, weight),
        )

    def by_strength(self, mean: Sequence[float]) -> list[str]:
        """Best first; equal strengths, rounding aside, in the order of ids."""
        ranked = sorted((-round(value, 9), name) for value, name in zip(mean, self.ids, strict=True))
        return [name for _, name in ranked]

    def ranked(
        self,
        *,
        order: Sequence[str] | None,
        best: str | None,
        worst: str | None,
        notes: Iterable[str] = (),
        p_best: float | None = None,
        mean: Sequence[float] | None = None,
    ) -> Ranked:
        """What was found; where all answers are ties no order and no ends, which only ids would have decided."""
        if self.are_all_ties():
            order = best = worst = p_best = None
            notes = [ALL_TIED]
        unreadable = sum(p is None for p in self._answers.values())
        told = [f"{unreadable} of {self.n_asked} comparisons could not be read"] if unreadable else []
        theta = self.strengths().mean.tolist() if mean is None else mean
        return Ranked(
            order=None if order is None else tuple(order),
            best=best,
            worst=worst,
            comparisons=tuple(Made(*pair, p) for pair, p in sorted(self._answers.items(), key=lambda item: item[0])),
            theta=dict(zip(self.ids, map(float, theta), strict=True)),
            p_best=p_best,
            notes=(*told, *notes),
        )
