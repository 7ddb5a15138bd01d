"""Does a judge err towards one side? Measured against annotators who err themselves.

Which answer is better is not observed. Annotators say it with an error rate e, the same for all of them and towards
both sides; the judge picks the side where the other is better with probability a, and the other where the side is
better with probability b. Given which answer is better, annotators and judge err independently of each other:

    P(judge, votes) =  P(side better) P(judge | side better) (1 - e)^k e^m
                     + P(other better) P(judge | other better) e^k (1 - e)^m

with k votes for the side and m for the other (Dawid and Skene 1979, with one rate for all annotators). e starts from
the annotators' agreement with each other, (1 - e)^2 + e^2 for two of them; a, b and P(side better) start from the
system of misclassified shares, and EM takes all of them to the maximum of the likelihood. The figure is a - b.

Covered: ties are left out vote by vote; errors clustered by prompt (bootstrap). Not covered: annotators who lean to one
side themselves, and items so hard that annotators and judge err on them together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.results import Estimate
from amendment.statistics.intervals import FEWEST, FEWEST_ITEMS, Floats, cautioned, number_names
from amendment.statistics.resampling import UNDEFINED, Resampling, quotient, redrawn, sums_by_cluster

STEPS, NEAR = 200, 1e-5
"""EM steps at most, and the largest change of a probability at which they end."""
MOST_DRAWS = 500
"""Of the bootstrap, each of which is a fit of its own."""
AT_CHANCE = "annotators agree no better than chance"
LEAST = 1e-6
"""Probabilities stay this far from 0 and 1, so that their logarithms exist."""

Codes = NDArray[np.int64]
Flags = NDArray[np.bool_]


class ErrorAsymmetry(NamedTuple):
    """P(judge picks the side | the other is better) - P(judge picks the other | the side is better)."""

    difference: Estimate
    """nan where it is not measured; the note says why."""
    annotator_error: float
    """e; nan where it is not measured."""


def error_asymmetry(
    judge: ArrayLike,
    votes_for: ArrayLike,
    votes_against: ArrayLike,
    clusters: Iterable[Hashable],
    *,
    resampling: Resampling | None = None,
) -> ErrorAsymmetry:
    """Estimate the asymmetry of errors. Each row is a decided call of the judge: whether it picks the side, how many
    annotators pick the side and how many the other, the cluster (mostly the prompt). Rows without a vote are
    ignored."""
    draws = (resampling or Resampling()).checked()
    picks, k, m = np.asarray(judge, np.bool_), np.asarray(votes_for, np.int64), np.asarray(votes_against, np.int64)
    codes = number_names(clusters)[0]
    voted = k + m > 0
    picks, k, m, codes = picks[voted], k[voted], m[voted], codes[voted]
    clusters_seen = int(np.unique(codes).size)
    shared = int((k + m > 1).sum())
    estimate = Estimate(
        math.nan,
        math.nan,
        math.nan,
        k.size,
        clusters_seen,
        "EM, cluster bootstrap, the wider of normal and percentiles",
    )
    if shared < FEWEST_ITEMS:
        why = f"needs two annotators on {FEWEST_ITEMS} items, found {shared}" if shared else "needs two annotators"
        return ErrorAsymmetry(estimate._replace(note=why), math.nan)
    cells = np.unique(np.stack([picks, k - m]), axis=1)
    sums = sums_by_cluster(codes, *_columns(picks, k, m, cells))
    value, error = (float(column[0]) for column in _fit(sums.sum(0, keepdims=True), cells))
    estimate = estimate._replace(value=value)
    if math.isnan(value):
        return ErrorAsymmetry(estimate._replace(note=AT_CHANCE), math.nan)
    if clusters_seen < FEWEST:
        return ErrorAsymmetry(cautioned(estimate), error)
    fewer = draws._replace(draws=min(draws.draws, MOST_DRAWS))
    values = _fit(np.concatenate(list(redrawn(sums, fewer))), cells)[0]
    defined = values[np.isfinite(values)]
    if defined.size < (1 - UNDEFINED) * values.size:
        note = f"no interval: {AT_CHANCE} in {values.size - defined.size} of {values.size} draws"
        return ErrorAsymmetry(estimate._replace(note=note), error)
    return _with_interval(estimate, defined, error, draws.level)


def _with_interval(estimate: Estimate, values: Floats, error: float, level: float) -> ErrorAsymmetry:
    """Return the wider of two intervals: a and b of a judge that never errs end at 0, where the distribution of a - b
    is skewed, and each way alone is too narrow on some samples."""
    from scipy.special import ndtri

    half = float(ndtri(0.5 + level / 2)) * float(values.std())
    low, high = (float(bound) for bound in np.quantile(values, [0.5 - level / 2, 0.5 + level / 2]))
    wider = estimate._replace(low=min(low, estimate.value - half), high=max(high, estimate.value + half))
    return ErrorAsymmetry(cautioned(wider).within(-1, 1), error)


def _columns(picks: Flags, k: Codes, m: Codes, cells: Codes) -> list[ArrayLike]:
    """Return what EM and its start need of rows: how far two annotators of the item agree, whether there are two, and
    by cell the number of rows, of votes for and of votes against. Rows of a cell, the judge's pick and k - m, have the
    same posterior, so that their sums are enough."""
    n = k + m
    agree = np.where(n > 1, (k * (k - 1) + m * (m - 1)) / np.maximum(n * (n - 1), 1), 0.0)
    inside = [(picks == pick) & (k - m == difference) for pick, difference in cells.T]
    return [agree, n > 1, *(column * cell for column in (np.ones_like(k), k, m) for cell in inside)]


def _fit(sums: Floats, cells: Codes) -> tuple[Floats, Floats]:
    """Return a - b and e of each row of sums; nan where two annotators agree in no more than half of their items."""
    agree = quotient(sums[:, 0], sums[:, 1])
    rows, k, m = np.split(sums[:, 2:], 3, axis=1)
    picked, apart = cells[0].astype(bool), cells[1]
    side, e, a, b = _start(agree, k, m, picked)
    picks, votes, all_rows = picked.astype(np.float64), (k + m).sum(1), rows.sum(1)
    rows_picked, apart_votes = rows @ picks, k - m
    for _ in range(STEPS):
        odds_e = np.log((1 - e) / e)
        odds_side = np.log(side / (1 - side))
        if_picked = np.log((1 - b) / a)
        if_not = np.log(b / (1 - a))
        log_odds = np.outer(odds_e, apart) + np.outer(if_picked, picks) + np.outer(if_not, 1 - picks)
        posterior = 0.5 + 0.5 * np.tanh((log_odds + odds_side[:, None]) / 2)
        better = rows * posterior
        all_better = better.sum(1)
        picked_better = better @ picks
        wrong = k.sum(1) - np.einsum("dc,dc->d", posterior, apart_votes)
        new = (
            _held(all_better / all_rows),
            _held(wrong / votes, 0.5),
            _held((rows_picked - picked_better) / np.maximum(all_rows - all_better, LEAST)),
            _held((all_better - picked_better) / np.maximum(all_better, LEAST)),
        )
        moved = max(float(np.abs(now - other).max()) for now, other in zip(new, (side, e, a, b), strict=True))
        side, e, a, b = new
        if moved < NEAR:
            break
    is_known = agree > 0.5
    return np.where(is_known, a - b, math.nan), np.where(is_known, e, math.nan)


def _start(agree: Floats, k: Floats, m: Floats, picked: Flags) -> tuple[Floats, Floats, Floats, Floats]:
    """Return e from agreement, and the system of shares solved with it: of the votes v that say so, a share
    (v - e) / (1 - 2 e) is right."""
    right = np.sqrt(np.clip(2 * np.nan_to_num(agree) - 1, 0.01, 1))  # 1 - 2 e
    e = _held((1 - right) / 2, 0.5)
    votes = (k + m).sum(1)

    def better(cells: Flags) -> Floats:
        says, against = k[:, cells].sum(1), m[:, cells].sum(1)
        share: Floats = ((1 - e) * says - e * against) / (right * votes)
        return share

    picked_share = (k + m)[:, picked].sum(1) / votes
    side = _held(better(np.ones_like(picked)), 0.98, 0.02)
    right_picks = better(picked)
    a = _held((picked_share - right_picks) / (1 - side), 0.995, 0.005)
    return side, e, a, _held(1 - right_picks / side, 0.995, 0.005)


def _held(p: Floats, most: float = 1.0, least: float = 0.0) -> Floats:
    held: Floats = np.clip(np.nan_to_num(p), least + LEAST, most - LEAST)
    return held
