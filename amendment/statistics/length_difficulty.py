"""How hard each prompt is to win, fitted over many systems that were compared with one opponent.

    logit P(system s beats the opponent on prompt i) = theta_s + phi_s tanh(length difference / s) + psi_s difficulty_i

All of theta, phi, psi and the difficulties together, by turns: Newton steps for each system, then for each prompt. The
difficulty is positive where systems win more easily. Held: phi at the mean of all systems, psi at 1, difficulties at 0.
It is what `length_controlled` takes; Dubois et al. (2024, arXiv 2404.04475) fit theirs over their leaderboard.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from amendment.statistics.intervals import Floats
from amendment.statistics.length_control import ANCHOR, RIDGE, length_term

FEWEST_SYSTEMS = 20
"""Below this many a prompt's difficulty is too uncertain, and is left out."""
SPREAD = 2.0
"""Prior variance of a difficulty, in log-odds squared."""
TURNS, NEAR = 40, 1e-3
"""Turns at most, and the greatest change of a difficulty at which they end."""
STEPS, LONGEST_STEP = 4, 3.0
Codes = NDArray[np.intp]


class Difficulty(NamedTuple):
    """What the fit over all systems says."""

    difficulty: Floats
    """Of each row's prompt, in log-odds, with a mean of 0 over prompts."""
    slope: float
    """Mean of phi over systems: log-odds that being much longer adds."""


def length_difficulty(wins: ArrayLike, apart: ArrayLike, systems: ArrayLike, prompts: ArrayLike) -> Difficulty:
    """One row per comparison with the common opponent: P(the system wins), how much longer its answer is, and whole
    numbers for system and prompt."""
    y, d = np.asarray(wins, np.float64), np.asarray(apart, np.float64)
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
        if np.abs(moved - moved.mean()).max() < NEAR:
            break
    return Difficulty(hard[i], slope)


def _systems(y: Floats, columns: Floats, s: Codes, parameters: Floats, slope: float) -> Floats:
    """A few Newton steps for each system's theta, phi and psi."""
    count, center = len(parameters), np.array([0.0, slope, 1.0])
    held = RIDGE * np.bincount(s, minlength=count)
    penalty = np.zeros((count, 3, 3))
    penalty[:, 0, 0], penalty[:, 1, 1], penalty[:, 2, 2] = ANCHOR, held, held
    for _ in range(STEPS):
        p = _sigmoid((parameters[s].T * columns).sum(0))
        gradient = np.stack([np.bincount(s, (y - p) * column, count) for column in columns], axis=1)
        gradient -= np.einsum("sjk,sk->sj", penalty, parameters - center)
        bend = [[np.bincount(s, p * (1 - p) * column * other, count) for column in columns] for other in columns]
        step = np.linalg.solve(np.moveaxis(np.array(bend), 2, 0) + penalty, gradient[:, :, None])[:, :, 0]
        parameters = parameters + np.clip(step, -LONGEST_STEP, LONGEST_STEP)
    return parameters


def _prompts(y: Floats, offset: Floats, psi: Floats, i: Codes, hard: Floats) -> Floats:
    """A few Newton steps for each prompt's difficulty."""
    for _ in range(STEPS):
        p = _sigmoid(offset + psi * hard[i])
        gradient = np.bincount(i, psi * (y - p), hard.size) - hard / SPREAD
        bend = np.bincount(i, psi**2 * p * (1 - p), hard.size) + 1 / SPREAD
        hard = hard + np.clip(gradient / bend, -LONGEST_STEP, LONGEST_STEP)
    return hard


def _sigmoid(x: Floats) -> Floats:
    p: Floats = 0.5 * (1 + np.tanh(x / 2))
    return p
