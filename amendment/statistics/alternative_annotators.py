"""The alternative annotator test: could a judge stand in for one of the people? (Calderon, Reichart and Dror 2025, ACL,
arXiv 2501.10970.)

Each person in turn is set against the judge: who agrees more often with the other people on the same item? A judge
that is nearly as good wins, since it costs less; how nearly is `epsilon`.

Covered: labels without an order; a paired test for each person, their family corrected as in Benjamini and Yekutieli
(2001), since all of them rest on the same items; items clustered by prompt, which the paper does not do. Not covered:
ratings and texts, whose agreement is measured otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import (
    FEWEST,
    Codes,
    Estimate,
    Floats,
    clustered_error,
    codes_of,
)
from amendment.statistics.shares import macro_share, share

FEWEST_ITEMS = 30
"""Items of a person below which there is no test. Wilcoxon's signed-rank test is none for so few: the differences are
-1, 0 or 1, and it tests a median, so that it passes judges who are worse than the person."""
WON = 0.5
"""Share of people that a judge wins against to pass."""
SAME = 1e-12


class Labelled(NamedTuple):
    """People's labels in three columns, an entry for each label; one person labels an item once at most."""

    item: ArrayLike
    """Numbers from 0."""
    person: ArrayLike
    """Numbers from 0."""
    label: ArrayLike
    """Classes from 0."""


class PersonTest(NamedTuple):
    """One person against the judge."""

    person: int
    items: int
    """With this person's label, another person's and the judge's."""
    advantage: Estimate
    """How often the judge agrees with the other people at least as much as this person does."""
    person_advantage: float
    """The other way round; both count where they agree equally."""
    p: float
    """That the person is not better by `epsilon` or more."""
    rejected: bool
    """The judge wins against this person, the whole family of people considered."""


class AlternativeTest(NamedTuple):
    """The test of one judge."""

    epsilon: float
    q: float
    """The false discovery rate that is kept to."""
    items: int
    """With labels of two people and the judge's."""
    people: tuple[PersonTest, ...]
    not_measured: dict[int, str]
    """People with too few items to be tested, and how many of how many each has."""
    winning_rate: float
    """Omega: the share of people that the judge wins against."""
    advantage: Estimate
    """Rho: the mean of the people's `advantage`, which compares judges."""
    note: str = ""

    @property
    def passes(self) -> bool:
        """The judge may stand in for a person: it wins against at least half of them."""
        return self.winning_rate >= WON


class Refused(NamedTuple):
    """No test was made."""

    reason: str


class _Rows(NamedTuple):
    """A row for each label that has another person's and the judge's beside it."""

    item: Codes
    person: Codes
    judge_wins: Floats
    person_wins: Floats


def alternative_test(
    labelled: Labelled,
    judged: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[np.int64] | None = None,
    *,
    classes: int,
    epsilon: float = 0.2,
    q: float = 0.05,
    level: float = 0.95,
) -> AlternativeTest | Refused:
    """The test of a judge; `Refused` says why there is none.

    `judged` has the judge's class of each item, -1 where it has none. `clusters` names what items belong together;
    without it each item stands for itself, as in the paper. `epsilon` is the advantage that people are granted for
    their price: 0.2 for experts, 0.15 for skilled people, 0.1 for a crowd (section 3 of the paper). `level` is that
    of the intervals of rho.

    With S(x) the share of the other people of an item who say x, W_f = 1[S(judge) >= S(person)],
    W_h = 1[S(person) >= S(judge)] and d = W_h - W_f, the null hypothesis is mean d >= epsilon.

    A person with fewer than thirty items, or with items of fewer than five clusters, is skipped. Needs two people; with
    exactly two the note says that nothing tells a consensus.
    """
    if not 0 <= epsilon < 1 or not 0 < q < 1:
        raise ValueError(f"expected epsilon from 0 below 1 and q between 0 and 1, found {epsilon} and {q}")
    rows = _rows(labelled, np.asarray(judged, np.int64), classes)
    if not rows.item.size:
        return Refused(_why(labelled))
    judge_items = np.asarray(judged).size
    groups = np.arange(judge_items) if clusters is None else codes_of(clusters)[0]
    if groups.size != judge_items:
        raise ValueError(f"expected a cluster for each of {judge_items} items, found {groups.size}")
    by_person = _by_person(rows)
    shortfalls = [_shortfall(own, groups) for own in by_person]
    both = list(zip(by_person, shortfalls, strict=True))
    tested = [_against(own, groups, epsilon, level) for own, shortfall in both if not shortfall]
    if len(tested) < 2:
        most_items = max((pair for pair in both if pair[1]), key=lambda pair: pair[0].item.size)
        return Refused(most_items[1])
    rejected = benjamini_yekutieli([person.p for person in tested], q)
    people = tuple(person._replace(rejected=won) for person, won in zip(tested, rejected, strict=True))
    return AlternativeTest(
        epsilon=epsilon,
        q=q,
        items=int(np.unique(rows.item).size),
        people=people,
        not_measured={int(own.person[0]): shortfall for own, shortfall in both if shortfall},
        winning_rate=sum(rejected) / len(rejected),
        advantage=_mean_advantage(rows, [person.person for person in people], groups, level),
        note="two people: nothing tells a consensus" if len(people) == 2 else "",
    )


def benjamini_yekutieli(p_values: Sequence[float], q: float) -> list[bool]:
    """Which hypotheses are rejected at false discovery rate `q`, however they depend on each other.

    The greatest k with p_(k) <= k q / (m H_m), H_m = 1 + 1/2 + ... + 1/m; the k least p-values are rejected
    (Benjamini and Yekutieli 2001, theorem 1.3).
    """
    m = len(p_values)
    harmonic = math.fsum(1 / i for i in range(1, m + 1))
    ranked = sorted(p_values)
    below = [p for k, p in enumerate(ranked, 1) if p <= k * q / (m * harmonic)]
    return [bool(below) and p <= below[-1] for p in p_values]


def t_below(values: ArrayLike, clusters: Iterable[Hashable], bound: float) -> float:
    """p of the one-sided t-test that the mean of `values` lies below `bound`, clustered as in `clustered_mean`.

    Rows that are each a cluster of their own give the ordinary test. Where nothing varies p is 0 below the bound and
    1 elsewhere.
    """
    x, (codes, groups) = np.asarray(values, np.float64), codes_of(clusters)
    mean = float(x.mean())
    error = clustered_error((x - mean) / x.size, codes)
    if not error:
        return 0.0 if mean < bound - SAME else 1.0
    from scipy.special import stdtr

    return float(stdtr(groups - 1, (mean - bound) / error))


def _rows(labelled: Labelled, judged: NDArray[np.int64], classes: int) -> _Rows:
    """The labels of items with two people or more and a judge's class, and who agrees more with the others there."""
    item, person, label = (np.asarray(column, np.intp) for column in labelled)
    counts = np.bincount(item * classes + label, minlength=judged.size * classes).reshape(judged.size, classes)
    others = counts.sum(1)[item] - 1
    used = (others > 0) & (judged[item] >= 0)
    item, person, label = item[used], person[used], label[used]
    verdict = judged[item]
    # both are compared with the same people, so that their number does not matter
    of_person, of_judge = counts[item, label] - 1, counts[item, verdict] - (label == verdict)
    return _Rows(item, person, (of_judge >= of_person).astype(np.float64), (of_person >= of_judge).astype(np.float64))


def _by_person(rows: _Rows) -> list[_Rows]:
    sort = np.argsort(rows.person, kind="stable")
    starts = np.flatnonzero(np.diff(rows.person[sort])) + 1
    return [_Rows._make(column[own] for column in rows) for own in np.split(sort, starts)]


def _shortfall(own: _Rows, groups: Codes) -> str:
    """What a person lacks to be tested; empty where nothing."""
    if own.item.size < FEWEST_ITEMS:
        return f"{own.item.size} of {FEWEST_ITEMS} items"
    prompts = np.unique(groups[own.item]).size
    return f"items of {prompts} of {FEWEST} prompts" if prompts < FEWEST else ""


def _against(own: _Rows, groups: Codes, epsilon: float, level: float) -> PersonTest:
    """One person against the judge."""
    cluster = groups[own.item]
    return PersonTest(
        person=int(own.person[0]),
        items=own.item.size,
        advantage=share(own.judge_wins, cluster, level),
        person_advantage=float(own.person_wins.mean()),
        p=t_below(own.person_wins - own.judge_wins, cluster, epsilon),
        rejected=False,
    )


def _mean_advantage(rows: _Rows, people: Sequence[int], groups: Codes, level: float) -> Estimate:
    """The mean over people of each one's mean, clustered."""
    own = np.isin(rows.person, people)
    return macro_share(rows.judge_wins[own], rows.person[own].tolist(), groups[rows.item[own]], level)


def _why(labelled: Labelled) -> str:
    people = int(np.unique(np.asarray(labelled.person)).size)
    if people < 2:
        return f"needs two people, found {people}"
    return "no item has labels of two people and the judge's"
