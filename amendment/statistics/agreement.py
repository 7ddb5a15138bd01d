"""Agreement beyond chance: Cohen's kappa for two raters, Krippendorff's alpha and Gwet's AC1 for any number; and
leave-one-out agreement, how often a label is what the others mostly say (AlpacaEval's leaderboard of judges).

Classes are numbers from 0. Kappa and alpha are nan, not 0 and not 1, where chance alone would agree always. AC1 has a
value there: it stays near the raw agreement where almost everything is of one class, and kappa and alpha collapse.
Ordinal alpha knows the order of classes. `alphas_with_people` compares a judge with single people by it.

Leave-one-out: each person of a unit is left out once. The person's label, and a judge's, are compared with the most
frequent label of the others; where several are equally frequent, agreement is what a draw among them would give on
average. Not covered: units with one person, of whom nobody is left to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.results import Estimate
from amendment.statistics.beside import Beside, Shown, pairs_within, shown_mean
from amendment.statistics.intervals import Codes, Floats, number_names
from amendment.statistics.resampling import Resampling, bootstrap, quotient, sums_by_cluster


def cohen_kappa(
    first: ArrayLike,
    second: ArrayLike,
    clusters: Iterable[Hashable],
    *,
    classes: int,
    resampling: Resampling | None = None,
) -> Estimate:
    """Return Kappa of two raters' classes, one per row: (p_o - p_e) / (1 - p_e) (Cohen 1960), bootstrapped over
    clusters."""
    a = _classes(first, classes)
    b = _classes(second, classes)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two raters need a class for each row, found shapes {a.shape} and {b.shape}")
    cells = sums_by_cluster(clusters, *(a * classes + b == cell for cell in range(classes * classes)))
    return bootstrap(cells, compute_kappa, n=a.size, resampling=resampling, name="Cohen's kappa,")


def compute_kappa(confusions: Floats) -> Floats:
    """Return Kappa of each confusion matrix, flattened by rows: a vector of matrices in, a vector of kappas out."""
    k = math.isqrt(confusions.shape[-1])
    cells = confusions.reshape(-1, k, k)
    n = cells.sum((1, 2))
    observed = n * np.trace(cells, axis1=1, axis2=2)
    expected = np.einsum("dk,dk->d", cells.sum(2), cells.sum(1))  # n^2 p_o and n^2 p_e: whole numbers stay exact
    return quotient(observed - expected, n * n - expected)


def krippendorff_alpha(
    counts: ArrayLike, clusters: Iterable[Hashable], *, resampling: Resampling | None = None
) -> Estimate:
    """Return nominal alpha (Krippendorff 2004, chapter 11) of units rated by any number of raters, bootstrapped over
    clusters.

    `counts` has a row per unit and a column per class: how many raters gave the unit that class. Units with fewer
    than two ratings cannot disagree and are left out; `n` counts the others.

    D_o = sum_u (m_u^2 - sum_c n_uc^2) / (m_u - 1),  alpha = 1 - (n - 1) D_o / (n^2 - sum_c n_c^2),
    with m_u ratings of unit u, n_c ratings of class c and n ratings in all.
    """
    ratings, codes = counted(counts, clusters)
    is_pair = ratings.sum(1) >= 2
    ratings, m, codes = ratings[is_pair], ratings.sum(1)[is_pair], codes[is_pair]
    disagreement = (m * m - (ratings * ratings).sum(1)) / (m - 1)
    sums = sums_by_cluster(codes, disagreement, *ratings.T)
    return bootstrap(sums, _compute_alpha, n=int(m.size), resampling=resampling, name="Krippendorff's alpha,")


def _compute_alpha(sums: Floats) -> Floats:
    disagreement, by_class = sums[:, 0], sums[:, 1:]
    n = by_class.sum(1)
    return 1 - quotient((n - 1) * disagreement, n * n - (by_class * by_class).sum(1))


class LabelPairs(NamedTuple):
    """Pairs of labels of the same item by two raters; the weights of an item's pairs sum to 1."""

    item: Codes
    first: Codes
    second: Codes
    weight: Floats


class ItemAlphas(NamedTuple):
    """Alpha as a mean over items."""

    values: Floats
    """One per item: the mean is alpha, and the spread is that of its linearisation."""
    largest_miss: float
    """What two labels that are as far apart as any take from the value of their item."""


def alpha_with_person(
    judge: ArrayLike, people: tuple[ArrayLike, ArrayLike], clusters: Iterable[Hashable], *, is_ordered: bool
) -> Shown:
    """Return alpha of the judge with one person, on all items; every item needs a person."""
    verdict, (item, label) = np.asarray(judge, np.intp), (np.asarray(column, np.intp) for column in people)
    values, miss = _with_judge(verdict, item, label, is_ordered=is_ordered)
    return shown_mean(values, np.ones(verdict.size), number_names(clusters)[0], (1 - miss, 1))


def alphas_with_people(
    judge: ArrayLike, people: tuple[ArrayLike, ArrayLike], clusters: Iterable[Hashable], *, is_ordered: bool
) -> Beside:
    """Return alpha of the judge with one person, of two people, and their difference, on the items with two people or
    more.

    `judge` has a class for each item, from 0 in their order; -1 where its label could not be read, which counts as
    chance: alpha 0. `people` are the item and the class of each of their labels. Alpha is nominal, or ordinal where
    classes are ordered, and it takes the place of agreement and of kappa. Each item counts once, whatever the number of
    its labels, and each of its people equally.
    """
    verdict, (item, label) = np.asarray(judge, np.intp), (np.asarray(column, np.intp) for column in people)
    has_two = np.bincount(item, minlength=verdict.size) > 1
    kept, place = has_two[item], np.cumsum(has_two) - 1
    item, label, verdict, cluster = place[item[kept]], label[kept], verdict[has_two], number_names(clusters)[0][has_two]
    of_judge = _with_judge(verdict, item, label, is_ordered=is_ordered)
    of_people = alpha_by_item(pair_people(item, label), is_ordered=is_ordered)
    miss = max(of_judge.largest_miss, of_people.largest_miss)
    alpha, two, gap = (
        shown_mean(values, np.ones(verdict.size), cluster, ends)
        for values, ends in (
            (of_judge.values, (1 - miss, 1.0)),
            (of_people.values, (1 - miss, 1.0)),
            (of_judge.values - of_people.values, (-miss, miss)),
        )
    )
    return Beside(judge=alpha, people=two, gap=gap, judge_kappa=alpha, people_kappa=two)


def _with_judge(verdict: Codes, item: Codes, label: Codes, *, is_ordered: bool) -> ItemAlphas:
    is_read = verdict >= 0
    asked, place = is_read[item], np.cumsum(is_read) - 1
    weight: Floats = 1 / np.bincount(item, minlength=verdict.size)[item[asked]]
    pairs = LabelPairs(place[item[asked]], verdict[item[asked]], label[asked], weight)
    read, miss = alpha_by_item(pairs, is_ordered=is_ordered)
    values = np.zeros(verdict.size)
    values[is_read] = read
    return ItemAlphas(values, miss)


def pair_people(item: Codes, label: Codes) -> LabelPairs:
    """Return all pairs of labels of one item."""
    order = np.argsort(item, kind="stable")
    item, label = item[order], label[order]
    first, second = pairs_within(item)
    m = np.bincount(item)[item[first]]
    return LabelPairs(item[first], label[first], label[second], 2 / (m * (m - 1)))


def alpha_by_item(pairs: LabelPairs, *, is_ordered: bool) -> ItemAlphas:
    """Return alpha of pairs of labels, item by item.

    With the shares p_c of all labels and N items,  D_o = mean of d(x, y),  D_e = sum_ck p_c p_k d(c, k),
    alpha = 1 - (2 N - 1) / (2 N) D_o / D_e  (Krippendorff 2004, chapter 11). Nominal d is 0 or 1; ordinal d is the
    squared difference of the ranks r_c = sum_(k < c) p_k + p_c / 2, which move with the labels of every item.
    """
    if not pairs.item.size:
        return ItemAlphas(np.zeros(0), 1.0)
    items = int(pairs.item.max()) + 1
    classes = int(max(pairs.first.max(), pairs.second.max())) + 1

    def by_class(of_first: Floats, of_second: Floats) -> Floats:
        both = np.concatenate([pairs.first, pairs.second])
        return np.bincount(both, np.concatenate([of_first, of_second]), classes).astype(np.float64)

    p = by_class(pairs.weight, pairs.weight) / (2 * items)
    if is_ordered:
        rank = np.cumsum(p) - p / 2
        apart = rank[pairs.first] - rank[pairs.second]
        distance = apart**2
        from_all = (rank - 0.5) ** 2 + p @ (rank - 0.5) ** 2
        farthest = float(np.ptp(rank[p > 0])) ** 2
        pull_observed = 2 / items * by_class(pairs.weight * apart, -pairs.weight * apart)
        pull_expected = 4 * p * (rank - 0.5)
    else:
        distance, from_all, farthest = (pairs.first != pairs.second).astype(np.float64), 1 - p, 1.0
        pull_observed = pull_expected = np.zeros(classes)
    observed = float(pairs.weight @ distance) / items
    expected = float(p @ from_all)
    if expected < 1e-12:  # all labels are equal: chance alone would agree always
        return ItemAlphas(np.zeros(items), 1.0)
    pull = pull_observed - observed / expected * pull_expected  # of each rank; a label moves the ranks above it
    slope = (pull.sum() - np.cumsum(pull) + pull / 2) - 2 * observed / expected * from_all
    missed = np.bincount(pairs.item, pairs.weight * (distance + (slope[pairs.first] + slope[pairs.second]) / 2), items)
    unit = (2 * items - 1) / (2 * items * expected)
    return ItemAlphas(1 - unit * (observed + missed - missed.mean()), unit * farthest)


def gwet_ac1(counts: ArrayLike, clusters: Iterable[Hashable], *, resampling: Resampling | None = None) -> Estimate:
    """Return AC1 (Gwet 2008; for any number of raters Gwet 2014, chapter 5) of units rated by any number of raters.

    `counts` has a row per unit and a column per class that is POSSIBLE, whether anybody chose it or not: the number of
    columns changes the answer. Units with two ratings or more say how raters agree, and `n` counts these; units with
    one rating or more say how frequent the classes are. Bootstrapped over clusters.

    p_a = mean_u sum_c n_uc (n_uc - 1) / (m_u (m_u - 1)),  pi_c = mean_u n_uc / m_u,
    p_e = sum_c pi_c (1 - pi_c) / (K - 1),  AC1 = (p_a - p_e) / (1 - p_e).
    """
    ratings, codes = counted(counts, clusters)
    if ratings.shape[1] < 2:
        raise ValueError(f"expected two possible classes or more, found {ratings.shape[1]}")
    m = ratings.sum(1)
    is_pair, is_rated = m >= 2, m >= 1
    agreed = np.where(is_pair, (ratings * (ratings - 1)).sum(1) / np.where(is_pair, m * (m - 1), 1), 0)
    shares = ratings / np.where(is_rated, m, 1)[:, None]
    sums = sums_by_cluster(codes[is_rated], *(column[is_rated] for column in (is_pair, agreed, *shares.T)))
    return bootstrap(sums, _compute_ac1, n=int(is_pair.sum()), resampling=resampling, name="Gwet's AC1,")


def _compute_ac1(sums: Floats) -> Floats:
    pairs, agreed, by_class = sums[:, 0], sums[:, 1], sums[:, 2:]
    pi = by_class / np.maximum(by_class.sum(1, keepdims=True), 1)  # the shares of a unit sum to 1, so of all to units
    chance = (pi * (1 - pi)).sum(1) / (by_class.shape[1] - 1)
    ac1: Floats = (quotient(agreed, pairs) - chance) / (1 - chance)
    return ac1


def counted(counts: ArrayLike, clusters: Iterable[Hashable]) -> tuple[Floats, NDArray[np.intp]]:
    """Return ratings as numbers, a row per unit, and the cluster of each unit; ValueError where they do not fit."""
    ratings, (codes, _) = np.asarray(counts, np.float64), number_names(clusters)
    if ratings.ndim != 2 or len(ratings) != codes.size or (ratings.size and ratings.min() < 0):
        raise ValueError(f"expected a row of counts and a cluster per unit, found {ratings.shape} and {codes.size}")
    return ratings, codes


def _classes(values: ArrayLike, classes: int) -> NDArray[np.intp]:
    codes = np.asarray(values)
    if codes.size and not (codes.dtype.kind in "iu" and codes.min() >= 0 and codes.max() < classes):
        raise ValueError(f"expected whole numbers from 0 to {classes - 1} as classes")
    return codes.astype(np.intp, copy=False)


def with_others(counts: ArrayLike, judged: ArrayLike | None = None) -> Floats:
    """Return the share of people, by unit, who agree with the majority of the others: each in turn is left out.

    `counts` has a row per unit of two people or more and a column per class: how many people gave the unit that class.
    With `judged`, of the same shape, the judge's verdicts take the place of the person left out; a judge that was
    asked twice counts with the mean of both.
    """
    people = np.asarray(counts, np.float64)
    if not len(people):
        return np.zeros(0)
    # of the unit without a person who said k: unit by k by class
    rest = people[:, None, :] - np.eye(people.shape[1])
    is_mode = (rest == rest.max(2, keepdims=True)) & (rest > 0)
    score = is_mode / np.maximum(is_mode.sum(2, keepdims=True), 1)
    left_out = people / people.sum(1, keepdims=True)
    if judged is None:
        agreement = np.einsum("uk,ukk->u", left_out, score)
    else:
        verdicts = np.asarray(judged, np.float64)
        agreement = np.einsum("uk,ukc,uc->u", left_out, score, verdicts / verdicts.sum(1, keepdims=True))
    agreed: Floats = np.clip(agreement, 0, 1)
    return agreed
