"""What a principle adds to a constitution, by labels that had no part in finding it.

Two figures for each principle, over the same labelled comparisons. The gain is the difference in agreement with people
between the constitution with the principle and without it, each put together as the run does it; it is what a user
would see, and it moves only where a label flips. The weight is finer. With c and x the log-odds of the constitution and
of the principle, people's choice y is explained by

    log-odds P(y = a) = w_0 c + v m + w x

without an intercept, since which answer is called a is chance. w is what the principle tells of people at the same
verdict of the constitution. m is the mean of the other candidates' log-odds: a judge answers by its overall
impression too, whatever rule it is asked by, so that any further look tells something, and what tells no more than the
others do is no finding. Candidates whose log-odds go along with this one's are left out of its m, or two wordings of
one rule would cancel each other. Errors are clustered by prompt as in `clustered_mean` (CR1, Student's t); a small
ridge keeps w finite where a principle separates people's labels completely.

Covered: Holm's correction over all candidates; candidates that say the same as a better one, which add nothing beside
it. Not covered: overall impressions where there is one candidate alone, or where all of them go along.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from amendment.calibration.people.amending.disagreements import LabelledRow, agreement_of, credit
from amendment.statistics import Estimate, bounds
from amendment.statistics.active_sampling import weighted_difference, weighted_mean
from amendment.statistics.families import holm
from amendment.statistics.intervals import FEWEST, Floats, cautioned, codes_of, t_quantile
from amendment.statistics.sides import side_of

__all__ = ["Added", "Ruling", "Tried", "added", "harmful", "rule", "weight_beside"]

LEVEL = 0.05
FURTHEST = 0.98
"""P beyond which one more look could not make anybody surer, so that a single certain verdict does not outweigh all."""
RIDGE = 0.1
STEPS = 50
ALIKE = 0.8
"""Correlation of log-odds from which two candidates are taken for one rule in two wordings."""
POWER = 2.8
"""Standard errors from which a two-sided test at 5 % finds a weight in 80 of 100 samples: 1.96 + 0.84."""


class Added(NamedTuple):
    """What one principle adds."""

    decides: Estimate
    """Share of the comparisons in which it prefers an answer."""
    agreement: Estimate
    """With people, where it decides."""
    gain: Estimate
    """Of agreement with people: the constitution with it minus without it."""
    weight: Estimate
    """In log-odds of people per log-odds of the principle."""
    p: float
    """Two-sided, of a weight of 0; nan where there is no interval."""

    @property
    def p_above(self) -> float:
        """One-sided: of a weight of 0 or less."""
        return self.p / 2 if self.weight.value > 0 else 1 - self.p / 2

    def to_json(self) -> dict[str, Any]:
        """JSON values under the names of the fields."""
        figures = {name: getattr(self, name).to_json() for name in ("decides", "agreement", "gain", "weight")}
        return {**figures, "p": None if math.isnan(self.p) else self.p}


class Tried(NamedTuple):
    """A principle over labelled comparisons, one entry each."""

    rows: Sequence[LabelledRow]
    own: Sequence[float | None]
    """P(a is better) by the principle alone; None where it could not be read."""
    without: Sequence[float]
    """P(a is better) by the constitution without it."""
    together: Sequence[float]
    """With it."""


class Ruling(NamedTuple):
    """What becomes of a candidate."""

    accepted: bool
    adjusted: float
    """One-sided p, of a weight of 0 or less, after Holm's correction; nan where it could not be tested."""
    reason: str


def added(tested: Tried, others: Sequence[Tried] = ()) -> Added:
    """What the principle adds, beside what other candidates over the same rows tell as well.

    Rows of which people say nothing either way count half for both sides.
    """
    rows = tested.rows
    inclusion = [row.inclusion for row in rows]
    prompts = [row.comparison.prompt_id for row in rows]
    decides = [float(one is not None and side_of(one) != 0) for one in tested.own]
    before, after = (
        [credit(p, row.y) for p, row in zip(column, rows, strict=True)] for column in (tested.without, tested.together)
    )
    weight, p = weight_beside(rows, [tested.without, *_impression(tested, others), tested.own])
    return Added(
        decides=weighted_mean(decides, inclusion, prompts),
        agreement=agreement_of(tested.own, rows),
        gain=weighted_difference(after, before, inclusion, prompts),
        weight=weight,
        p=p,
    )


def _impression(tested: Tried, others: Sequence[Tried]) -> list[list[float]]:
    """The mean of the others' log-odds as one column of P; none where all of them go along with this one."""
    own = _log_odds(tested.own)
    found = [odds for one in others if _correlation(odds := _log_odds(one.own), own) < ALIKE]
    return [[float(p) for p in 1 / (1 + np.exp(-np.mean(found, axis=0)))]] if found else []


def _correlation(one: Floats, other: Floats) -> float:
    """About 0, since which answer is called a is chance; 0 where one of them never varies."""
    scale = math.sqrt(float(one @ one) * float(other @ other))
    return float(one @ other) / scale if scale else 0.0


def weight_beside(
    rows: Sequence[LabelledRow], columns: Sequence[Sequence[float | None]], level: float = 1 - LEVEL
) -> tuple[Estimate, float]:
    """The weight of the last column beside those before it, and its two-sided p; columns hold P(a is better)."""
    x = np.stack([_log_odds(column) for column in columns], axis=1) if rows else np.zeros((0, len(columns)))
    y = np.array([row.y for row in rows])
    codes, clusters = codes_of([row.comparison.prompt_id for row in rows])
    nothing = Estimate(math.nan, math.nan, math.nan, len(rows), clusters, "logistic, clustered t")
    if clusters < FEWEST or not np.any(x[:, -1]):
        return cautioned(nothing), math.nan
    beta, error = _fitted(x, y, codes, clusters)
    if not error > 1e-12:
        return nothing._replace(value=beta), math.nan
    from scipy.special import stdtr

    half = t_quantile(clusters - 1, level) * error
    p = 2 * float(stdtr(clusters - 1, -abs(beta) / error))
    return cautioned(nothing._replace(value=beta, low=beta - half, high=beta + half)), p


def _log_odds(column: Sequence[float | None]) -> Floats:
    p = np.clip([0.5 if one is None else one for one in column], 1 - FURTHEST, FURTHEST)
    return np.asarray(np.log(p / (1 - p)), np.float64)


def _fitted(x: Floats, y: Floats, codes: np.ndarray, clusters: int) -> tuple[float, float]:
    """The last coefficient and its error: Newton's steps to the penalised likelihood, then the sandwich."""
    beta, ridge = np.zeros(x.shape[1]), RIDGE * np.eye(x.shape[1])
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        bread = np.linalg.inv((x * (expected * (1 - expected))[:, None]).T @ x + ridge)
        step = bread @ (x.T @ (y - expected) - RIDGE * beta)
        beta = beta + step
        if float(np.abs(step).max()) < 1e-9:
            break
    scores = x * (y - expected)[:, None]
    sums = np.stack([np.bincount(codes, column, clusters) for column in scores.T], axis=1)
    meat = clusters / (clusters - 1) * sums.T @ sums
    return float(beta[-1]), math.sqrt(max(float((bread @ meat @ bread)[-1, -1]), 0.0))


def rule(tested: Mapping[str, Tried], found: Mapping[str, Added]) -> dict[str, Ruling]:
    """Which candidates are accepted, the surest first; `found` is what `added` says of each.

    Accepted is one whose weight has an interval above 0, also by the one-sided test after Holm's correction over all,
    and beside those that were accepted before it, unless agreement surely falls.
    """
    corrected = holm({name: one.p_above for name, one in found.items()}, LEVEL)
    rulings: dict[str, Ruling] = {}
    before: list[Sequence[float | None]] = []
    names: list[str] = []
    for name in sorted(found, key=lambda one: (math.isnan(found[one].p), found[one].p_above, one)):
        reason = _against(found[name], corrected[name].adjusted) or _repeats(tested[name], before, names)
        rulings[name] = Ruling(not reason, corrected[name].adjusted, reason or "adds to what the constitution knows")
        if not reason:
            before.append(tested[name].own)
            names.append(name)
    return {name: rulings[name] for name in found}


def _against(one: Added, adjusted: float) -> str:
    """Why a candidate is not accepted by itself; empty where nothing speaks against it."""
    known, gain = bounds(one.weight), bounds(one.gain)
    if math.isnan(one.p) or known is None:
        return one.weight.note or "it could not be tested: it never prefers an answer"
    if known[1] < 0:
        return "people prefer the opposite of what it says"
    if not adjusted <= LEVEL or known[0] <= 0:
        return f"not surely more than the constitution knows already{_needed(one.weight)}"
    if gain is not None and gain[1] < 0:
        return "agreement with people falls with it: what it says is outweighed by what it blurs"
    return ""


def _needed(weight: Estimate) -> str:
    """How many labels would tell, were the weight the true one."""
    error = (weight.high - weight.low) / 4
    needed = math.ceil(weight.n * (POWER * error / weight.value) ** 2) if weight.value > error / 4 else 0
    if needed <= weight.n:
        return ""
    return f"; were its weight as estimated, about {needed:,} comparisons to test on would show it"


def _repeats(tested: Tried, before: Sequence[Sequence[float | None]], names: Sequence[str]) -> str:
    if not before:
        return ""
    weight, p = weight_beside(tested.rows, [tested.without, *before, tested.own])
    if weight.value > 0 and p <= LEVEL:
        return ""
    return f"adds nothing sure beside {' and '.join(names)}"


def harmful(found: Mapping[str, Added]) -> frozenset[str]:
    """Principles that surely harm: people decide against them at the same verdict of the others, or agreement falls
    with them. Holm's correction over both tests of all of them."""
    tests = {(name, "weight"): (one.weight.value, one.p) for name, one in found.items()}
    tests |= {(name, "gain"): (one.gain.value, _p_of(one.gain)) for name, one in found.items()}
    corrected = holm({" ".join(key): p for key, (_, p) in tests.items()}, LEVEL)
    return frozenset(key[0] for key, (value, _) in tests.items() if value < 0 and corrected[" ".join(key)].rejected)


def _p_of(gain: Estimate) -> float:
    """Two-sided, of a difference of 0, from its interval by Student's t."""
    if math.isnan(gain.low) or gain.clusters < FEWEST or gain.high <= gain.low:
        return math.nan
    from scipy.special import stdtr

    error = (gain.high - gain.low) / 2 / t_quantile(gain.clusters - 1, 1 - LEVEL)
    return 2 * float(stdtr(gain.clusters - 1, -abs(gain.value) / error))
