"""The best of several answers by comparisons of two that are chosen as one learns.

Strengths are known as a normal distribution: a prior of standard deviation `SPREAD`, the answers under Bradley and
Terry's model, Laplace's approximation. Each comparison is the strongest of one draw from that distribution against the
strongest of another (top-two Thompson sampling, Russo 2016), so that comparisons gather around who may be the best.
Where the draws name no pair that was not asked before, it is the pair whose difference becomes more certain than any
other's by one more answer, sqrt(V) - sqrt(V'), V' = V / (1 + p (1 - p) V) (the rule of Chatbot Arena, Chiang et al.
2024, with the variances of a posterior).

No pair is asked twice, and the same seed, candidates and answers give the same ranking. Answers that cannot be read end
nothing: what they leave open is None, and the notes say so. Not covered: win shares of what was asked, which mean
little once results have chosen what to ask.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from itertools import combinations
from typing import NamedTuple

import numpy as np

from amendment.records import Record
from amendment.statistics.intervals import Floats
from amendment.statistics.logistic import Posterior, posterior
from amendment.statistics.sides import read_side

Compare = Callable[[str, str], Awaitable[float | None]]
"""P(first is better) of two candidates, by id; None where the answer could not be read. The smaller id is first."""
ALL_TIED = "all tied"
"""The note of a ranking that found no difference: it has no order, no best and no worst."""
SPREAD = 2.0
"""Standard deviation of strengths, in log-odds, before anything was asked."""
DRAWS = 1000
"""Draws of all strengths, enough to know P(best) to about 0.015."""

_Pair = tuple[str, str]
"""Two ids, the smaller one first."""


class Ranked(NamedTuple):
    """The ranking of candidates, by id."""

    order: tuple[str, ...] | None
    """All of them, best first; None where readable comparisons do not connect them."""
    best: str | None
    """The strongest so far."""
    worst: str | None
    p_best: float | None
    """P(`best` is the strongest)."""
    comparisons: dict[_Pair, float | None]
    """P(first is better) of each pair that was asked, in the order of ids; None where it could not be read."""
    notes: tuple[str, ...]
    """The reasons why something is not determined; `all tied` where all answers are ties."""


class Ranking(Record):
    """The ranking of the candidates of one prompt."""

    prompt_id: str
    best: str | None = None
    """The candidate's id; absent where answers that could not be read leave it open, or all comparisons were ties."""
    worst: str | None = None
    order: tuple[str, ...] | None = None
    """Best first, where comparisons that could be read connect all of them."""
    p_best: float | None = None
    """P(`best` is the strongest)."""
    comparisons: int
    """Comparisons that were asked, or decided by people."""
    possible: int
    """Comparisons of every two candidates."""
    notes: tuple[str, ...] = ()


async def rank_adaptively(
    candidates: Iterable[str],
    compare: Compare,
    *,
    calls: int,
    confidence: float = 0.95,
    seed: int = 0,
    compares_ends: bool = False,
) -> Ranked:
    """Ask until P(the best is the strongest) reaches `confidence`, or `calls` comparisons are made, or no pair is left.
    `compares_ends` asks once more where the best and the worst have not met: the pair that is worth most.

    Where all answers are ties neither order nor ends are known. Raises ValueError for equal ids, and for answers that
    are no probability.
    """
    given = list(candidates)
    ids = sorted(set(given))
    if not given or len(given) != len(ids):
        raise ValueError(f"expected different candidates, found {len(given)} with {len(ids)} different ids")
    if calls < 1 or not 0 < confidence <= 1:
        raise ValueError(f"expected calls from 1 and a confidence above 0 to 1, found {calls} and {confidence}")
    answers: dict[_Pair, float | None] = {}
    random = np.random.default_rng(seed)
    while True:
        strengths = _strengths(ids, answers)
        noise = random.standard_normal((DRAWS, len(ids)))
        draws = strengths.mean + noise @ np.linalg.cholesky(strengths.covariance).T
        order = _by_strength(ids, strengths)
        p_best = float((draws.argmax(1) == ids.index(order[0])).mean())
        unasked = [pair for pair in combinations(ids, 2) if pair not in answers]
        if p_best >= confidence or len(answers) >= calls or not unasked:
            break
        pair = _contenders(ids, draws, answers)
        if pair is None:
            shuffled = [unasked[place] for place in random.permutation(len(unasked))]  # among equals, chance
            pair = _most_uncertain(ids, strengths, shuffled)
        p = await compare(*pair)
        if p is not None and not 0 <= p <= 1:  # nan as well
            raise ValueError(f"expected P(first is better) from 0 to 1, or None, found {p}")
        answers[pair] = p
    ranked = _ranked(ids, answers, order, p_best, confidence)
    if compares_ends and ranked.best and ranked.worst and ranked.best != ranked.worst:
        first, second = sorted((ranked.best, ranked.worst))
        if (first, second) not in answers:
            ranked.comparisons[first, second] = await compare(first, second)
    return ranked


def _strengths(ids: list[str], answers: dict[_Pair, float | None]) -> Posterior:
    place = {name: i for i, name in enumerate(ids)}
    read = [(place[first], place[second], p) for (first, second), p in answers.items() if p is not None]
    columns = np.array(read, np.float64).reshape(-1, 3).T
    first, second = columns[:2].astype(np.intp)
    return posterior(first, second, columns[2], items=len(ids), spread=SPREAD)


def _by_strength(ids: list[str], strengths: Posterior) -> list[str]:
    """Best first; equal strengths, rounding aside, in the order of ids."""
    return [name for _, name in sorted((-round(mean, 9), name) for mean, name in zip(strengths.mean, ids, strict=True))]


def _contenders(ids: list[str], draws: Floats, answers: dict[_Pair, float | None]) -> _Pair | None:
    """Return the first two draws in a row whose strongest differ and have not met; None where there are no such
    draws."""
    strongest = draws.argmax(1).tolist()
    for i, j in zip(strongest[::2], strongest[1::2], strict=True):
        pair = (ids[min(i, j)], ids[max(i, j)])
        if i != j and pair not in answers:
            return pair
    return None


def _most_uncertain(ids: list[str], strengths: Posterior, pairs: list[_Pair]) -> _Pair:
    """Return the pair whose own uncertainty one answer would lower most."""
    i, j = np.array([[ids.index(first), ids.index(second)] for first, second in pairs], np.intp).T
    covariance = strengths.covariance
    variance = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
    information = 1 / (2 + 2 * np.cosh(strengths.mean[i] - strengths.mean[j]))  # p (1 - p)
    gain = np.sqrt(variance) * (1 - 1 / np.sqrt(1 + information * variance))
    return pairs[int(np.argmax(np.round(gain, 12)))]


def _ranked(
    ids: list[str], answers: dict[_Pair, float | None], order: list[str], p_best: float, confidence: float
) -> Ranked:
    unreadable = sum(p is None for p in answers.values())
    notes = [f"{unreadable} of {len(answers)} comparisons could not be read"] if unreadable else []
    read = {pair: p for pair, p in answers.items() if p is not None}
    in_order = dict(sorted(answers.items()))
    if read and not any(map(read_side, read.values())):
        return Ranked(None, None, None, None, in_order, (*notes, ALL_TIED))
    if p_best < confidence:
        notes.append(f"stopped at P(best) = {p_best:.2f}, below {confidence:g}")
    is_connected = _is_connected(ids, read)
    if not is_connected:
        notes.append("comparisons that could be read do not connect all candidates: no order")
    best = order[0] if read or len(ids) == 1 else None
    worst = order[-1] if is_connected else None
    return Ranked(tuple(order) if is_connected else None, best, worst, p_best, in_order, tuple(notes))


def _is_connected(ids: list[str], pairs: Iterable[_Pair]) -> bool:
    """Return True where pairs connect all candidates, directly or through others."""
    group = {name: {name} for name in ids}
    for first, second in pairs:
        joined = group[first] | group[second]
        group |= dict.fromkeys(joined, joined)
    return len(group[ids[0]]) == len(ids)
