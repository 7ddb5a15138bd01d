"""Labels joined to the wrong rows, or with their sides swapped: mistakes that look like a bad rater.

A rater who uses A, tie and B about as often as the others and yet agrees with them no better than chance is what a
shuffled column looks like, or a file that belongs to another system. So is a rater at chance, therefore the alarm names
both readings. A judge is compared with the majority of people, a person with the majority of the other people; where
there are no people, a judge with the majority of the other judges. Items on which these are evenly split do not count.
Left out are judges that do not even agree with themselves across displayed orders.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from amendment.audit.votes import INVALID, AuditData, Codes
from amendment.statistics import Estimate, Resampling, bounds, cohen_kappa, compute_kappa

FEWEST, LEAST_KAPPA, NEAR, CLEAR = 100, 0.1, 0.1, 0.3
"""Common items from which two raters are compared; kappa below which exchanged sides, moved rows, or equal habits of
raters whose kappa has no interval are suspicious; difference of class shares below which these are near-equal; kappa
from which two raters agree, and exchanging or moving explains what was found."""
SELF = 0.2
"""Kappa between its own displayed orders below which a judge is noise, and no sign of a wrong join."""
FEWEST_UNMATCHED = 10
"""Items of the judge, and of people, from which a report says that none is shared."""


@dataclass(frozen=True)
class Alarm:
    """A rater that looks as if its labels were joined wrongly."""

    rater: str
    items: int
    kappa: Estimate
    marginals_differ: float
    """Total variation distance of the shares of A, tie and B, from 0 to 1."""
    best_repaired: float
    """Kappa with the sides of one exchanged, or with its rows moved up or down by one, whichever is the greatest."""
    hint: str


@dataclass(frozen=True)
class Alarms:
    """The comparisons that were made, and the alarms they raised, the lowest kappa first."""

    checked: tuple[str, ...]
    found: tuple[Alarm, ...]


@dataclass(frozen=True)
class Unmatched:
    """A judge and people who voted on different items throughout: mostly two files that name the same comparisons
    differently."""

    judge: str
    judge_item: str
    """The name of the judge's first item."""
    people_item: str
    """The name of people's first item."""


def alarms(data: AuditData, draws: Resampling) -> Alarms:
    """Return every rater with enough items in common with the others."""
    all_judges = data.verdicts.where(data.verdicts.rater >= len(data.persons))
    pool = data.people if data.persons else data.counted(all_judges)
    checked, raised = [], []
    for number, rater in enumerate(data.raters):
        verdicts, others = data.verdicts.of(number), pool
        if rater.is_person or not data.persons:
            others = pool - data.counted(verdicts)
        own = data.by_item(verdicts)
        is_no_draw = (others == others.max(1)[:, None]).sum(1) == 1
        item = np.flatnonzero((own < INVALID) & is_no_draw)
        if item.size < FEWEST or (not rater.is_person and _is_noise(data, number)):
            continue
        checked.append(rater.name)
        alarm = _alarm(data, rater.name, (item, own[item], others[item].argmax(1)), draws)
        if _is_raised(alarm):
            raised.append(alarm)
    return Alarms(tuple(checked), tuple(sorted(raised, key=lambda alarm: (alarm.kappa.value, alarm.rater))))


def _is_noise(data: AuditData, judge: int) -> bool:
    _, first, second = data.read_in_both(data.calls.of(judge))
    cells = np.bincount(first * 3 + second, minlength=9).astype(np.float64)
    return bool(compute_kappa(cells[None])[0] < SELF)  # nan, that of no pair, is no noise


def _alarm(data: AuditData, rater: str, both: tuple[Codes, Codes, Codes], draws: Resampling) -> Alarm:
    """`both` are common items, what the rater says of them, and what the others say."""
    item, own, others = both
    pairs = own * 3 + others, own * 3 + 2 - others, own[1:] * 3 + others[:-1], own[:-1] * 3 + others[1:]
    cells = np.array([np.bincount(pair, minlength=9) for pair in pairs], np.float64)
    _, swapped, up, down = compute_kappa(cells).tolist()
    shifted = max(up, down)
    hint = "labels may be joined to the wrong rows; a rater at chance looks the same"
    if shifted >= CLEAR:
        hint = f"if one's rows move by one, kappa is {shifted:.2f}: its rows look shifted"
    elif swapped >= CLEAR:
        hint = f"if one's sides are exchanged, kappa is {swapped:.2f}: A and B are swapped, or it prefers the opposite"
    shares = cells[0].reshape(3, 3) / item.size
    return Alarm(
        rater=rater,
        items=item.size,
        kappa=cohen_kappa(own, others, data.prompts(item), classes=3, resampling=draws),
        marginals_differ=float(np.abs(shares.sum(1) - shares.sum(0)).sum() / 2),
        best_repaired=max(swapped, shifted),
        hint=hint,
    )


def _is_raised(alarm: Alarm) -> bool:
    value = alarm.kappa.value
    interval = bounds(alarm.kappa)
    if np.isnan(value) or value >= CLEAR:  # undefined is not suspicious
        return False
    if value < LEAST_KAPPA and alarm.best_repaired >= CLEAR:
        return True
    return alarm.marginals_differ < NEAR and (interval[0] <= 0 if interval else value < LEAST_KAPPA)


def unmatched(data: AuditData) -> tuple[Unmatched, ...]:
    """Return every judge of which no item has a person's vote, readable or not, where both sides have enough items."""
    verdicts = data.verdicts
    people = np.unique(verdicts.item[verdicts.rater < len(data.persons)])
    own = {rater.name: verdicts.of(number).item for number, rater in data.judges}
    return tuple(
        Unmatched(name, data.items[items[0]], data.items[people[0]])
        for name, items in own.items()
        if min(items.size, people.size) >= FEWEST_UNMATCHED and not np.isin(items, people).any()
    )
