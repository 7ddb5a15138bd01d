"""The length-controlled win rate: by hand, against an independent fit, and recovered from simulated data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from amendment.statistics import Resampling
from amendment.statistics.length_control import length_controlled

FEW = Resampling(seed=0, draws=200)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_the_fit_is_the_one_that_a_general_optimiser_finds() -> None:
    ridge = 3.0
    random = np.random.default_rng(3)
    apart, hard = random.normal(20, 90, 150), random.normal(0, 1, 150)
    wins = random.choice([0.0, 0.5, 1.0, 0.8], 150)
    found = length_controlled(wins, apart, np.zeros(150), range(150), difficulty=hard, ridge=ridge, resampling=FEW)

    def loss(x: np.ndarray) -> float:
        log_odds = x[0] + x[1] * np.tanh(apart / apart.std()) + x[2] * hard
        likelihood = wins * log_odds - np.logaddexp(0, log_odds)
        return float(-likelihood.sum() + ridge * (x[1] ** 2 + (x[2] - 1) ** 2) / 2 + 1e-3 * x[0] ** 2 / 2)

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8}).x
    assert (found.theta, found.phi) == pytest.approx((best[0], best[1]), abs=1e-5)
    assert found.controlled.value == pytest.approx(np.mean(1 / (1 + np.exp(-best[0] - best[2] * hard))), abs=1e-6)


@pytest.mark.parametrize(
    ("apart", "warning"),
    [
        ([5.0] * 40, "hardly varies"),
        ([50.0, 60.0, 70.0, 80.0] * 10, "a is longer in 100 % of the rows"),
        ([50.0, -50.0] * 20, ""),
    ],
)
def test_lengths_that_cannot_be_told_from_quality_are_warned_of(apart: list[float], warning: str) -> None:
    found = length_controlled([1, 0, 1, 1] * 10, apart, [0.0] * 40, range(40), resampling=FEW)
    assert warning in found.warning
    assert bool(found.warning) == bool(warning)


def test_the_interval_agrees_with_the_cluster_robust_one_of_a_binomial_regression() -> None:
    # Of a logistic regression on a constant and the term, the rate at equal length is sigmoid(theta); by the delta
    # method its error is p (1 - p) times that of theta, which statsmodels gives with one sum of scores per cluster.
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels comes with the dev extra")
    random = np.random.default_rng(8)
    prompts = np.repeat(np.arange(150), 4)
    apart = random.normal(30, 100, 600) + np.repeat(random.normal(0, 60, 150), 4)
    log_odds = 0.4 + 1.2 * np.tanh(apart / apart.std()) + np.repeat(random.normal(0, 0.8, 150), 4)
    wins = np.round(1 / (1 + np.exp(-log_odds + random.normal(0, 1, 600))), 2)  # soft ones
    found = length_controlled(wins, apart, np.zeros(600), prompts, ridge=0.0, resampling=Resampling(seed=0, draws=2000))
    design = sm.add_constant(np.tanh(apart / apart.std()))
    fit = sm.GLM(wins, design, family=sm.families.Binomial()).fit(cov_type="cluster", cov_kwds={"groups": prompts})
    p = sigmoid(float(fit.params[0]))
    error = p * (1 - p) * float(fit.bse[0])
    assert (found.theta, found.phi) == pytest.approx(tuple(fit.params), abs=1e-4)
    assert found.controlled.value == pytest.approx(p, abs=1e-4)
    assert found.controlled.low == pytest.approx(p - 1.96 * error, abs=0.1 * error * 2)
    assert found.controlled.high == pytest.approx(p + 1.96 * error, abs=0.1 * error * 2)
