"""Verdicts of one comparison put together: over samples, then orders, then principles, then raters.

Covered: P(a) in canonical coordinates whatever was displayed first and whatever the scale (see `readings`); orders that
disagree; weights, tiers and vetoes of principles, and which of them decided; invalid verdicts counted and left out.
With both orders asked, a principle that a rater could be read on in one order only is left out of the mean, since it
would carry the position bias that asking twice is there to remove; where nothing is left the comparison has no P. What
was judged without a displayed order is whole with one reading. A judgement names the raters that count in it.

A run asks all its judges alike (`judge_together`). Raters that others have asked, each in its own way, are each put
together first (`raters_together`), and people are one vote each (`majority`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal, NamedTuple

from amendment.preference._cells import cells_of
from amendment.preference._decision import Decision, Disagreement, decided
from amendment.preference.readings import Reading, comparison_of, readings_of
from amendment.preference.standing import Standing
from amendment.records import Comparison, Judgement, RaterKind, Verdict
from amendment.statistics.sides import side_of

__all__ = ["Disagreement", "Vote", "judge_together", "majority", "majority_p", "raters_together"]


def judge_together(
    verdicts: Sequence[Verdict],
    *,
    orders: Literal["both", "random", "first"],
    disagreement: Disagreement,
    combine: Literal["mean", "tiers"] = "mean",
    standings: Mapping[str, Standing] | None = None,
    comparison: Comparison | None = None,
) -> Judgement:
    """The judgement of one comparison's verdicts, of whatever scale.

    Raters weigh alike, and so do orders and samples; principles weigh as `standings` say, and alike where they say
    nothing. `combine: tiers` lets the lowest tier that is no tie decide. A hard principle whose P lies further than
    `VETO_MARGIN` from one half, on the same side in every order, decides alone, however the others are combined; hard
    principles that contradict each other make a tie and stand in `conflict`.

    `comparison` names the two answers where more than two were shown. Raises ValueError for verdicts of different
    comparisons.
    """
    between = comparison or comparison_of(verdicts)
    cells = cells_of(readings_of(verdicts, between), needs="both" if orders == "both" else "any")
    made = decided(cells, standings or {}, combine=combine, disagreement=disagreement)
    return _judgement(between, verdicts, made, raters={cell.rater for cell in cells})


def raters_together(verdicts: Sequence[Verdict], *, comparison: Comparison | None = None) -> Judgement:
    """Raters who were asked in different ways: the mean of each rater's own P(a).

    A rater's own is the mean over its principles, and of each of them over the orders in which it was asked, whether
    one or both; with an order that could not be read it is left out. `consistent` speaks of raters asked in both.
    """
    between = comparison or comparison_of(verdicts)
    readings = readings_of(verdicts, between)
    cells = cells_of(readings, needs="asked")
    p_a = decided(cells, {}, combine="mean", disagreement="mean").p_a
    consistent = decided(cells_of(readings, needs="both"), {}, combine="mean", disagreement="mean").consistent
    return _judgement(between, verdicts, Decision(p_a, consistent), raters={cell.rater for cell in cells})


def majority(verdicts: Sequence[Verdict], *, comparison: Comparison | None = None) -> Judgement:
    """Several raters made one by majority, each of them one vote: the most frequent of a, b and tie decides, and a
    draw is a tie.

    What a rater says is put together first. Verdicts of one displayed order that all say the same stand, others come
    to the side of their mean; orders that say the same stand, others are a tie, and with an order that could not be
    read the rater does not count. A certificate counts people by the same rule.

    P is the mean of the raters' own P(a), ties counted half; 0.5 where the majority says tie, and the share of votes
    where the mean, for the surety of a few, lies on another side than most votes.
    """
    between = comparison or comparison_of(verdicts)
    said = {
        rater: vote
        for rater, asked in _by_rater(readings_of(verdicts, between)).items()
        if (vote := _vote(asked)) is not None
    }
    p_a = majority_p(list(said.values())) if said else None
    return _judgement(between, verdicts, Decision(p_a, None), raters=said)


class Vote(NamedTuple):
    """What a rater says after all."""

    side: int
    """1 for a, -1 for b, 0 for a tie."""
    p: float
    """P(a is better)."""


def majority_p(votes: Sequence[Vote]) -> float:
    """P(a) of one or more votes by majority, as `majority` says."""
    (side, most), *others = Counter(vote.side for vote in votes).most_common()
    if side == 0 or (others and others[0][1] == most):
        return 0.5
    p = fmean(vote.p for vote in votes)
    return p if side_of(p) == side else fmean((1 + vote.side) / 2 for vote in votes)


def _vote(readings: Sequence[Reading]) -> Vote | None:
    """One rater's; None where an order could not be read."""
    by_order = _p_by_order(readings)
    if not by_order:
        return None
    sides = {_side_said(asked) for asked in _by_seen(readings).values()}
    side = sides.pop() if len(sides) == 1 else 0
    return Vote(side, fmean(by_order) if side else 0.5)


def _side_said(readings: Iterable[Reading]) -> int:
    """Of one order: what all say, else the side of the mean."""
    read = [reading for reading in readings if reading.p_a is not None]
    said = {reading.side for reading in read}
    return said.pop() if len(said) == 1 else side_of(fmean(_p_of(read)))


def _p_by_order(readings: Sequence[Reading]) -> list[float]:
    """One rater's mean P(a) for each order in which it was asked; empty where one of them could not be read."""
    means = [_p_of(asked) for asked in _by_seen(readings).values()]
    return [fmean(read) for read in means] if all(means) else []


def _p_of(readings: Iterable[Reading]) -> list[float]:
    return [reading.p_a for reading in readings if reading.p_a is not None]


def _by_rater(readings: Iterable[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        found[reading.rater].append(reading)
    return dict(sorted(found.items()))  # sums of floats depend on their order in the last digits


def _by_seen(readings: Iterable[Reading]) -> dict[str, list[Reading]]:
    found: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        found[reading.seen].append(reading)
    return dict(sorted(found.items()))


def _judgement(
    comparison: Comparison, verdicts: Sequence[Verdict], made: Decision, *, raters: Iterable[str]
) -> Judgement:
    n_invalid = sum(verdict.invalid is not None for verdict in verdicts)
    return Judgement(
        prompt_id=comparison.prompt_id,
        a=comparison.a,
        b=comparison.b,
        **made._asdict(),
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
