"""The plan of labels: textbook sizes, and chances of the gate that simulated gates bear out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amendment.calibration import label_plan
from amendment.calibration.label_plan import difference_variance
from amendment.statistics import paired_difference


def test_288_labels_give_five_points_and_comparisons_of_a_prompt_make_an_interval_wider() -> None:
    # 1.96 sqrt(0.75 * 0.25 / 288) = 0.0500; (1 + (6 - 1) * 0.26) = 2.3 as in PandaLM: sqrt(2.3) times as wide
    assert label_plan(288).half_width == pytest.approx(0.05, abs=1e-4)
    assert label_plan(288, per_prompt=6, together=0.26).half_width == pytest.approx(0.05 * math.sqrt(2.3), abs=1e-4)


def test_the_variance_of_one_comparison_by_hand() -> None:
    # two people agree in 0.68 = 0.8^2 + 0.2^2; a judge as good as they are is right in 0.8.
    # judge - people: people agree (0.68): 0 or -1, where the judge is the third who differs: 0.64 * 0.2 + 0.04 * 0.8 =
    # 0.16; people disagree (0.32): 1/2 whatever it says. Mean -0.16 + 0.16 = 0, mean square 0.16 + 0.32 / 4 = 0.24
    assert difference_variance(0.68, 0.0, annotators=2) == pytest.approx(0.24)
    with pytest.raises(ValueError, match="no judge agrees"):
        label_plan(100, gap=0.7)


def test_chances_of_the_gate_by_hand() -> None:
    # SE = sqrt(0.1875 / 800) = 0.01531; (0.05 - 0) / SE - 1.96 = 1.306: Phi = 0.904; at a gap of 0.05 it is Phi(-1.96)
    assert label_plan(800).passes == pytest.approx(0.904, abs=0.001)
    assert label_plan(800, gap=0.05)[1:] == pytest.approx((0.025, 0.025), abs=1e-6)


@pytest.mark.parametrize(("gap", "items"), [(0.0, 200), (0.1, 400)])
def test_simulated_gates_pass_and_fail_as_often_as_planned(gap: float, items: int) -> None:
    # 1,000 gates: a frequency has a standard error of 0.016 at most; four of them, and 0.02 for the approximation
    random = np.random.default_rng(3)
    c = (1 + math.sqrt(0.5)) / 2
    q = (0.75 - gap - (1 - c)) / (2 * c - 1)
    gates = 1000
    passed = failed = 0
    for _ in range(gates):
        one, other, judge = (random.random(items) < skill for skill in (c, c, q))
        agreed = ((judge == one).astype(float) + (judge == other)) / 2
        low, high = paired_difference(agreed, (one == other).astype(float), np.arange(items))[1:3]
        passed += low > -0.05
        failed += high < -0.05
    assert (passed / gates, failed / gates) == pytest.approx(label_plan(items, gap=gap)[1:], abs=4 * 0.016 + 0.02)
