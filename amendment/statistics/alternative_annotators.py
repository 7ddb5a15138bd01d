"""The alternative annotator test: could a judge stand in for one of the people? (Calderon, Reichart and Dror 2025, ACL,
arXiv 2501.10970.)

Each person in turn is set against the judge: who agrees more often with the other people on the same item? A judge
that is nearly as good wins, since it costs less; how nearly is epsilon, the advantage that people are granted for their
price. With S(x) the share of the other people of an item who say x, W_f = 1[S(judge) >= S(person)],
W_h = 1[S(person) >= S(judge)] and d = W_h - W_f, the null hypothesis is mean d >= epsilon.

Covered: labels without an order; a paired test for each person, their family corrected as in Benjamini and Yekutieli
(2001), since all of them rest on the same items; items clustered by prompt, which the paper does not do. Not covered:
ratings and texts, whose agreement is measured otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from amendment.results import Estimate
from amendment.statistics.intervals import FEWEST, FEWEST_ITEMS, Codes, clustered_error, number_names
from amendment.statistics.shares import macro_share, share

EPSILONS = (0.1, 0.15, 0.2)
"""A crowd, skilled people, experts (section 3 of the paper). Which they are, the reader knows."""
Q = 0.05
"""The false discovery rate over people."""
WON = 0.5
"""Share of people that a judge wins against to pass."""
MOST_PEOPLE = 50
"""People listed one by one, those with most items."""
SAME = 1e-12


class AgainstPerson(NamedTuple):
    """A judge against one person, each compared with the other people of an item."""

    person: str
    items: int
    """With this person's label, another person's and the judge's."""
    advantage: Estimate
    """How often the judge agrees with the others at least as much as the person does."""
    person_advantage: float
    """The other way round; both count where they agree equally."""
    p: dict[str, float]
    """By epsilon: that the person is not better by epsilon or more."""
    won: dict[str, bool]
    """By epsilon, whether the judge wins, all people considered."""


@dataclass(frozen=True)
class AlternativeAnnotator:
    """The test of one judge."""

    items: int
    """With labels of two people and the judge's."""
    tested: int
    """People."""
    not_measured: dict[str, str]
    """People with too few items, by name, and how many of how many each has."""
    advantage: Estimate
    """Rho, the mean over people: compares judges."""
    winning_rate: dict[str, float]
    """Omega by epsilon: the share of people that the judge wins against."""
    passes: dict[str, bool]
    """By epsilon, whether that is half or more: the judge may stand in for a person."""
    people: tuple[AgainstPerson, ...]
    """The `MOST_PEOPLE` with most items, by name."""
    note: str


def alternative_annotator(
    labels: tuple[ArrayLike, ArrayLike, ArrayLike],
    judged: ArrayLike,
    groups: ArrayLike,
    names: Sequence[str],
    *,
    epsilons: Sequence[float] = EPSILONS,
    level: float = 0.95,
) -> AlternativeAnnotator | str:
    """Return the test of a judge, or why there is none.

    `labels` are item, person and class of each label, numbers from 0; one person labels an item once at most. `judged`
    has the judge's class of each item, -1 where it has none, `groups` a number of what items belong together, `names`
    every person's name. `level` is that of the intervals.

    A person with fewer than `FEWEST_ITEMS` items, or with items of fewer than five clusters, is skipped. (Wilcoxon's
    test is none for so few: the differences are -1, 0 or 1, and it tests a median, so that it passes judges who are
    worse than the person.) Needs two people; with exactly two the note says that nothing tells a consensus.
    """
    item, person, label = (np.asarray(column, np.intp) for column in labels)
    verdicts = np.asarray(judged, np.intp)
    clusters = np.asarray(groups, np.intp)
    counts = np.zeros((verdicts.size, 1 + max(label.max(initial=0), verdicts.max(initial=0))), np.intp)
    np.add.at(counts, (item, label), 1)
    used = (counts.sum(1)[item] > 1) & (verdicts[item] >= 0)
    if not used.any():
        people = np.unique(person).size
        return "no item has labels of two people and the judge's" if people > 1 else f"needs two people, found {people}"
    item, person, label = item[used], person[used], label[used]
    verdict, cluster = verdicts[item], clusters[item]
    # both are compared with the same people, so that their number does not matter
    of_person = counts[item, label] - 1
    of_judge = counts[item, verdict] - (label == verdict)
    judge_wins = (of_judge >= of_person).astype(np.float64)
    person_wins = (of_person >= of_judge).astype(np.float64)
    missing: dict[int, tuple[int, str]] = {}
    tested: list[AgainstPerson] = []
    for number in np.unique(person).tolist():
        own = person == number
        if lack := _lack(cluster[own]):
            missing[number] = int(own.sum()), lack
            continue
        p = {f"{e:g}": t_below((person_wins - judge_wins)[own], cluster[own], e) for e in epsilons}
        advantage = share(judge_wins[own], cluster[own], level)
        person_advantage = float(person_wins[own].mean())
        tested.append(AgainstPerson(names[number], int(own.sum()), advantage, person_advantage, p, {}))
    if len(tested) < 2:
        return max(missing.values(), key=lambda lack: lack[0])[1]
    won = {f"{e:g}": benjamini_yekutieli([result.p[f"{e:g}"] for result in tested], Q) for e in epsilons}
    winning_rate = {name: sum(wins) / len(tested) for name, wins in won.items()}
    listed = [
        result._replace(won={name: wins[place] for name, wins in won.items()}) for place, result in enumerate(tested)
    ]
    most = sorted(listed, key=lambda result: (-result.items, result.person))[:MOST_PEOPLE]
    kept = ~np.isin(person, list(missing))
    return AlternativeAnnotator(
        items=np.unique(item).size,
        tested=len(tested),
        not_measured={names[number]: lack for number, (_, lack) in missing.items()},
        advantage=macro_share(judge_wins[kept], person[kept].tolist(), cluster[kept], level),
        winning_rate=winning_rate,
        passes={name: rate >= WON for name, rate in winning_rate.items()},
        people=tuple(sorted(most, key=lambda result: result.person)),
        note="two people: nothing tells a consensus" if len(tested) == 2 else "",
    )


def _lack(clusters: Codes) -> str:
    """Return the reason why a person with items of these clusters cannot be tested; empty if they can."""
    if clusters.size < FEWEST_ITEMS:
        return f"{clusters.size} of {FEWEST_ITEMS} items"
    prompts = np.unique(clusters).size
    return f"items of {prompts} of {FEWEST} prompts" if prompts < FEWEST else ""


def benjamini_yekutieli(p_values: Sequence[float], q: float) -> list[bool]:
    """Return flags of the hypotheses rejected at false discovery rate `q`, however they depend on each other.

    The greatest k with p_(k) <= k q / (m H_m), H_m = 1 + 1/2 + ... + 1/m; the k least p-values are rejected
    (Benjamini and Yekutieli 2001, theorem 1.3).
    """
    m = len(p_values)
    harmonic = math.fsum(1 / i for i in range(1, m + 1))
    below = [p for k, p in enumerate(sorted(p_values), 1) if p <= k * q / (m * harmonic)]
    return [bool(below) and p <= below[-1] for p in p_values]


def t_below(values: ArrayLike, clusters: Iterable[int], bound: float) -> float:
    """Return p of the one-sided t-test that the mean of `values` lies below `bound`, clustered as in `clustered_mean`.

    Rows that are each a cluster of their own give the ordinary test. Where nothing varies p is 0 below the bound and
    1 elsewhere.
    """
    x, (codes, _) = np.asarray(values, np.float64), number_names(clusters)
    mean = float(x.mean())
    error, effective = clustered_error((x - mean) / x.size, codes)
    if not error:
        return 0.0 if mean < bound - SAME else 1.0
    from scipy.special import stdtr

    return float(stdtr(effective - 1, (mean - bound) / error))
