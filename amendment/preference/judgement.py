"""Verdicts of one comparison put together: over samples and principles, then raters, then orders.

Covered: P(a) in canonical coordinates whatever was displayed first; orders that disagree; invalid verdicts
counted and left out. With both orders asked, a comparison of which only one order could be read has no P:
it would carry the position bias that asking twice is there to remove. The same holds for each rater and
principle by themselves: one that could be read in one order only is left out of the mean. A judgement names
the raters that count in it.

A run asks all its judges alike (`judge_together`). Raters that others have asked, each in its own way, are each put
together first (`raters_together`), and people are one vote each (`majority`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from amendment.records import Comparison, Judgement, RaterKind, Verdict

__all__ = ["Disagreement", "judge_together", "majority", "raters_together"]

Disagreement = Literal["mean", "tie", "drop"]


HALF = 1e-9
"""A mean this near to one half is a tie: rounding decides nothing."""


def judge_together(
    verdicts: Sequence[Verdict], *, orders: Literal["both", "random", "first"], disagreement: Disagreement
) -> Judgement:
    """The judgement of one comparison's pair verdicts. Raises ValueError for verdicts of different comparisons."""
    comparison = _comparison(verdicts)
    counted, by_order = _p_a_by_order(verdicts, comparison, 2 if orders == "both" else 1)
    complete = len(by_order) == (2 if orders == "both" else 1)
    consistent = _consistent(by_order) if len(by_order) == 2 else None
    p_a = fmean(by_order.values()) if complete else None
    if consistent is False and disagreement != "mean":
        p_a = 0.5 if disagreement == "tie" else None
    return _judgement(comparison, verdicts, p_a, consistent, raters=counted)


def raters_together(verdicts: Sequence[Verdict]) -> Judgement:
    """Raters who were asked in different ways: the mean of each rater's own P(a).

    A rater's own is the mean over its principles, and of each of them over the orders in which it was asked, whether
    one or both; with an order that could not be read it is left out. `consistent` speaks of raters asked in both.
    """
    comparison = _comparison(verdicts)
    said = {rater: _own_p(asked, comparison) for rater, asked in _by_rater(verdicts).items()}
    own = {rater: p for rater, p in said.items() if p is not None}
    _, by_order = _p_a_by_order([one for one in verdicts if one.order is None], comparison, 2)
    consistent = _consistent(by_order) if len(by_order) == 2 else None
    return _judgement(comparison, verdicts, fmean(own.values()) if own else None, consistent, raters=own)


def majority(verdicts: Sequence[Verdict]) -> Judgement:
    """Several raters made one by majority, each of them one vote: the most frequent of a, b and tie decides, and a
    draw is a tie.

    What a rater says is put together first. Verdicts of one displayed order that all say the same stand, others come
    to the side of their mean; orders that say the same stand, others are a tie, and with an order that could not be
    read the rater does not count. A certificate counts people by the same rule.

    P is the mean of the raters' own P(a), ties counted half; 0.5 where the majority says tie, and the share of votes
    where the mean, for the surety of a few, lies on another side than most votes.
    """
    comparison = _comparison(verdicts)
    said = {
        rater: reading
        for rater, asked in _by_rater(verdicts).items()
        if (reading := _reading(asked, comparison)) is not None
    }
    p_a = _majority_p(list(said.values())) if said else None
    return _judgement(comparison, verdicts, p_a, None, raters=said)


class _Reading(NamedTuple):
    """What a rater says after all."""

    side: int
    """1 for a, -1 for b, 0 for a tie."""
    p: float
    """P(a is better)."""


def _majority_p(votes: Sequence[_Reading]) -> float:
    (side, most), *others = Counter(vote.side for vote in votes).most_common()
    if side == 0 or (others and others[0][1] == most):
        return 0.5
    p = fmean(vote.p for vote in votes)
    return p if _side(p) == side else fmean((1 + vote.side) / 2 for vote in votes)


def _reading(verdicts: Sequence[Verdict], comparison: Comparison) -> _Reading | None:
    """One rater's; None where an order could not be read."""
    by_order = _p_by_order(verdicts, comparison)
    if not by_order:
        return None
    sides = {_side_of(asked, comparison) for asked in _by_shown(verdicts).values()}
    side = sides.pop() if len(sides) == 1 else 0
    return _Reading(side, fmean(by_order) if side else 0.5)


def _side_of(verdicts: Iterable[Verdict], comparison: Comparison) -> int:
    """Of one order: what all say, else the side of the mean."""
    read = [verdict for verdict in verdicts if verdict.invalid is None]
    said = {_said(verdict, comparison) for verdict in read}
    return said.pop() if len(said) == 1 else _side(fmean(_p_of(read, comparison)))


def _said(verdict: Verdict, comparison: Comparison) -> int:
    side = {"A": 1, "B": -1}.get(str(verdict.value), 0)
    return side if verdict.shown[0] == comparison.a else -side


def _own_p(verdicts: Iterable[Verdict], comparison: Comparison) -> float | None:
    """One rater's P(a): principles weigh alike, and so do orders."""
    principles: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        principles[verdict.principle_id or ""].append(verdict)
    found = [fmean(p) for _, asked in sorted(principles.items()) if (p := _p_by_order(asked, comparison))]
    return fmean(found) if found else None


def _p_by_order(verdicts: Sequence[Verdict], comparison: Comparison) -> list[float]:
    """One rater's mean P(a) for each order in which it was asked; empty where one of them could not be read."""
    means = [_p_of(asked, comparison) for asked in _by_shown(verdicts).values()]
    return [fmean(read) for read in means] if all(means) else []


def _p_of(verdicts: Iterable[Verdict], comparison: Comparison) -> list[float]:
    return [p for verdict in verdicts if (p := _p_a(verdict, comparison)) is not None]


def _by_rater(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found[verdict.rater].append(verdict)
    return dict(sorted(found.items()))  # sums of floats depend on their order in the last digits


def _by_shown(verdicts: Iterable[Verdict]) -> dict[str, list[Verdict]]:
    """By the candidate that was displayed first; under nothing where that is not on record."""
    found: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        found["" if verdict.order == "unknown" else verdict.shown[0]].append(verdict)
    return dict(sorted(found.items()))


def _comparison(verdicts: Sequence[Verdict]) -> Comparison:
    found = {(verdict.prompt_id, *sorted(verdict.shown)) for verdict in verdicts}
    if len(found) != 1:
        raise ValueError(f"expected verdicts of one comparison, found {len(found)}")
    prompt_id, a, b = found.pop()
    return Comparison(prompt_id, a, b)


def _p_a(verdict: Verdict, comparison: Comparison) -> float | None:
    p_first = verdict.p_first()
    if p_first is None:
        return None
    return p_first if verdict.shown[0] == comparison.a else 1 - p_first


def _p_a_by_order(
    verdicts: Iterable[Verdict], comparison: Comparison, n_orders: int
) -> tuple[set[str], dict[str, float]]:
    """The raters that count, and mean P(a) by the candidate shown first: each rater counts alike, and so does each
    principle of a rater."""
    read: dict[tuple[str, str | None], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for verdict in verdicts:
        p = _p_a(verdict, comparison)
        if p is not None:
            read[verdict.rater, verdict.principle_id][verdict.shown[0]].append(p)
    raters: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (rater, _), orders in read.items():
        for shown, values in orders.items():
            if len(orders) >= n_orders:
                raters[shown][rater].append(fmean(values))
    counted = {rater for means in raters.values() for rater in means}
    return counted, {shown: fmean(map(fmean, means.values())) for shown, means in sorted(raters.items())}


def _consistent(by_order: dict[str, float]) -> bool:
    first, second = (_side(p) for p in by_order.values())
    return first == second


def _side(p: float) -> int:
    return (p > 0.5 + HALF) - (p < 0.5 - HALF)


def _judgement(
    comparison: Comparison,
    verdicts: Sequence[Verdict],
    p_a: float | None,
    consistent: bool | None,
    *,
    raters: Iterable[str],
) -> Judgement:
    n_invalid = sum(verdict.invalid is not None for verdict in verdicts)
    return Judgement(
        prompt_id=comparison.prompt_id,
        a=comparison.a,
        b=comparison.b,
        p_a=p_a,
        consistent=consistent,
        principle_ids=tuple(sorted({verdict.principle_id for verdict in verdicts if verdict.principle_id})),
        raters=tuple(sorted(raters)),
        rater_kind=_kind(verdicts),
        verdict_ids=tuple(sorted(verdict.id for verdict in verdicts)),
        n_valid=len(verdicts) - n_invalid,
        n_invalid=n_invalid,
    )


def _kind(verdicts: Sequence[Verdict]) -> RaterKind:
    """Whose judgement it is; where a model took part, nobody else is named for it."""
    kinds = {verdict.rater_kind for verdict in verdicts}
    return "model" if "model" in kinds or len(kinds) > 1 else verdicts[0].rater_kind
