"""Figures of calibration by hand, by other libraries, and where the truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amendment.statistics.calibration_errors import (
    CalibrationReport,
    calibration_gain,
    calibration_report,
)

Floats = NDArray[np.float64]


def report(p: Any, y: Any, **settings: Any) -> CalibrationReport:
    return calibration_report(p, y, **{"clusters": range(len(p)), "draws": 100, "simulated": 100, **settings})


def judge(n: int, *, seed: int, too_sure: float = 1.0) -> tuple[Floats, Floats]:
    """Confidences uniform from one half to 1, and labels of a world in which the judge is so many times too sure."""
    dice = np.random.default_rng(seed)
    p = dice.uniform(0, 1, n)
    return p, (dice.random(n) < 1 / (1 + ((1 - p) / p) ** (1 / too_sure))).astype(float)


def test_four_labels_by_hand() -> None:
    # the judge's side:  c 0.6 hit, c 0.6 miss | c 0.9 hit, c 0.9 hit (said of B, which won)
    # Brier (0.16 + 0.36 + 0.01 + 0.01) / 4 = 0.135;  accuracy 3/4, confidence 3/4
    # bins: c 0.6 with hits 1/2, c 0.9 with hits 1: ECE (0.1 + 0.1) / 2
    found = report([0.6, 0.4, 0.9, 0.1], [1, 1, 1, 0], bins=2)
    assert found.brier.value == pytest.approx(0.135)
    assert found.ece.value == pytest.approx(0.1)
    assert (found.accuracy.value, found.confidence.value) == pytest.approx((0.75, 0.75))
    # log loss -(ln 0.6 + ln 0.4 + 2 ln 0.9) / 4
    assert found.log_loss.value == pytest.approx(-(math.log(0.6) + math.log(0.4) + 2 * math.log(0.9)) / 4)
    assert [(row.confidence, row.accuracy.value, row.n) for row in found.bins] == [(0.6, 0.5, 2), (0.9, 1.0, 2)]


def test_ties_and_judges_without_a_side_count_half() -> None:
    # c 0.8 with a tie (half a hit), c 0.5 with a label (half a hit): Brier (0.09 + 0.25) / 2, accuracy 1/2
    found = report([0.8, 0.5], [0.5, 1.0], bins=2)
    assert found.brier.value == pytest.approx(0.17)
    assert found.accuracy.value == pytest.approx(0.5)
    assert found.ece.value == pytest.approx((0.3 + 0.0) / 2)
    assert found.ties == 1
    assert "no side in 1 of 2" in found.warnings[0]


def test_losses_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the dev extra")
    p, y = judge(300, seed=1, too_sure=2)
    weights = np.random.default_rng(1).uniform(0.5, 5, 300)
    found = report(p, y, weights=weights)
    assert found.brier.value == pytest.approx(metrics.brier_score_loss(y, p, sample_weight=weights))
    assert found.log_loss.value == pytest.approx(metrics.log_loss(y, p, sample_weight=weights))


def test_a_gain_is_seen_in_a_paired_difference() -> None:
    p, y = judge(400, seed=8, too_sure=3)
    better = 1 / (1 + ((1 - p) / p) ** (1 / 3))
    gain = calibration_gain(p, better, y, clusters=range(400), draws=400)
    before, after = report(p, y), report(better, y)
    for name in ("brier", "log_loss", "ece"):
        found = getattr(gain, name)
        assert found.value == pytest.approx(getattr(after, name).value - getattr(before, name).value), name
        assert found.high < 0, name
