"""Leave-one-out agreement: how often a label is what the others mostly say (the measure of AlpacaEval's leaderboard of
judges).

Each person of a unit is left out once. The person's label, and a judge's, are compared with the most frequent label of
the others; where several are equally frequent, agreement is what a draw among them would give on average, 1 over their
number. A judge is so measured against exactly the people that each person is measured against.

With three people on every unit this is the mean agreement of two of them. Not covered: units with one person, of whom
nobody is left to compare with.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.statistics.agreement import counted
from amendment.statistics.intervals import Estimate, Floats, cautioned, paired_difference
from amendment.statistics.shares import share

__all__ = ["BesideOthers", "judge_beside_others", "people_beside_others"]


class BesideOthers(NamedTuple):
    """A judge and people, each against the other people of a unit, on the same units."""

    judge: Estimate
    people: Estimate
    difference: Estimate
    """judge - people."""


def people_beside_others(counts: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95) -> Estimate:
    """The mean over units of the share of people who say what the others mostly say; clustered.

    `counts` has a row per unit and a column per class: how many people gave the unit that class. Units with fewer
    than two labels are left out; each other unit counts once, whether two or twenty people labelled it.
    """
    people, codes = counted(counts, clusters)
    known = people.sum(1) >= 2
    return share(_mean(people[known]), codes[known], level)


def judge_beside_others(
    counts: ArrayLike, judged: ArrayLike, clusters: Iterable[Hashable], level: float = 0.95
) -> BesideOthers:
    """The same of a judge, on the units that it and two people or more labelled, beside the people on these.

    `judged` has the shape of `counts`: how many of the judge's verdicts on a unit said each class; a judge that was
    asked twice counts with the mean of both.
    """
    (people, codes), said = counted(counts, clusters), np.asarray(judged, np.float64)
    if said.shape != people.shape:
        raise ValueError(f"expected the judge's counts in the shape of people's {people.shape}, found {said.shape}")
    known = (people.sum(1) >= 2) & (said.sum(1) > 0)
    people, said, codes = people[known], said[known], codes[known]
    judge, others = _mean(people, said), _mean(people)
    difference = paired_difference(judge, others, codes, level)._replace(method="clustered t")
    return BesideOthers(share(judge, codes, level), share(others, codes, level), cautioned(difference))


def _mean(people: Floats, said: Floats | None = None) -> Floats:
    """Per unit, the mean over people left out of how well a label agrees with the mode of the rest: that of the person
    left out, or those that were `said` by somebody else."""
    if not len(people):
        return np.zeros(0)
    # of the unit without a person who said k: unit by k by class
    rest = people[:, None, :] - np.eye(people.shape[1])
    is_mode = (rest == rest.max(2, keepdims=True)) & (rest > 0)
    score = is_mode / np.maximum(is_mode.sum(2, keepdims=True), 1)
    left_out = people / people.sum(1, keepdims=True)
    if said is None:
        found = np.einsum("uk,ukk->u", left_out, score)
    else:
        found = np.einsum("uk,ukc,uc->u", left_out, score, said / said.sum(1, keepdims=True))
    agreed: Floats = np.clip(found, 0, 1)
    return agreed
