"""Verdicts of one comparison put together: over samples and principles, then raters, then orders.

Covered: P(a) in canonical coordinates whatever was displayed first; orders that disagree; invalid verdicts
counted and left out. With both orders asked, a comparison of which only one order could be read has no P:
it would carry the position bias that asking twice is there to remove. The same holds for each rater and
principle by themselves: one that could be read in one order only is left out of the mean.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal

from amendment.records import Comparison, Judgement, Verdict

__all__ = ["Disagreement", "judge_together", "majority"]

Disagreement = Literal["mean", "tie", "drop"]


def judge_together(
    verdicts: Sequence[Verdict], *, orders: Literal["both", "random", "first"], disagreement: Disagreement
) -> Judgement:
    """The judgement of one comparison's pair verdicts. Raises ValueError for verdicts of different comparisons."""
    comparison = _comparison(verdicts)
    by_order = _p_a_by_order(verdicts, comparison, 2 if orders == "both" else 1)
    complete = len(by_order) == (2 if orders == "both" else 1)
    consistent = _consistent(by_order) if len(by_order) == 2 else None
    p_a = fmean(by_order.values()) if complete else None
    if consistent is False and disagreement != "mean":
        p_a = 0.5 if disagreement == "tie" else None
    return _judgement(comparison, verdicts, p_a, consistent)


def majority(verdicts: Sequence[Verdict]) -> Judgement:
    """Several raters made one by majority: the most frequent of a, b and tie decides, and a draw is a tie.

    P is the share of votes for a, ties counted half; 0.5 where the majority says tie. No displayed order is
    asked for, since people's verdicts arrive with the one that they saw.
    """
    comparison = _comparison(verdicts)
    votes = [p for verdict in verdicts if (p := _p_a(verdict, comparison)) is not None]
    return _judgement(comparison, verdicts, _majority_p(votes) if votes else None, None)


def _majority_p(votes: Sequence[float]) -> float:
    (side, most), *others = Counter(map(_side, votes)).most_common()
    is_decided = side != 0 and not (others and others[0][1] == most)
    return fmean(votes) if is_decided else 0.5


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


def _p_a_by_order(verdicts: Iterable[Verdict], comparison: Comparison, n_orders: int) -> dict[str, float]:
    """Mean P(a) by the candidate shown first: each rater counts alike, and so does each principle of a rater."""
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
    return {shown: fmean(map(fmean, means.values())) for shown, means in sorted(raters.items())}


def _consistent(by_order: dict[str, float]) -> bool:
    first, second = (_side(p) for p in by_order.values())
    return first == second


def _side(p: float) -> int:
    return (p > 0.5) - (p < 0.5)


def _judgement(
    comparison: Comparison, verdicts: Sequence[Verdict], p_a: float | None, consistent: bool | None
) -> Judgement:
    n_invalid = sum(verdict.invalid is not None for verdict in verdicts)
    return Judgement(
        prompt_id=comparison.prompt_id,
        a=comparison.a,
        b=comparison.b,
        p_a=p_a,
        consistent=consistent,
        principle_ids=tuple(sorted({verdict.principle_id for verdict in verdicts if verdict.principle_id})),
        raters=tuple(sorted({verdict.rater for verdict in verdicts})),
        rater_kind=_kind(verdicts),
        verdict_ids=tuple(sorted(verdict.id for verdict in verdicts)),
        n_valid=len(verdicts) - n_invalid,
        n_invalid=n_invalid,
    )


def _kind(verdicts: Sequence[Verdict]) -> Literal["model", "person", "verifier"]:
    """Whose judgement it is; where a model took part, nobody else is named for it."""
    kinds = {verdict.rater_kind for verdict in verdicts}
    return "model" if "model" in kinds or len(kinds) > 1 else verdicts[0].rater_kind
