"""Which answer the principles prefer, and which of them decided: weights, tiers, vetoes.

With raters r = 1 ... R that count, principles k of weight w_k and p_rk = P(a) of rater r by principle k,

    P(a) = 1/2 + sum over r, k of c_rk,   c_rk = (1 / R) (w_k / sum of w over the principles of r) (p_rk - 1/2),

so that every principle has a part in the departure from one half, and the parts add up to it. The principle that
decided is the one with the largest part on the winning side.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import Literal, NamedTuple

from amendment.preference._cells import Cell
from amendment.preference.standing import Standing
from amendment.statistics.sides import side_of

__all__ = ["VETO_MARGIN", "Decision", "Disagreement", "decided"]

Disagreement = Literal["mean", "tie", "drop"]

VETO_MARGIN = 0.2
"""How far from one half P of a hard principle must lie, in every order, for a veto: above 0.7 or below 0.3."""
_PLAIN = Standing()


class Decision(NamedTuple):
    """What comes of one comparison."""

    p_a: float | None
    consistent: bool | None
    decisive: str | None = None
    conflict: tuple[str, ...] | None = None


def decided(
    cells: Sequence[Cell],
    standings: Mapping[str, Standing],
    *,
    combine: Literal["mean", "tiers"],
    disagreement: Disagreement,
) -> Decision:
    """What the cells of one comparison come to; nothing where there are none."""
    if not cells:
        return Decision(None, None)
    vetoes = _vetoes(cells, standings)
    if len(set(vetoes.values())) > 1:
        return Decision(0.5, _consistent(cells, standings), conflict=tuple(sorted(vetoes)))
    if vetoes:
        return _weighed([cell for cell in cells if cell.principle in vetoes], standings, disagreement)
    if combine == "mean":
        return _weighed(cells, standings, disagreement)
    for tier in _tiers(cells, standings):
        made = _weighed(tier, standings, disagreement)
        if made.p_a is None or side_of(made.p_a):
            return made
    return Decision(0.5, _consistent(cells, standings))


def _standing(cell: Cell, standings: Mapping[str, Standing]) -> Standing:
    return standings.get(cell.principle, _PLAIN)


def _tiers(cells: Iterable[Cell], standings: Mapping[str, Standing]) -> list[list[Cell]]:
    tiers: dict[int, list[Cell]] = defaultdict(list)
    for cell in cells:
        tiers[_standing(cell, standings).tier].append(cell)
    return [tiers[number] for number in sorted(tiers)]


def _vetoes(cells: Iterable[Cell], standings: Mapping[str, Standing]) -> dict[str, int]:
    """The hard principles that speak out, and for which side: all orders of all raters together."""
    hard: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        if _standing(cell, standings).hard:
            hard[cell.principle].append(cell)
    said = {principle: _clear_side(found) for principle, found in hard.items()}
    return {principle: side for principle, side in said.items() if side}


def _clear_side(cells: Sequence[Cell]) -> int:
    """The side of one principle where its mean over raters lies clearly there in every order, else 0."""
    orders = {order for cell in cells for order in cell.by_order}
    means = [0.5 + fsum(_parts(cells, {}, order).values()) for order in sorted(orders)]
    sides = {side_of(p) if abs(p - 0.5) > VETO_MARGIN else 0 for p in means}
    return sides.pop() if len(sides) == 1 else 0


def _weighed(cells: Sequence[Cell], standings: Mapping[str, Standing], disagreement: Disagreement) -> Decision:
    """The weighted mean, unless its orders disagree and that is not to be averaged."""
    parts, consistent = _parts(cells, standings), _consistent(cells, standings)
    if consistent is False and disagreement != "mean":
        return Decision(0.5 if disagreement == "tie" else None, consistent)
    p_a = min(max(0.5 + fsum(parts.values()), 0.0), 1.0)
    side = side_of(p_a)
    if not side:
        return Decision(0.5, consistent)
    most = max(parts, key=lambda principle: (side * parts[principle], principle))
    return Decision(p_a, consistent, most or None)


def _parts(cells: Sequence[Cell], standings: Mapping[str, Standing], order: str | None = None) -> dict[str, float]:
    """Each principle's part in P(a) - 1/2, of one displayed order or of all."""
    taken = [cell for cell in cells if order is None or order in cell.by_order]
    weights: dict[str, float] = defaultdict(float)
    for cell in taken:
        weights[cell.rater] += _standing(cell, standings).weight
    parts: dict[str, list[float]] = defaultdict(list)
    for cell in taken:
        share = _standing(cell, standings).weight / weights[cell.rater] / len(weights)
        p = cell.p if order is None else cell.by_order[order]
        parts[cell.principle].append(share * (p - 0.5))
    return {principle: fsum(found) for principle, found in parts.items()}


def _consistent(cells: Sequence[Cell], standings: Mapping[str, Standing]) -> bool | None:
    """Whether both displayed orders prefer the same answer; None where there are not two."""
    orders = [order for order in ("a", "b") if any(order in cell.by_order for cell in cells)]
    if len(orders) < 2:
        return None
    first, second = (side_of(0.5 + fsum(_parts(cells, standings, order).values())) for order in orders)
    return first == second
