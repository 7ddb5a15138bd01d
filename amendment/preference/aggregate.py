"""Turn votes into a label by the one rule for the judges of a run, imported verdicts, audits and spot checks.

Judges (`aggregate_verdicts`) are averaged: over samples, then displayed orders, then principles, then raters. With
raters r = 1 ... R, principles k of weight w_k and p_rk = P(a) of rater r by principle k,

    P(a) = 1/2 + sum over r, k of c_rk,   c_rk = (1 / R) (w_k / sum of w over the principles of r) (p_rk - 1/2).

Every principle has a part in the departure from one half; the one with the largest part on the winning side decided.
With both orders asked, a principle that a rater could be read on in one order only is left out, since it would carry
the position bias that asking twice removes. What was judged without a displayed order is whole with one reading.

People, verifiers and juries by majority (`majority`) have one vote each, by three steps:

1. `side_in_order`: votes of one displayed order that all say the same stand; others come to the side of their mean P.
2. `side_over_orders`: orders that say the same stand, others are a tie; with an unreadable order the rater abstains.
3. `majority_side`: the most frequent of a, b and tie decides; a draw is a tie.

Invalid verdicts are counted and left out; they are never a tie.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import fsum
from statistics import fmean
from typing import Literal, NamedTuple

from amendment.constitutions import Constitution
from amendment.preference.readings import VerdictReading, by_comparison, find_comparison, make_readings
from amendment.records import LABELLERS, Comparison, Judgement, Verdict
from amendment.statistics.sides import read_side

Disagreement = Literal["mean", "tie", "drop"]
Orders = Literal["both", "random", "first", "asked"]
VETO_MARGIN = 0.2
"""The distance from one half that P of a hard principle needs, in every order, for a veto: above 0.7 or below 0.3."""


class Weighting(NamedTuple):
    """The weight of a principle where several judge one pair."""

    weight: float = 1.0
    """Above 0."""
    tier: int = 1
    """1 to 9; a lower tier decides first, where `combine` is `tiers`."""
    hard: bool = False
    """The principle is a veto."""


_PLAIN = Weighting()


def weigh_principles(constitutions: Iterable[Constitution], *, by_weight: bool = True) -> dict[str, Weighting]:
    """Return the standing of every principle, by its reference.

    `by_weight=False` lets all weigh alike, as is right where a few were drawn by weight: it would count twice.
    """
    return {
        constitution.principle_reference(principle): Weighting(
            principle.weight if by_weight else 1.0, principle.tier, principle.hard
        )
        for constitution in constitutions
        for principle in constitution.principles
    }


def aggregate_verdicts(
    verdicts: Sequence[Verdict],
    *,
    orders: Orders = "both",
    disagreement: Disagreement = "mean",
    combine: Literal["mean", "tiers"] = "mean",
    weightings: Mapping[str, Weighting] | None = None,
    comparison: Comparison | None = None,
) -> Judgement:
    """Return the mean of one comparison's verdicts, of whatever scale.

    `orders` says in which orders a rater must be readable: in both, in all in which it was asked (`asked`), or in any
    one (`random`, `first`). `disagreement` says what becomes of two orders that prefer different answers. `combine:
    tiers` lets the lowest tier that is no tie decide. A hard principle whose P lies further than `VETO_MARGIN` from one
    half, on the same side in every order, decides alone; hard principles that contradict each other make a tie and
    stand in `conflict`.

    `comparison` names the two answers where more than two were shown. Raises ValueError for verdicts of different
    comparisons.
    """
    between = comparison or find_comparison(verdicts)
    cells = list_cells(make_readings(verdicts, between), orders=orders)
    outcome = _decided(cells, weightings or {}, combine, disagreement)
    return _judgement(between, verdicts, outcome, raters={cell.rater for cell in cells})


class RaterVote(NamedTuple):
    """The vote of a rater on a comparison, over all its verdicts."""

    side: int
    """1 for a, -1 for b, 0 for a tie."""
    p: float
    """P(a is better)."""

    @classmethod
    def of(cls, p: float) -> RaterVote:
        """Return the vote of a rater of whom nothing but P(a) is known."""
        return cls(read_side(p), p)


def majority(verdicts: Sequence[Verdict]) -> Judgement:
    """Return the judgement of several raters with one vote each. Raises ValueError for verdicts of different
    comparisons."""
    between = find_comparison(verdicts)
    votes = rater_votes(verdicts, between)
    outcome = _Outcome(take_majority(votes.values()), None)
    return _judgement(between, verdicts, outcome, raters=votes)


def take_majority(votes: Iterable[RaterVote]) -> float | None:
    """P(a) by majority; None without a vote.

    It is the mean of the votes' own P, ties counted half; 0.5 where the majority says tie; and the share of votes where
    the mean, for the confidence of a few, lies on another side than most votes.
    """
    votes = list(votes)
    sides = Counter(vote.side for vote in votes)
    side = majority_side(sides[1], sides[0], sides[-1])
    if not side:
        return None if side is None else 0.5
    p = fmean(vote.p for vote in votes)
    return p if read_side(p) == side else fmean((1 + vote.side) / 2 for vote in votes)


def side_in_order(sides: Collection[int], mean: float) -> int:
    """Return the side that the readable votes of one displayed order take: `sides` are theirs, `mean` is their mean
    P(a)."""
    different = set(sides)
    return different.pop() if len(different) == 1 else read_side(mean)


def side_over_orders(sides: Collection[int | None]) -> int | None:
    """Return the side that a rater takes over its displayed orders; None where one of them could not be read."""
    if None in sides:
        return None
    different = set(sides)
    return different.pop() if len(different) == 1 else 0


def majority_side(for_a: int, ties: int, for_b: int) -> int | None:
    """Return the most frequent of three counts of votes as a side; a draw is a tie, and no vote at all is None."""
    most = max(for_a, ties, for_b)
    if not most:
        return None
    leaders = [side for side, count in ((1, for_a), (0, ties), (-1, for_b)) if count == most]
    return leaders[0] if len(leaders) == 1 else 0


def decide(verdicts: Sequence[Verdict]) -> Judgement:
    """Return the judgement of one comparison's imported verdicts: labels that are the truth decide where there are any,
    then people, then verifiers, then raters of whom nobody says what they are, each kind by majority; then models,
    whether asked in one order or both.

    Principles that a file names stay with its verdicts: they are those of no constitution that is on record. Raises
    ValueError for verdicts of different comparisons.
    """
    for kind in (*LABELLERS, "verifier", "unknown"):
        of_kind = [verdict for verdict in verdicts if verdict.rater_kind == kind]
        if of_kind and (judgement := majority(of_kind)).p_a is not None:
            return judgement.model_copy(update={"principle_ids": ()})
    models = [verdict for verdict in verdicts if verdict.rater_kind == "model"]
    return aggregate_verdicts(models or verdicts, orders="asked").model_copy(update={"principle_ids": ()})


def majorities(
    verdicts: Iterable[Verdict], weights: Mapping[str, Sequence[float]], firsts: Mapping[str, str]
) -> list[Judgement]:
    """Return one judgement of each comparison that imported verdicts speak of; see `decide`.

    `weights` are those of rows by comparison, for the few that say one; their mean is the judgement's. `firsts` are the
    candidates that stand first in their file, by comparison.
    """
    grouped: dict[tuple[str, ...], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        grouped[verdict.prompt_id, *sorted(verdict.shown)].append(verdict)
    judgements = [decide(votes) for votes in grouped.values()]
    for place, judgement in enumerate(judgements) if weights or firsts else ():
        weight = weights.get(judgement.comparison_id)
        first = firsts.get(judgement.comparison_id)
        known = {"weight": fmean(weight) if weight else None, "first": first}
        update = {field: value for field, value in known.items() if value is not None}
        judgements[place] = judgement.model_copy(update=update)
    return judgements


def person_votes(labels: Iterable[Verdict]) -> dict[str, dict[str, float]]:
    """P(a) of the people of a spot check, by comparison id and person, persons in the order of their names. Where a
    comparison was shown to a person once more, the first readable showing counts."""
    votes: dict[str, dict[str, float]] = {}
    for comparison, verdicts in by_comparison(labels).items():
        first: dict[str, Verdict] = {}
        for verdict in sorted(verdicts, key=lambda verdict: verdict.sample):
            if verdict.invalid is None:
                first.setdefault(verdict.rater, verdict)
        if first:
            by_person = rater_votes(first.values(), comparison)
            votes[comparison.id] = {person: vote.p for person, vote in by_person.items()}
    return votes


def rater_votes(verdicts: Iterable[Verdict], comparison: Comparison) -> dict[str, RaterVote]:
    """Return the vote of each rater that does not abstain, over orders and samples, in the order of their names."""
    read: dict[str, dict[str, list[VerdictReading]]] = defaultdict(lambda: defaultdict(list))
    for reading in make_readings(verdicts, comparison):
        read[reading.rater][reading.seen].append(reading)
    votes = {rater: _vote(list(read[rater].values())) for rater in sorted(read)}
    return {rater: vote for rater, vote in votes.items() if vote is not None}


def _vote(orders: Iterable[Sequence[VerdictReading]]) -> RaterVote | None:
    """Return one rater's vote from its readings by displayed order."""
    means: list[float] = []
    sides: list[int | None] = []
    for readings in orders:
        values = [reading.p_a for reading in readings if reading.p_a is not None]
        stated = [reading.side for reading in readings if reading.p_a is not None]
        means.append(fmean(values) if values else 0.5)
        sides.append(side_in_order(stated, means[-1]) if stated else None)
    side = side_over_orders(sides)
    return None if side is None else RaterVote(side, fmean(means) if side else 0.5)


class Cell(NamedTuple):
    """One rater's answer by one principle."""

    rater: str
    principle: str
    """Empty where there is none."""
    by_order: Mapping[str, float]
    """Mean P(a) over samples, by what was seen first."""

    @property
    def p(self) -> float:
        """P(a is better), orders weighing alike."""
        return fmean(self.by_order.values())

    @property
    def is_in_both(self) -> bool:
        return "a" in self.by_order and "b" in self.by_order


def list_cells(readings: Iterable[VerdictReading], *, orders: Orders) -> list[Cell]:
    """Return every rater's answer by every principle, in the order of their names, of those that were read in the
    orders that `orders` asks for (see `aggregate_verdicts`)."""
    read: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for reading in readings:
        values = read[reading.rater, reading.principle][reading.seen]
        if reading.p_a is not None:
            values.append(reading.p_a)
    cells = []
    for (rater, principle), by_order in sorted(read.items()):
        # sorted, since sums of floats depend on their order in the last digits
        cell = Cell(
            rater, principle, {seen: fmean(sorted(by_order[seen])) for seen in sorted(by_order) if by_order[seen]}
        )
        is_complete = {
            "both": cell.is_in_both or "alone" in cell.by_order,
            "asked": len(cell.by_order) == len(by_order),
        }
        if cell.by_order and is_complete.get(orders, True):
            cells.append(cell)
    return cells


class _Outcome(NamedTuple):
    p_a: float | None
    consistent: bool | None
    decisive: str | None = None
    conflict: tuple[str, ...] | None = None


def _decided(
    cells: Sequence[Cell],
    weightings: Mapping[str, Weighting],
    combine: Literal["mean", "tiers"],
    disagreement: Disagreement,
) -> _Outcome:
    if not cells:
        return _Outcome(None, None)
    vetoes = _vetoes(cells, weightings)
    if len(set(vetoes.values())) > 1:
        return _Outcome(0.5, _is_consistent(cells, weightings), conflict=tuple(sorted(vetoes)))
    if vetoes:
        return _weighed([cell for cell in cells if cell.principle in vetoes], weightings, disagreement)
    if combine == "mean":
        return _weighed(cells, weightings, disagreement)
    for tier in sorted({_weighting(cell, weightings).tier for cell in cells}):
        outcome = _weighed(
            [cell for cell in cells if _weighting(cell, weightings).tier == tier], weightings, disagreement
        )
        if outcome.p_a is None or read_side(outcome.p_a):
            return outcome
    return _Outcome(0.5, _is_consistent(cells, weightings))


def _weighting(cell: Cell, weightings: Mapping[str, Weighting]) -> Weighting:
    return weightings.get(cell.principle, _PLAIN)


def _vetoes(cells: Iterable[Cell], weightings: Mapping[str, Weighting]) -> dict[str, int]:
    """Return the hard principles that clearly prefer one side in every order, all raters together, and that side."""
    hard: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if _weighting(cell, weightings).hard:
            hard[cell.principle].append(cell)
    vetoes: dict[str, int] = {}
    for principle, of_principle in hard.items():
        orders = sorted({order for cell in of_principle for order in cell.by_order})
        means = [0.5 + fsum(_parts(of_principle, {}, order).values()) for order in orders]
        sides = {read_side(p) if abs(p - 0.5) > VETO_MARGIN else 0 for p in means}
        if len(sides) == 1 and (side := sides.pop()):
            vetoes[principle] = side
    return vetoes


def _weighed(cells: Sequence[Cell], weightings: Mapping[str, Weighting], disagreement: Disagreement) -> _Outcome:
    """Return the weighted mean, unless its orders disagree and that is not to be averaged."""
    parts = _parts(cells, weightings)
    is_consistent = _is_consistent(cells, weightings)
    if is_consistent is False and disagreement != "mean":
        return _Outcome(0.5 if disagreement == "tie" else None, is_consistent)
    p_a = min(max(0.5 + fsum(parts.values()), 0.0), 1.0)
    side = read_side(p_a)
    if not side:
        return _Outcome(0.5, is_consistent)
    decisive = max(parts, key=lambda principle: (side * parts[principle], principle))
    return _Outcome(p_a, is_consistent, decisive or None)


def _parts(cells: Sequence[Cell], weightings: Mapping[str, Weighting], order: str | None = None) -> dict[str, float]:
    """Return each principle's part in P(a) - 1/2, of one displayed order or of all."""
    counted = [cell for cell in cells if order is None or order in cell.by_order]
    weights: dict[str, float] = defaultdict(float)
    for cell in counted:
        weights[cell.rater] += _weighting(cell, weightings).weight
    parts: dict[str, list[float]] = defaultdict(list)
    for cell in counted:
        share = _weighting(cell, weightings).weight / weights[cell.rater] / len(weights)
        p = cell.p if order is None else cell.by_order[order]
        parts[cell.principle].append(share * (p - 0.5))
    return {principle: fsum(shares) for principle, shares in parts.items()}


def _is_consistent(cells: Iterable[Cell], weightings: Mapping[str, Weighting]) -> bool | None:
    """Return True where both displayed orders prefer the same answer; None where no rater was read in both."""
    twice = [cell for cell in cells if cell.is_in_both]
    if not twice:
        return None
    sides = {read_side(0.5 + fsum(_parts(twice, weightings, order).values())) for order in ("a", "b")}
    return len(sides) == 1


def _judgement(
    comparison: Comparison, verdicts: Sequence[Verdict], outcome: _Outcome, *, raters: Iterable[str]
) -> Judgement:
    n_invalid = sum(verdict.invalid is not None for verdict in verdicts)
    kinds = {verdict.rater_kind for verdict in verdicts}
    return Judgement(
        prompt_id=comparison.prompt_id,
        a=comparison.a,
        b=comparison.b,
        **outcome._asdict(),
        principle_ids=tuple(sorted({verdict.principle_id for verdict in verdicts if verdict.principle_id})),
        raters=tuple(sorted(raters)),
        # where a model took part, nobody else is named for it
        rater_kind="model" if "model" in kinds or len(kinds) > 1 else verdicts[0].rater_kind,
        verdict_ids=tuple(sorted(verdict.id for verdict in verdicts)),
        n_valid=len(verdicts) - n_invalid,
        n_invalid=n_invalid,
    )
