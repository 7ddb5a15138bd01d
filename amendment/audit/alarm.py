"""Labels joined to the wrong rows, or with their sides swapped: mistakes that look like a bad rater.

Two raters who use A, tie and B about equally often and yet agree no better than chance are what a shuffled column looks
like, or a file that belongs to another system. So is a rater at chance, therefore the alarm names both readings. Left
out are judges that do not even agree with themselves across displayed orders, and two judges or two people of whom
each agrees with somebody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from amendment.audit._panel import Calls, Panel
from amendment.audit._table import INVALID, NONE, Codes, Flags, Numbers
from amendment.statistics import Estimate, Resampling, bounds, cohen_kappa, kappa_of

__all__ = ["FEWEST", "MOST_RATERS", "RULE", "SELF", "Alarm", "Alarms", "alarms"]

FEWEST, LEAST_KAPPA, NEAR, CLEAR = 100, 0.1, 0.1, 0.3
"""Common items from which two raters are compared; kappa below which exchanged sides, moved rows, or equal habits of
raters whose kappa has no interval are suspicious; difference of class shares below which these are near-equal; kappa
from which two raters agree, and exchanging or moving explains what was found."""
SELF = 0.2
"""Kappa between its own displayed orders below which a judge is noise, and no sign of a wrong join."""
MOST_RATERS, MOST_PAIRS = 500, 500
"""Raters with most labels that are compared with each other, and pairs of them with a low kappa that are looked at:
bounds time and memory."""
RULE = (
    f"two raters with at least {FEWEST} common items whose kappa is below {CLEAR} with an interval that does not lie "
    f"above 0 (without an interval: kappa below {LEAST_KAPPA}), and whose shares of A, tie and B differ by less than "
    f"{NEAR}; and for two raters with kappa below {LEAST_KAPPA} that rises to {CLEAR} once the sides of one are "
    "exchanged or its rows moved by one. Two judges or two people only if one of them agrees with nobody (kappa "
    f"below {CLEAR}); of more than {MOST_PAIRS} such pairs, first judges with the majority of people, then judges "
    "with people, then the lowest kappa"
)


@dataclass(frozen=True)
class Alarm:
    """Two raters that look as if the labels of one were joined wrongly."""

    a: str
    b: str | None
    """None: the majority of people."""
    is_with_people: bool
    """A judge beside a person or beside the majority of people."""
    items: int
    kappa: Estimate
    marginals_differ: float
    """Total variation distance of the shares of A, tie and B, from 0 to 1."""
    swapped: float
    """Kappa with the sides of one exchanged."""
    shifted: float
    """The greater kappa with the rows of one moved up or down by one."""
    hint: str


@dataclass(frozen=True)
class Alarms:
    """What was compared, and what was found, the lowest kappa first."""

    compared: int
    """Pairs of raters with enough common items."""
    with_people: tuple[str, ...]
    """Judges that could be compared with the majority of people."""
    found: tuple[Alarm, ...]


class _Labels(NamedTuple):
    """Whom to compare: raters with enough labels and, last and without a name, the majority of people."""

    names: tuple[str | None, ...]
    is_judge: Flags
    is_noise: Flags
    items: int
    calls: Calls
    """Readable verdicts, sorted by rater and item; `rater` counts in `names`."""


def alarms(panel: Panel, draws: Resampling) -> Alarms:
    """Every two raters, and each judge against the majority of people."""
    labels = _labels(panel)
    if not labels.names:
        return Alarms(0, (), ())
    tables = _confusions(labels)
    n, kappa = tables.sum((2, 3)), _kappas(tables)
    compared = np.triu(n >= FEWEST, 1) & _allowed(labels)
    is_near = _difference(tables) < NEAR
    looked_at = compared & ((kappa < LEAST_KAPPA) | (is_near & (kappa < CLEAR))) & _estranged(labels, n, kappa)
    pairs = sorted(np.argwhere(looked_at).tolist(), key=lambda pair: (*_rank(labels, *pair), kappa[*pair]))
    seen = [_alarm(panel, labels, a, b, draws) for a, b in pairs[:MOST_PAIRS]]
    found = [alarm for alarm in seen if _is_raised(alarm)]
    beside = compared[:, -1] & labels.is_judge if labels.names[-1] is None else np.zeros(len(n), np.bool_)
    with_people = tuple(str(name) for name, known in zip(labels.names, beside, strict=True) if known)
    return Alarms(
        int(compared.sum()), with_people, tuple(sorted(found, key=lambda one: (one.kappa.value, one.a, one.b or "")))
    )


def _labels(panel: Panel) -> _Labels:
    """One person is the majority, and not compared a second time."""
    raters, heard = panel.table.raters, panel.verdicts.where(panel.verdicts.readable)
    count = np.bincount(heard.rater, minlength=len(raters))
    if len(panel.persons) == 1:
        count[panel.persons[0][0]] = 0
    busiest = np.argsort(-count, kind="stable")[:MOST_RATERS]
    kept = np.sort(busiest[count[busiest] >= FEWEST])
    number = np.full(len(raters), -1)
    number[kept] = np.arange(kept.size)
    heard = heard.where(number[heard.rater] >= 0)
    calls, voted = heard._replace(rater=number[heard.rater]), np.flatnonzero(panel.majority != NONE)
    names: list[str | None] = [raters[rater].name for rater in kept.tolist()]
    is_judge = [not raters[rater].is_person for rater in kept.tolist()]
    is_noise = [judges and _is_noise(panel, rater) for judges, rater in zip(is_judge, kept.tolist(), strict=True)]
    if voted.size >= FEWEST:
        own = Calls(np.full(voted.size, len(names)), voted, np.zeros(voted.size, np.int64), panel.majority[voted])
        calls = Calls(*(np.concatenate(both) for both in zip(calls, own, strict=True)))
        names, is_judge, is_noise = [*names, None], [*is_judge, False], [*is_noise, False]
    return _Labels(tuple(names), np.array(is_judge), np.array(is_noise), len(panel.table.items), calls)


def _is_noise(panel: Panel, rater: int) -> bool:
    calls = panel.calls.of(rater)
    first, second = panel.by_item(calls, 0), panel.by_item(calls, 1)
    both = (first < INVALID) & (second < INVALID)
    cells = np.bincount(first[both] * 3 + second[both], minlength=9).astype(np.float64)
    return bool(kappa_of(cells[None])[0] < SELF)  # nan, that of no pair, is no noise


def _confusions(labels: _Labels) -> Numbers:
    """For every two raters a 3 x 3 table of their common items."""
    from scipy.sparse import csr_array

    calls, shape = labels.calls, (len(labels.names), labels.items)
    ones, sides = np.ones(calls.item.size), []
    for value in range(3):
        said = calls.value == value
        sides.append(csr_array((ones[said], (calls.rater[said], calls.item[said])), shape=shape))
    cells = [[(one @ other.T).toarray() for other in sides] for one in sides]
    return np.moveaxis(np.array(cells, np.float64), (0, 1), (2, 3))


def _kappas(tables: Numbers) -> Numbers:
    found = kappa_of(tables.reshape(tables.shape[0] * tables.shape[1], 9)).reshape(tables.shape[:2])
    return np.where(np.isnan(found), np.inf, found)  # undefined is not suspicious


def _difference(tables: Numbers) -> Numbers:
    """Total variation distance of the two raters' shares of classes on their common items."""
    apart = np.abs(tables.sum(3) - tables.sum(2)).sum(2)
    distance: Numbers = apart / np.maximum(2 * tables.sum((2, 3)), 1)
    return distance


def _allowed(labels: _Labels) -> Flags:
    """No judge that is noise, and no person beside the majority that they are part of."""
    steady = ~labels.is_noise
    allowed: Flags = steady[:, None] & steady
    if labels.names[-1] is None:
        allowed[~labels.is_judge, -1] = False
    return allowed


def _estranged(labels: _Labels, n: Numbers, kappa: Numbers) -> Flags:
    """Judges beside people, since a whole file of judges may be joined wrongly; others where one agrees with nobody."""
    others = np.where((n >= FEWEST) & np.isfinite(kappa) & ~np.eye(len(n), dtype=np.bool_), kappa, -1)
    alone = others.max(axis=1) < CLEAR
    found: Flags = alone[:, None] | alone | (labels.is_judge[:, None] != labels.is_judge)
    return found


def _rank(labels: _Labels, a: int, b: int) -> tuple[bool, bool]:
    """What is looked at first: a judge beside the majority of people, then a judge beside a person."""
    return labels.names[b] is not None, bool(labels.is_judge[a] == labels.is_judge[b])


def _is_raised(alarm: Alarm) -> bool:
    if alarm.kappa.value < LEAST_KAPPA and max(alarm.swapped, alarm.shifted) >= CLEAR:
        return True
    known = bounds(alarm.kappa)
    return alarm.marginals_differ < NEAR and (known[0] <= 0 if known else alarm.kappa.value < LEAST_KAPPA)


def _alarm(panel: Panel, labels: _Labels, a: int, b: int, draws: Resampling) -> Alarm:
    item, one, other = _side_by_side(labels, a, b)
    pairs = one * 3 + other, one * 3 + 2 - other, one[1:] * 3 + other[:-1], one[:-1] * 3 + other[1:]
    cells = np.array([np.bincount(both, minlength=9) for both in pairs], np.float64)
    _, swapped, up, down = kappa_of(cells).tolist()
    return Alarm(
        a=str(labels.names[a]),
        b=labels.names[b],
        is_with_people=bool(labels.is_judge[a] != labels.is_judge[b]),
        items=one.size,
        kappa=cohen_kappa(one, other, panel.prompts(item), classes=3, resampling=draws),
        marginals_differ=float(_difference(cells[0].reshape(1, 1, 3, 3))[0, 0]),
        swapped=swapped,
        shifted=max(up, down),
        hint=_hint(swapped, max(up, down)),
    )


def _side_by_side(labels: _Labels, a: int, b: int) -> tuple[Codes, Codes, Codes]:
    """Their common items in order, and the two raters' classes on them."""
    one, other = labels.calls.of(a), labels.calls.of(b)
    item, left, right = np.intersect1d(one.item, other.item, assume_unique=True, return_indices=True)
    return item, one.value[left], other.value[right]


def _hint(swapped: float, shifted: float) -> str:
    if shifted >= CLEAR:
        return f"if one's rows move by one, kappa is {shifted:.2f}: its rows look shifted"
    if swapped >= CLEAR:
        return f"if one's sides are exchanged, kappa is {swapped:.2f}: A and B are swapped, or it prefers the opposite"
    return "labels may be joined to the wrong rows; a rater at chance looks the same"
