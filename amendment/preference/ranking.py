"""The order of several answers, or the best and the worst of them, from comparisons of two.

Covered: three schedules that differ in what they cost for k candidates: all pairs, k (k - 1) / 2; merge sort, at most
k log2 k, for the whole order; two knock-outs that share their first round, about 1.5 k, for the best and the worst.
`adaptive` has one that goes by what it has learnt. What can be asked at once is asked at once; no pair is asked twice;
the same seed, candidates and answers give the same ranking, wherever a candidate stood in the input. Ties go to the
smaller id, but where all answers are ties nothing is named. Answers that cannot be read end no schedule: what they
leave open is None, and the notes say so.

Not covered: sorting and knock-outs believe each answer and take it for transitive; see `amendment.statistics.triads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from amendment.llm.concurrency import flow
from amendment.preference._comparing import Compare, Comparing, Ranked, Two

__all__ = ["knock_out", "merge_sort", "rank_all_pairs"]


async def rank_all_pairs(candidates: Iterable[str], compare: Compare) -> Ranked:
    """Every two candidates once, all at the same time; their strengths under Bradley and Terry's model are the order.

    ValueError, as of every schedule, for no candidates, equal ids and answers outside of 0 to 1.
    """
    comparing = Comparing(candidates, compare)
    await comparing.ask(comparing.unasked())
    mean = comparing.strengths().mean.tolist()
    if not comparing.is_connected():
        return comparing.ranked(order=None, best=None, worst=None, notes=[_open("the order")], mean=mean)
    order = comparing.by_strength(mean)
    return comparing.ranked(order=order, best=order[0], worst=order[-1], mean=mean)


async def merge_sort(candidates: Iterable[str], compare: Compare, *, seed: int = 0) -> Ranked:
    """The whole order by at most k ceil(log2 k) comparisons; all merges of a level run at the same time.

    The order stands where every two neighbours in it were compared and read, and an end of it where each other
    candidate lies on its side by what was read.
    """
    comparing = Comparing(candidates, compare)
    runs = [[name] for name in comparing.shuffled(seed)]
    while len(runs) > 1:
        couples = list(zip(runs[::2], runs[1::2], strict=False))
        alone = runs[2 * len(couples) :]
        runs = [*await flow(couples, lambda couple: _merged(comparing, *couple), window=len(couples)), *alone]
    return _sorted(comparing, runs[0])


async def _merged(comparing: Comparing, left: list[str], right: list[str]) -> list[str]:
    merged: list[str] = []
    i = j = 0
    while i < len(left) and j < len(right):
        pair = _two(left[i], right[j])
        await comparing.ask([pair])
        if (comparing.winner(pair) or pair[0]) == left[i]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return [*merged, *left[i:], *right[j:]]


def _sorted(comparing: Comparing, order: list[str]) -> Ranked:
    wins = comparing.wins()
    is_known = set(pairwise(order)) <= set(wins)
    losses = [(loser, winner) for winner, loser in wins]
    best = order[0] if comparing.reaches_all(order[0], wins) else None
    worst = order[-1] if comparing.reaches_all(order[-1], losses) else None
    notes = [] if is_known else [_open("the order")]
    return comparing.ranked(order=order if is_known else None, best=best, worst=worst, notes=notes)


async def knock_out(candidates: Iterable[str], compare: Compare, *, seed: int = 0) -> Ranked:
    """The best and the worst by at most ceil(1.5 k) - 2 comparisons: winners go on for the best, losers for the worst.

    The draw of each round follows from the seed. With an odd number one candidate passes into the next round of both.
    Two whose comparison could not be read both stay in, against others. Where answers contradict each other so that
    nobody is left, strengths decide, and a note says so.
    """
    comparing = Comparing(candidates, compare)
    top = bottom = comparing.shuffled(seed)
    while pairs := list(dict.fromkeys([*_draw(comparing, top), *_draw(comparing, bottom)])):
        await comparing.ask(pairs)
        wins, played = comparing.wins(), {name for pair in pairs for name in pair}
        winners, losers = {winner for winner, _ in wins}, {loser for _, loser in wins}
        top = _next(top, losers, played)
        bottom = _next(bottom, winners, played)
    return _ends(comparing, top, bottom)


def _draw(comparing: Comparing, names: Sequence[str]) -> list[Two]:
    """Neighbours that have not met, each in one pair."""
    pairs: list[Two] = []
    waiting: list[str] = []
    for name in names:
        other = next((one for one in waiting if not comparing.was_asked(_two(one, name))), None)
        if other is None:
            waiting.append(name)
        else:
            waiting.remove(other)
            pairs.append(_two(other, name))
    return pairs


def _next(names: list[str], out: set[str], played: set[str]) -> list[str]:
    """Who stays; those who had nobody to play against come first, so that they play next."""
    return sorted((name for name in names if name not in out), key=lambda name: name in played)


def _ends(comparing: Comparing, top: Sequence[str], bottom: Sequence[str]) -> Ranked:
    mean, wins = comparing.strengths().mean.tolist(), comparing.wins()
    losses = [(loser, winner) for winner, loser in wins]
    is_open = [name for name, left in (("the best", top), ("the worst", bottom)) if len(left) > 1]
    best, worst = _last(comparing, top, wins), _last(comparing, bottom, losses)
    notes = [_open(" and ".join(is_open))] if is_open else []
    if (best is None and len(top) < 2) or (worst is None and len(bottom) < 2):
        notes.append("answers go round in a circle: strengths decide")
        by_strength = comparing.by_strength(mean)
        if best is None and len(top) < 2:
            best = next(name for name in by_strength if name != worst)
        if worst is None and len(bottom) < 2:
            worst = next(name for name in reversed(by_strength) if name != best)
    return comparing.ranked(order=_short(comparing.ids, best, worst), best=best, worst=worst, notes=notes, mean=mean)


def _last(comparing: Comparing, names: Sequence[str], arrows: Sequence[Two]) -> str | None:
    """The one who is left, if what was read leads from there to each other candidate."""
    return names[0] if len(names) == 1 and comparing.reaches_all(names[0], arrows) else None


def _short(ids: Sequence[str], best: str | None, worst: str | None) -> list[str] | None:
    """The order of three or fewer, which their ends tell."""
    if best is None or worst is None or len(ids) > 3:
        return None
    return list(dict.fromkeys([best, *(name for name in ids if name not in (best, worst)), worst]))


def _two(one: str, other: str) -> Two:
    return (one, other) if one < other else (other, one)


def _open(what: str) -> str:
    return f"answers that could not be read leave {what} open"
