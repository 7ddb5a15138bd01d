"""Several judges: a jury is asked together, and the next judges where the first are unsure.

A jury is of raters and not of calls: each is aggregated by itself first, over its orders and principles; who could not
be read abstains. It comes to the mean of its members, to their majority (see `aggregate`), or to members weighed on
comparisons that people have decided (`weighted`), which takes all comparisons of a run.

Not covered: whether the jury is right, and what its members have in common, which no way of counting makes good.
"""

from __future__ import annotations

import math
from array import array
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from amendment.errors import ConfigError
from amendment.preference.aggregate import Vote, majority_of
from amendment.records import Judgement, Verdict
from amendment.statistics.intervals import Floats
from amendment.statistics.sides import HALF, side_of
from amendment.statistics.stacking import stack

JuryKind = Literal["mean", "majority", "weighted"]
FEWEST_LABELS = 30
"""Comparisons that people and judges decided, without which judges are not weighed."""

Aggregate = Callable[[Sequence[Verdict]], Judgement]
"""The judgement of one comparison's verdicts, over orders, principles and raters."""


class JuryResult(NamedTuple):
    """What a jury says of one comparison."""

    judgement: Judgement
    by_rater: dict[str, Judgement]
    """Of each rater that was asked, by its verdicts alone."""

    @property
    def p_by_rater(self) -> dict[str, float | None]:
        """P(a) of each rater that was asked; None where it abstains."""
        return {rater: judgement.p_a for rater, judgement in self.by_rater.items()}


def jury_result(verdicts: Sequence[Verdict], aggregate: Aggregate, kind: JuryKind) -> JuryResult:
    """One comparison's verdicts by a jury; a `weighted` one has the mean here, until `JuryVotes` has all comparisons.

    Raises ValueError for verdicts of different comparisons.
    """
    judgement = aggregate(verdicts)
    by_rater: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_rater[verdict.rater].append(verdict)
    if len(by_rater) == 1:
        return JuryResult(judgement, dict.fromkeys(by_rater, judgement))
    result = JuryResult(judgement, {rater: aggregate(by_rater[rater]) for rater in sorted(by_rater)})
    if kind != "majority":
        return result
    votes = (Vote.of(p) for p in result.p_by_rater.values() if p is not None)
    return result._replace(judgement=with_p(judgement, majority_of(votes), result.p_by_rater))


def with_p(judgement: Judgement, p_a: float | None, p_by_rater: Mapping[str, float | None]) -> Judgement:
    """The judgement with the jury's P in place of the mean, named after the raters that did not abstain.

    A principle decided it only where the jury stands on the side of the mean, which is that principle's.
    """
    is_same_side = p_a is not None and judgement.p_a is not None and side_of(p_a) == side_of(judgement.p_a) != 0
    raters = tuple(sorted(rater for rater, p in p_by_rater.items() if p is not None))
    decisive = judgement.decisive if is_same_side else None
    return judgement.model_copy(update={"p_a": p_a, "raters": raters, "decisive": decisive})


class JuryVotes:
    """What each rater made of each comparison of a run: a number each, and nothing else is kept."""

    def __init__(self, raters: Sequence[str]) -> None:
        self.raters = tuple(raters)
        self._p, self._labels, self._prompts = array("d"), array("d"), array("q")
        self._codes: dict[str, int] = {}
        self.weights: dict[str, float] = {}
        """By rater, once `weighted` has weighed them."""

    def add(self, prompt_id: str, p_by_rater: Mapping[str, float | None], label: float | None = None) -> None:
        """Keep a comparison: P(a) by rater, and people's P(a) where they have decided it."""
        for rater in self.raters:
            p = p_by_rater.get(rater)
            self._p.append(math.nan if p is None else p)
        self._labels.append(math.nan if label is None else label)
        self._prompts.append(self._codes.setdefault(prompt_id, len(self._codes)))

    def rows(self) -> Iterator[dict[str, float | None]]:
        """P(a) by rater of one comparison after another; None where a rater was not asked or abstained."""
        for row in self._table.tolist():
            yield {rater: None if math.isnan(p) else p for rater, p in zip(self.raters, row, strict=True)}

    def weighted(self) -> list[float | None]:
        """P(a) of each comparison by the raters weighed on labels; None where every rater abstained.

        Raises ConfigError where people have decided too few of the comparisons.
        """
        p, labels, prompts = self._table, np.asarray(self._labels), np.asarray(self._prompts)
        has_votes = np.asarray((~np.isnan(p)).any(axis=1))
        known = ~np.isnan(labels) & has_votes
        refuse_few_labels(int(known.sum()), prompts=len(set(prompts[known].tolist())))
        stacked = stack(p, np.where(known, labels, np.nan), prompts.tolist())
        self.weights = dict(zip(self.raters, stacked.weights.tolist(), strict=True))
        return [value if judged else None for value, judged in zip(stacked.p.tolist(), has_votes.tolist(), strict=True)]

    def agreement(self) -> dict[tuple[str, str], tuple[float, int]]:
        """By two raters, the share of comparisons on which they say the same, and of how many: those on which both
        voted. Two that never met are left out."""
        votes, given = self._sides()
        found: dict[tuple[str, str], tuple[float, int]] = {}
        for one, other in combinations(range(len(self.raters)), 2):
            both = given[:, one] & given[:, other]
            if both.any():
                share = float((votes[both, one] == votes[both, other]).mean())
                found[self.raters[one], self.raters[other]] = (share, int(both.sum()))
        return found

    def unanimous(self) -> tuple[int, int]:
        """Comparisons on which all who voted say the same, and comparisons with two votes at least. A single vote
        agrees with nobody."""
        votes, given = self._sides()
        several = given.sum(1) >= 2
        low, high = np.where(given, votes, 2).min(1), np.where(given, votes, -2).max(1)
        return int((several & (low == high)).sum()), int(several.sum())

    @property
    def _table(self) -> Floats:
        """P(a), a row per comparison and a column per rater; nan where a rater was not asked or abstained."""
        return np.asarray(self._p).reshape(-1, len(self.raters))

    def _sides(self) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Each vote as a side, and whether there is one."""
        p = self._table
        return np.select([p > 0.5 + HALF, p < 0.5 - HALF], [1, -1], 0).astype(np.int8), ~np.isnan(p)


def refuse_few_labels(labelled: int, *, prompts: int) -> None:
    """Raises ConfigError where judges cannot be weighed on so few comparisons that people have decided."""
    if labelled >= FEWEST_LABELS and prompts >= 2:
        return
    raise ConfigError(
        f"jury: weighted learns from comparisons that people have decided and the judges have judged; found {labelled} "
        f"of {prompts} prompts, expected {FEWEST_LABELS} at least, of two prompts or more: label more under verdicts, "
        "with judging.judge_labelled: true, or take jury: mean"
    )


class Escalation(NamedTuple):
    """Where a comparison came to rest, of several tiers of judges."""

    judgement: Judgement
    """Of the last tier asked that could be read; of the last asked where none could."""
    tier: int
    """Whose judgement that is, counted from 0, the cheapest."""
    is_for_people: bool
    """No tier was confident."""
    judgements: tuple[Judgement, ...]
    """Of every tier that was asked, the cheapest first."""


async def escalate(tiers: Sequence[Callable[[], Awaitable[Judgement]]], confidence: float) -> Escalation:
    """Ask one tier after another until one is confident: |2 p_a - 1| >= `confidence`, from 0 to 1.

    A tier that could not be read is not confident.
    """
    judgements: list[Judgement] = []
    for ask in tiers:
        judgements.append(await ask())
        if _is_confident(judgements[-1], confidence):
            break
    read = [tier for tier, judgement in enumerate(judgements) if judgement.p_a is not None]
    tier = read[-1] if read else len(judgements) - 1
    is_for_people = not _is_confident(judgements[-1], confidence)
    return Escalation(judgements[tier], tier, is_for_people, tuple(judgements))


def _is_confident(judgement: Judgement, confidence: float) -> bool:
    """By |2 P - 1|, and `HALF` more, since rounding may have lowered it."""
    return judgement.p_a is not None and abs(2 * judgement.p_a - 1) + HALF >= confidence
