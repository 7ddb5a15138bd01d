"""The best of several answers by comparisons that are chosen as one learns.

Strengths are known as a normal distribution: a prior of standard deviation `spread`, the answers under Bradley and
Terry's model, Laplace's approximation. Two rules choose what to ask next, both from pairs not asked before:

- thompson: two draws from that distribution; the strongest of the one meets the strongest of the other (top-two
  Thompson sampling, Russo 2016). Comparisons gather around who may be the best.
- narrowing: the pair whose difference becomes more certain than any other's by one more answer, sqrt(V) - sqrt(V'),
  V' = V / (1 + w p (1 - p) V): the rule of Chatbot Arena (Chiang et al. 2024) with the variances of a
  posterior, so that it speaks of pairs that were never asked. Comparisons spread over the whole order.

Promised: rounds, so that the same seed and answers give the same choices whatever came back first. Not covered: the
win shares of what was asked, which mean little once results have chosen what to ask.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from amendment.preference._comparing import SPREAD, Compare, Comparing, Ranked, Two
from amendment.statistics import Posterior
from amendment.statistics.intervals import Floats

__all__ = ["rank_adaptively"]

DRAWS = 1000
"""Of all strengths, by which P(best) is known to a hundredth and a half."""


async def rank_adaptively(
    candidates: Iterable[str],
    compare: Compare,
    *,
    calls: int,
    sure: float = 0.95,
    seed: int = 0,
    rule: Literal["thompson", "narrowing"] = "thompson",
    at_once: int = 1,
    spread: float = SPREAD,
    weight: float = 1.0,
) -> Ranked:
    """Ask until P(the best is the strongest) reaches `sure`, or `calls` comparisons are made, or no pair is left.

    `at_once` comparisons are chosen and asked together. `weight` is how many tosses of a coin an answer is worth: more
    than 1 for a judge whose probabilities deserve it. The order is by strength, and stands where readable comparisons
    connect all candidates; so does the worst. The best is the strongest so far, and `p_best` how sure that is. Where
    all answers are ties none of these is known.
    """
    if calls < 1 or at_once < 1 or not 0 < sure <= 1 or spread <= 0 or weight <= 0:
        raise ValueError("expected calls and at_once from 1, sure above 0 to 1, spread and weight above 0")
    comparing, random = Comparing(candidates, compare), np.random.default_rng(seed)
    while True:
        strengths = comparing.strengths(spread=spread, weight=weight)
        draws = strengths.mean + random.standard_normal((DRAWS, len(comparing.ids))) @ _root(strengths.covariance).T
        best = comparing.by_strength(strengths.mean.tolist())[0]
        p_best = float((draws.argmax(1) == comparing.ids.index(best)).mean())
        left = min(calls - comparing.n_asked, at_once)
        if p_best >= sure or not left or not comparing.unasked():
            return _ended(comparing, strengths, best, p_best, sure)
        chosen = _contenders(comparing, draws, left) if rule == "thompson" else []
        rest = [pair for pair in comparing.unasked() if pair not in chosen]
        open_pairs = [rest[place] for place in random.permutation(len(rest))]  # among equals, chance
        more = _narrowing(comparing.ids, strengths, open_pairs, count=left - len(chosen), weight=weight)
        await comparing.ask([*chosen, *more])


def _root(covariance: Floats) -> Floats:
    return np.asarray(np.linalg.cholesky(covariance))


def _contenders(comparing: Comparing, draws: Floats, count: int) -> list[Two]:
    """The strongest of two draws, again and again, until there are `count` pairs to ask, or no more draws."""
    best = draws.argmax(1).tolist()
    found: list[Two] = []
    for i, j in zip(best[::2], best[1::2], strict=True):
        pair = (comparing.ids[min(i, j)], comparing.ids[max(i, j)])
        if i != j and pair not in found and not comparing.was_asked(pair):
            found.append(pair)
            if len(found) == count:
                break
    return found


def _narrowing(ids: list[str], strengths: Posterior, open_pairs: list[Two], *, count: int, weight: float) -> list[Two]:
    """`count` of these pairs, one after the other: that whose own uncertainty one answer would lower most."""
    ends = np.array([[ids.index(one), ids.index(other)] for one, other in open_pairs], np.intp).reshape(-1, 2)
    covariance, found = strengths.covariance.copy(), []
    for _ in range(min(count, len(ends))):
        i, j = ends.T
        variance = covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]
        information = weight / (2 + 2 * np.cosh(strengths.mean[i] - strengths.mean[j]))  # w p (1 - p)
        gain = np.sqrt(variance) * (1 - 1 / np.sqrt(1 + information * variance))
        at = int(np.argmax(np.round(gain, 12)))
        lead = covariance[:, i[at]] - covariance[:, j[at]]
        covariance -= np.outer(lead, lead) * information[at] / (1 + information[at] * variance[at])
        found.append((ids[i[at]], ids[j[at]]))
        ends = np.delete(ends, at, axis=0)
    return found


def _ended(comparing: Comparing, strengths: Posterior, best: str, p_best: float, sure: float) -> Ranked:
    mean = strengths.mean.tolist()
    notes = [] if p_best >= sure else [f"stopped at P(best) = {p_best:.2f}, below {sure:g}"]
    is_known = comparing.is_connected()
    if not is_known:
        notes.append("comparisons that could be read do not connect all candidates: no order")
    order = comparing.by_strength(mean) if is_known else None
    return comparing.ranked(
        order=order,
        best=best if comparing.wins() or len(comparing.ids) == 1 else None,
        worst=order[-1] if order else None,
        notes=notes,
        p_best=p_best,
        mean=mean,
    )
