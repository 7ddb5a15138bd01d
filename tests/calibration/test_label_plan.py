"""The plan of labels: textbook sizes, and chances of the gate that simulated gates bear out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from amendment.calibration.label_plan import (
    PLANNED_LABELS,
    Design,
    PlanAssumptions,
    design_of,
    difference_variance,
    gate_chances,
    half_width,
    label_plan,
    labels_needed,
)
from amendment.calibration.plan_text import own_lines, plan_lines
from amendment.calibration.samples import SampledItem
from amendment.statistics import paired_difference

PLAIN = PlanAssumptions()


def test_five_points_at_three_quarters_take_288_labels() -> None:
    # 1.96^2 * 0.75 * 0.25 / 0.05^2 = 3.8415 * 75 = 288.1; the half width of 288 is 1.96 sqrt(0.1875 / 288) = 0.0500
    assert labels_needed(0.05, [Design(100)], PLAIN) == 288
    assert half_width(Design(288), PLAIN) == pytest.approx(0.05, abs=1e-4)


def test_comparisons_of_a_prompt_and_unequal_weights_make_an_interval_wider() -> None:
    # (1 + (6 - 1) * 0.26) * 1 = 2.3, as in PandaLM: 288.1 * 2.3 = 662.7 labels, and sqrt(2.3) = 1.517 times as wide
    assumed = PlanAssumptions(together=0.26)
    assert Design(100, 6.0).effect(0.26) == pytest.approx(2.3)
    assert labels_needed(0.05, [Design(100, 6.0)], assumed) == 663
    assert half_width(Design(100, 6.0), assumed) == pytest.approx(math.sqrt(2.3) * half_width(Design(100), assumed))
    assert Design(100, 6.0, 1.5).effect(0.26) == pytest.approx(3.45)


def test_the_design_effect_is_that_of_the_size_that_is_needed() -> None:
    # between 200 and 400 labels the effect rises from 1 to 2: n = 288.1 (1 + (n - 200) / 200) has n = 288.1 / 0.4405,
    # which is beyond 400; with the effect of 400 it is 576.2
    designs = [Design(200, 1.0), Design(400, 1.0, 2.0)]
    assert labels_needed(0.05, designs, PLAIN) == 576
    assert labels_needed(0.1, designs, PLAIN) == 72


def test_a_design_is_read_off_the_items() -> None:
    # prompts with 1 and 3 items: (1 + 9) / 4 = 2.5; weights 1, 2, 2, 2: 4 * 13 / 49
    items = [
        SampledItem(prompt_id=prompt, a=f"a{n}", b=f"b{n}", p_a=0.5, stratum="all", inclusion=inclusion)
        for n, (prompt, inclusion) in enumerate([("p", 1.0), ("q", 0.5), ("q", 0.5), ("q", 0.5)])
    ]
    assert design_of(items) == pytest.approx((4, 2.5, 52 / 49))
    assert design_of([]) == (0, 1.0, 1.0)


def test_the_variance_of_one_comparison_by_hand() -> None:
    # two people agree in 0.68 = 0.8^2 + 0.2^2; a judge as good as they are is right in 0.8.
    # judge - people: people agree (0.68): 0 or -1, where the judge is the third who differs: 0.64 * 0.2 + 0.04 * 0.8 =
    # 0.16; people disagree (0.32): 1/2 whatever it says. Mean -0.16 + 0.16 = 0, mean square 0.16 + 0.32 / 4 = 0.24
    assert difference_variance(0.68, 0.0, annotators=2) == pytest.approx(0.24)


def test_chances_of_the_gate_by_hand() -> None:
    # SE = sqrt(0.1875 / 800) = 0.01531; (0.05 - 0) / SE - 1.96 = 1.306: Phi = 0.904; at a gap of 0.05 it is Phi(-1.96)
    design = Design(800)
    assert gate_chances(design, 0.0, PLAIN).passes == pytest.approx(0.904, abs=0.001)
    assert gate_chances(design, 0.05, PLAIN) == pytest.approx((0.025, 0.025), abs=1e-6)


@pytest.mark.parametrize(("gap", "items"), [(0.0, 200), (0.0, 400), (0.1, 400)])
def test_simulated_gates_pass_and_fail_as_often_as_planned(gap: float, items: int) -> None:
    # 1,500 gates: a frequency has a standard error of 0.013 at most; four of them, and 0.02 for the approximation
    random = np.random.default_rng(3)
    c = (1 + math.sqrt(0.5)) / 2
    q = (0.75 - gap - (1 - c)) / (2 * c - 1)
    gates = 1500
    passed = failed = 0
    for _ in range(gates):
        one, other, judge = (random.random(items) < skill for skill in (c, c, q))
        agreed = ((judge == one).astype(float) + (judge == other)) / 2
        low, high = paired_difference(agreed, (one == other).astype(float), np.arange(items))[1:3]
        passed += low > -0.05
        failed += high < -0.05
    planned = gate_chances(Design(items), gap, PLAIN)
    assert (passed / gates, failed / gates) == pytest.approx(planned, abs=0.07)
    assert passed / gates == pytest.approx(planned.passes, abs=4 * 0.013 + 0.02)


def test_the_more_labels_the_surer_and_the_worse_the_judge_the_rarer_it_passes() -> None:
    rows = label_plan([Design(count) for count in PLANNED_LABELS], PLAIN).rows
    widths = [row.half_width for row in rows]
    assert widths == sorted(widths, reverse=True)
    assert [row.gate[0.0].passes for row in rows] == sorted(row.gate[0.0].passes for row in rows)
    for row in rows:
        passes = [chances.passes for chances in row.gate.values()]
        assert passes == sorted(passes, reverse=True)


def test_a_size_that_nobody_can_label_is_said_to_be_one() -> None:
    plan = label_plan([Design(200)], PLAIN, most=200)
    assert plan.needed[0.05] is None
    assert "more than there are" in "\n".join(plan_lines(plan))


def test_too_few_shared_comparisons_are_told_with_what_to_do() -> None:
    rows = label_plan([Design(100), Design(25)], PLAIN).rows
    told = "\n".join(own_lines(*rows))
    assert "needs 30" in told
    assert "raise spot_check.overlap" in told


@pytest.mark.parametrize(
    "wrong", [{"agreement": 0.4}, {"ceiling": 0.5}, {"ceiling": 1.0}, {"together": 2.0}, {"level": 1.0}]
)
def test_assumptions_that_cannot_hold_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        PlanAssumptions(**wrong)  # type: ignore[arg-type]
