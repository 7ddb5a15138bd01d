"""The length-controlled win rate: how often one system would beat another if their answers were equally long.

    logit P(a beats b) = theta + phi tanh((length_a - length_b) / s) + psi difficulty,   s = sd(length_a - length_b)
    win rate = mean over rows of sigmoid(theta + psi difficulty), the length term set to 0

(Dubois et al. 2024, arXiv 2404.04475, section 3). Wins may be soft: a probability, or 0.5 for a draw. The paper holds
phi by rows of a baseline whose answers were made longer and shorter, at a fifth of the weight of the data. Here a ridge
of about the same weight holds phi at `slope`, what length does for the other systems (0 where nothing is known of
them), and psi at 1.

The difficulty of prompts, positive where systems win more easily, is fitted over many systems that were compared with
one opponent (`length_difficulty`): theta, phi and psi of all systems and the difficulties, by turns; Dubois et al. fit
theirs over their leaderboard. Without it what is hard for a system and where its opponent is long are one and the same
to phi, so that phi, held at 0, is made smaller than it is: in the simulator that is better than the raw rate and than
an unheld phi (`benchmarks/length_control.py`).

Covered: the figure with the raw win rate, an interval by a bootstrap over clusters that takes difficulty and slope as
given, a warning where length and quality cannot be told apart. Not covered: answers that are longer because they are
better; the model takes all that goes along with length for length.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.results import Estimate
from amendment.statistics.intervals import Floats, number_names
from amendment.statistics.logistic import sigmoid
from amendment.statistics.resampling import Resampling, bootstrap, sums_by_cluster
from amendment.statistics.shares import share

RIDGE = 0.02
"""A row: so much times (phi - slope)^2 / 2 is taken from the log-likelihood, and the same for psi."""
MOST_DRAWS = 500
"""Of the bootstrap, each of which is a fit."""
ANCHOR = 1e-3
"""The same for theta, so small that it matters only where all rows are won or all are lost."""
STEPS, NEAR = 60, 1e-10
"""Newton steps at most, and the greatest step at which they end."""
LONGEST_STEP = 4.0
"""Log-odds in one Newton step: a fit with steep sides does not overshoot."""
CELLS, CELLS_EACH = 16, 10
"""Groups of rows with nearly equal length terms, by which the bootstrap fits; of each term where there are two."""
LEAST_SPREAD = 0.2
"""Standard deviation of the length term below which length hardly varies."""
LEAST_OVERLAP = 0.1
"""Share of rows in which the answer of the system that is mostly shorter is the longer one."""


FEWEST_SYSTEMS = 20
"""Below this many a prompt's difficulty is too uncertain, and is left out."""
DIFFICULTY_SPREAD = 2.0
"""Prior variance of a difficulty, in log-odds squared."""
TURNS, NEAR_ENOUGH, STEPS_EACH, LONGEST_STEP_EACH = 40, 1e-3, 4, 3.0
"""Of the fit of difficulties: turns at most, and the greatest change at which they end; Newton steps in each turn, and
the longest of them."""
Codes = NDArray[np.intp]


class LengthControlled(NamedTuple):
    """A system's win rate, raw and with equal lengths."""

    raw: Estimate
    controlled: Estimate
    theta: float
    """Log-odds of winning at equal lengths (and difficulty 0)."""
    phi: float
    """Log-odds that the length term adds where a is much longer."""
    spread: float
    """Standard deviation of the length term."""
    warning: str
    """Why these rows cannot separate raw from controlled rates; empty if they can."""


class Difficulty(NamedTuple):
    """The parameters fitted over all systems. Fixed: phi at the mean of all systems, psi at 1, difficulties at 0."""

    difficulty: Floats
    """Of each row's prompt, in log-odds, with a mean of 0 over prompts."""
    slope: float
    """Mean of phi over systems: log-odds that being much longer adds."""


class Prior(NamedTuple):
    """Normal, of theta, phi and psi."""

    center: Floats
    precision: Floats


def length_controlled(
    wins: ArrayLike,
    length_a: ArrayLike,
    length_b: ArrayLike,
    clusters: Iterable[Hashable],
    *,
    difficulty: ArrayLike | None = None,
    slope: float = 0.0,
    ridge: float | None = None,
    resampling: Resampling | None = None,
) -> LengthControlled:
    """Control a win rate for length. Each row is a comparison: the win of a in [0, 1], both lengths in one unit, the
    cluster (mostly the prompt).

    `difficulty` and `slope` are those of `length_difficulty`; `ridge` replaces `RIDGE` times the rows. The bootstrap
    fits on groups of rows with nearly equal terms, which moves its bounds by less than the draws do. Raises ValueError
    for columns of different lengths and wins outside of [0, 1].
    """
    y = np.asarray(wins, np.float64)
    codes = number_names(clusters)[0]
    apart = np.asarray(length_a, np.float64) - np.asarray(length_b, np.float64)
    columns = [length_term(apart), *([] if difficulty is None else [np.asarray(difficulty, np.float64)])]
    if any(column.shape != y.shape for column in (codes, *columns)):
        raise ValueError(f"one length, cluster and difficulty per win are needed, found {y.size} wins")
    draws = (resampling or Resampling()).checked()
    ridges = RIDGE * y.size if ridge is None else ridge
    prior = Prior(
        np.array([0.0, slope, 1.0])[: 1 + len(columns)], np.array([ANCHOR, ridges, ridges])[: 1 + len(columns)]
    )
    raw = share(y, codes, draws.level)
    if not y.size:
        return LengthControlled(raw, raw, np.nan, np.nan, np.nan, "no rows")
    terms = np.stack(columns, axis=1)
    weights = np.ones((1, y.size))
    theta = _fit(terms, weights, weights * y, prior)[0]
    value = float(_rates(theta[None], terms, weights)[0])
    fewer = draws._replace(draws=min(draws.draws, MOST_DRAWS))
    around = _around(terms, y, codes, prior, fewer)
    spread = float(terms[:, 0].std())
    warning = _warning(apart, spread)
    return LengthControlled(raw, around._replace(value=value), float(theta[0]), float(theta[1]), spread, warning)


def length_term(apart: Floats) -> Floats:
    """Return tanh of the difference in standard deviations; 0 where all differences are the same, which tells
    nothing."""
    spread = float(apart.std()) if apart.size else 0.0
    return np.tanh(apart / spread) if spread > 0 else np.zeros_like(apart)


def length_difficulty(wins: ArrayLike, apart: ArrayLike, systems: ArrayLike, prompts: ArrayLike) -> Difficulty:
    """Estimate difficulties. Each row is a comparison with the common opponent: P(the system wins), how much longer its
    answer is, and whole numbers for system and prompt."""
    y = np.asarray(wins, np.float64)
    d = np.asarray(apart, np.float64)
    s, i = (np.unique(np.asarray(names), return_inverse=True)[1] for names in (systems, prompts))
    term = np.empty(y.size)
    for number in range(int(s.max()) + 1):
        term[s == number] = length_term(d[s == number])
    hard, slope = np.zeros(int(i.max()) + 1), 0.0
    parameters = np.tile([0.0, 0.0, 1.0], (int(s.max()) + 1, 1))
    for _ in range(TURNS):
        parameters = _systems(y, np.stack([np.ones(y.size), term, hard[i]]), s, parameters, slope)
        slope = float(parameters[:, 1].mean())
        moved = _prompts(y, parameters[s, 0] + parameters[s, 1] * term, parameters[s, 2], i, hard) - hard
        hard = hard + moved - (hard + moved).mean()
        if np.abs(moved - moved.mean()).max() < NEAR_ENOUGH:
            break
    return Difficulty(hard[i], slope)


def _around(terms: Floats, y: Floats, codes: Codes, prior: Prior, draws: Resampling) -> Estimate:
    """Return the interval: sums of rows and wins by cluster and cell are all that a draw needs."""
    cell = _cells(terms)
    cells = int(cell.max()) + 1
    counts = np.bincount(cell, minlength=cells)
    middle = np.stack([np.bincount(cell, column, cells) / counts for column in terms.T], axis=1)
    inside = cell[:, None] == np.arange(cells)
    sums = sums_by_cluster(codes, *inside.T, *(inside * y[:, None]).T)

    def statistic(drawn: Floats) -> Floats:
        weights, won = drawn[:, :cells], drawn[:, cells:]
        return _rates(_fit(middle, weights, won, prior), middle, weights)

    return bootstrap(sums, statistic, n=y.size, resampling=draws, name="length-controlled,")


def _cells(terms: Floats) -> Codes:
    """Return rows in groups of nearly equal terms, numbered from 0 without a gap."""
    each = CELLS if terms.shape[1] == 1 else CELLS_EACH
    code = np.zeros(len(terms), np.int64)
    for column in terms.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, each + 1)[1:-1]))
        distinct = np.unique(column)
        own = np.searchsorted(distinct, column) if distinct.size <= each else np.searchsorted(edges, column)
        code = code * (each + 1) + own
    return np.unique(code, return_inverse=True)[1].astype(np.intp)


def _fit(terms: Floats, weights: Floats, won: Floats, prior: Prior) -> Floats:
    """Run Newton's method for many fits at once: rows are draws, columns rows of data; return theta, phi (and psi) of
    each."""
    design = np.concatenate([np.ones((len(terms), 1)), terms], axis=1)
    penalty = np.diag(prior.precision)
    outer = np.einsum("ri,rj->rij", design, design).reshape(len(design), -1)
    parameters = np.tile(prior.center, (len(weights), 1))
    for _ in range(STEPS):
        p = sigmoid(parameters @ design.T)
        slope = (won - weights * p) @ design - (parameters - prior.center) @ penalty
        bend = ((weights * p * (1 - p)) @ outer).reshape(-1, *penalty.shape) + penalty
        step = np.linalg.solve(bend, slope[:, :, None])[:, :, 0]
        parameters += np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        if np.abs(step).max() < NEAR:
            break
    return parameters


def _rates(parameters: Floats, terms: Floats, weights: Floats) -> Floats:
    """Return the mean win rate of each fit over its rows, with the length term set to 0."""
    still = terms.copy()
    still[:, 0] = 0
    p = sigmoid(parameters[:, :1] + parameters[:, 1:] @ still.T)
    rates: Floats = (p * weights).sum(1) / weights.sum(1)
    return rates


def _systems(y: Floats, columns: Floats, s: Codes, parameters: Floats, slope: float) -> Floats:
    """Return a few Newton steps for each system's theta, phi and psi."""
    count = len(parameters)
    center = np.array([0.0, slope, 1.0])
    ridges = RIDGE * np.bincount(s, minlength=count)
    penalty = np.zeros((count, 3, 3))
    penalty[:, 0, 0], penalty[:, 1, 1], penalty[:, 2, 2] = ANCHOR, ridges, ridges
    for _ in range(STEPS_EACH):
        p = sigmoid((parameters[s].T * columns).sum(0))
        gradient = np.stack([np.bincount(s, (y - p) * column, count) for column in columns], axis=1)
        gradient -= np.einsum("sjk,sk->sj", penalty, parameters - center)
        bend = [[np.bincount(s, p * (1 - p) * column * other, count) for column in columns] for other in columns]
        step = np.linalg.solve(np.moveaxis(np.array(bend), 2, 0) + penalty, gradient[:, :, None])[:, :, 0]
        parameters = parameters + np.clip(step, -LONGEST_STEP_EACH, LONGEST_STEP_EACH)
    return parameters


def _prompts(y: Floats, offset: Floats, psi: Floats, i: Codes, hard: Floats) -> Floats:
    """Return a few Newton steps for each prompt's difficulty."""
    for _ in range(STEPS_EACH):
        p = sigmoid(offset + psi * hard[i])
        gradient = np.bincount(i, psi * (y - p), hard.size) - hard / DIFFICULTY_SPREAD
        bend = np.bincount(i, psi**2 * p * (1 - p), hard.size) + 1 / DIFFICULTY_SPREAD
        hard = hard + np.clip(gradient / bend, -LONGEST_STEP_EACH, LONGEST_STEP_EACH)
    return hard


def _warning(apart: Floats, spread: float) -> str:
    longer = float((apart > 0).mean())
    shorter = float((apart < 0).mean())
    warnings = []
    if spread < LEAST_SPREAD:
        warnings.append(f"the length term hardly varies (sd {spread:.2f}, below {LEAST_SPREAD})")
    if longer + shorter > 0 and min(longer, shorter) < LEAST_OVERLAP:
        side = "longer" if longer > shorter else "shorter"
        warnings.append(f"lengths hardly overlap: a is {side} in {100 * max(longer, shorter):.0f} % of the rows")
    return "; ".join(warnings)
