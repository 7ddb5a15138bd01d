"""A judge's preference explained by people's and by what answers carry, so that each is told from the others.

    y = a + b q + c_1 m_1 + ... + e

y is the judge's P(A is better) on an item, q people's, m what answer A carries more than answer B. A mark that goes
along with quality moves people too; c is what it moves the judge beyond that. People err, and a covariate with errors
explains too little, so that marks would seem to matter: each person's vote is instrumented by the others' (two-stage
least squares; Wooldridge 2010, section 5.1), whose errors are their own. With one person on an item nothing is tested.

Errors are clustered by prompt, each prompt's residuals enlarged by its leverage (in the manner of the jackknife, CR3:
Cameron and Miller 2015, section VI.B), so that few prompts do not make the tests too eager.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from amendment.audit._table import Codes, Numbers
from amendment.statistics import Estimate
from amendment.statistics.intervals import FEWEST, codes_of

__all__ = ["Effect", "effects"]

FEWEST_ITEMS = 30
"""Items with two people from which anything is fitted."""
LEAST_FIRST = 10.0
"""F of the instrument in the first stage; below it people agree too little to be each other's instrument."""
LEAST_OWN = 0.1
"""Share of a mark's variance that the others and people leave unexplained, below which it cannot be told from them."""


NO_BIAS = 0.025
"""Change of P up to which nothing is called a bias: votes are a coarse measure of quality, and what they leave of it
goes along with length, by about as much in a simulated world of unbiased judges."""


class Effect(NamedTuple):
    """What one column does beyond the others."""

    change: Estimate
    """By how much P rises from -1 to 1 in its column: from carrying less to carrying more."""
    p: float
    """Of a change as large as this, or larger, where the true one is no larger than `NO_BIAS` either way: by Student's
    t with one degree of freedom less than there are prompts; nan where not tested."""


class PeopleSaid(NamedTuple):
    """People's votes, one entry per person and item."""

    item: Codes
    p: Numbers
    """P(A is better)."""


class _Rows(NamedTuple):
    y: Numbers
    q: Numbers
    z: Numbers
    item: Codes
    weight: Numbers


def effects(
    y: Numbers, people: PeopleSaid, marks: dict[str, Numbers], prompts: Codes, level: float
) -> dict[str, Effect]:
    """The effect of every mark, all in one model.

    `y` has the judge's P(A) per item, nan without one, `marks` a value from -1 to 1 per item, `prompts` the cluster.
    Items without votes of two people take no part.
    """
    read = ~np.isnan(y[people.item])
    people = PeopleSaid(people.item[read], people.p[read])
    rows = _instrumented(y, people)
    if isinstance(rows, str):
        return {name: _untold(rows) for name in marks}
    told, untold = _apart(rows, marks)
    if not told:
        return untold
    found = _fitted(rows, np.stack([marks[name][rows.item] for name in told], axis=1), prompts, level)
    known = {**untold, **dict(zip(told, found, strict=True))}
    return {name: known[name] for name in marks}


def _sums(items: int, people: PeopleSaid) -> tuple[Codes, Numbers]:
    counts: Codes = np.bincount(people.item, minlength=items).astype(np.int64)
    return counts, np.bincount(people.item, people.p, items).astype(np.float64)


def _instrumented(y: Numbers, people: PeopleSaid) -> _Rows | str:
    """A row per item and person, with the mean of the others; or why there is none."""
    counts, totals = _sums(y.size, people)
    many = counts[people.item] > 1
    item, q = people.item[many], people.p[many]
    shared = np.unique(item).size
    if shared < FEWEST_ITEMS:
        return f"needs two annotators on {FEWEST_ITEMS} items, found {shared}" if shared else "needs two annotators"
    n = counts[item]
    z = (totals[item] - q) / (n - 1)
    moving = z.std() > 0 and q.std() > 0
    r = float(np.corrcoef(z, q)[0, 1]) if moving else 0.0
    strength = math.inf if abs(r) >= 1 else (np.unique(item).size - 2) * r * r / (1 - r * r)
    if r <= 0 or strength < LEAST_FIRST:
        return "annotators agree too little with each other"
    return _Rows(y[item], q, z, item, 1 / n)


def _apart(rows: _Rows, marks: dict[str, Numbers]) -> tuple[list[str], dict[str, Effect]]:
    """Names of marks that can be told from people and from each other, the first named first; why the others not."""
    basis, told, untold = np.stack([np.ones(rows.q.size), rows.z], axis=1), [], {}
    root = np.sqrt(rows.weight)[:, None]
    for name, column in marks.items():
        x = column[rows.item][:, None]
        if np.unique(rows.item[x[:, 0] != 0]).size < FEWEST_ITEMS:
            untold[name] = _untold(f"fewer than {FEWEST_ITEMS} items in which the answers differ in it")
            continue
        left = root * (x - basis @ np.linalg.lstsq(root * basis, root * x, rcond=None)[0])
        around = root * (x - np.average(x[:, 0], weights=rows.weight))
        if (left**2).sum() <= LEAST_OWN * (around**2).sum():
            untold[name] = _untold("it goes along with the others: cannot be told from them")
            continue
        basis = np.concatenate([basis, x], axis=1)
        told.append(name)
    return told, untold


def _untold(why: str) -> Effect:
    return Effect(Estimate(math.nan, math.nan, math.nan, 0, 0, note=why), math.nan)


def _fitted(rows: _Rows, marks: Numbers, prompts: Codes, level: float) -> list[Effect]:
    """beta = (Z'WX)^-1 Z'Wy, with the sandwich of sums of Z'We over prompts."""
    one = np.ones((rows.y.size, 1))
    x = np.concatenate([one, rows.q[:, None], marks], axis=1)
    z = np.concatenate([one, rows.z[:, None], marks], axis=1) * rows.weight[:, None]
    bread = np.linalg.pinv(z.T @ x)
    beta = bread @ (z.T @ rows.y)
    codes, clusters = codes_of(prompts[rows.item])
    leverage = np.bincount(codes, np.einsum("ri,ij,rj->r", x, bread, z), clusters)
    scores = z * (rows.y - x @ beta)[:, None]
    summed = np.stack([np.bincount(codes, column, clusters) for column in scores.T], axis=1)
    sums: Numbers = summed / np.maximum(1 - leverage, 0.5)[:, None]
    items = int(np.unique(rows.item).size)
    errors = np.sqrt(np.diag(bread @ (sums.T @ sums) @ bread.T))
    return [
        _effect(2 * float(value), 2 * float(error), items, clusters, level)
        for value, error in zip(beta[2:], errors[2:], strict=True)
    ]


def _effect(value: float, error: float, items: int, clusters: int, level: float) -> Effect:
    method = "least squares beside people, clustered t"
    if clusters < FEWEST:
        note = f"no interval from fewer than {FEWEST} clusters"
        return Effect(Estimate(value, math.nan, math.nan, items, clusters, method, note), math.nan)
    from scipy.special import stdtr, stdtrit

    half = float(stdtrit(clusters - 1, 0.5 + level / 2)) * error
    estimate = Estimate(value, value - half, value + half, items, clusters, method)
    near, far = abs(value) - NO_BIAS, abs(value) + NO_BIAS
    if error <= 1e-12:
        return Effect(estimate, 0.0 if near > 0 else 1.0)
    return Effect(estimate, float(stdtr(clusters - 1, -near / error) + stdtr(clusters - 1, -far / error)))
