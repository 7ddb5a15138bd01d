"""The gate between judge and training: each edge by figures made by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.audit.gates import Outcome
from amendment.calibration.beside import Beside
from amendment.calibration.gate import (
    FEWEST,
    GateLimits,
    orders_gate,
    people_gate,
    unreadable_gate,
    worst,
)
from amendment.statistics import Estimate
from amendment.statistics.intervals import NO_VARIATION, cautioned

LIMITS = GateLimits()
NAN = math.nan
NONE = Estimate(NAN, NAN, NAN, 0, 0)


def figure(value: float, low: float = NAN, high: float = NAN, *, n: int = 60, clusters: int = 40) -> Estimate:
    return cautioned(Estimate(value, low, high, n, clusters))


def beside(difference: Estimate, items: int = 60) -> Beside:
    return Beside(items, 0.7 + difference.value, figure(0.7, 0.6, 0.8), difference)


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (-0.0499, 0.1, "PASS"),  # all of it above the margin of five points
        (-0.05, 0.1, "WARN"),  # it touches the margin
        (-0.2, 0.1, "WARN"),
        (-0.2, -0.0499, "WARN"),  # the last bit of it lies above
        (-0.2, -0.05, "FAIL"),  # none of it above
    ],
)
def test_people_decide_by_the_whole_interval(low: float, high: float, outcome: str) -> None:
    gate = people_gate(figure(0.7, 0.6, 0.8), beside(figure((low + high) / 2, low, high)), LIMITS)
    assert (gate.judge, gate.check, gate.outcome) == ("the judge's labels", "people", outcome)
    assert f"{low:+.3f} to {high:+.3f}" in gate.found


def test_the_margin_is_the_run_files() -> None:
    found = beside(figure(-0.1, -0.15, -0.06))
    agreement = figure(0.7, 0.6, 0.8)
    assert people_gate(agreement, found, GateLimits(below_ceiling=0.05)).outcome == "FAIL"
    assert people_gate(agreement, found, GateLimits(below_ceiling=0.1)).outcome == "WARN"
    assert people_gate(agreement, found, GateLimits(below_ceiling=0.2)).outcome == "PASS"


def test_a_ceiling_needs_two_people_on_thirty_items() -> None:
    terrible = figure(-0.5, -0.6, -0.4)
    at_least = people_gate(figure(0.7, 0.6, 0.8), beside(terrible, items=FEWEST), LIMITS)
    fewer = people_gate(figure(0.7, 0.6, 0.8), beside(terrible, items=FEWEST - 1), LIMITS)
    assert (at_least.outcome, fewer.outcome) == ("FAIL", "WARN")
    assert "no ceiling from 29 items with two people" in fewer.found


@pytest.mark.parametrize(
    ("low", "high", "outcome"), [(0.3, 0.49, "FAIL"), (0.3, 0.5, "WARN"), (0.4, 0.6, "WARN"), (0.9, 1.0, "WARN")]
)
def test_with_one_annotator_only_a_judge_worse_than_a_coin_fails(low: float, high: float, outcome: str) -> None:
    gate = people_gate(figure((low + high) / 2, low, high), beside(NONE, items=0), LIMITS)
    assert gate.outcome == outcome


def test_where_all_prompts_say_the_same_twenty_decide_and_fewer_warn() -> None:
    # 40 items, on every one of which the judge agrees with both people, who agree: difference 0, no variation
    same = Estimate(0.0, NAN, NAN, 40, 40, note=NO_VARIATION)
    assert people_gate(figure(1.0), beside(same, items=40), LIMITS).outcome == "PASS"
    worse = Estimate(-1.0, NAN, NAN, 40, 40, note=NO_VARIATION)
    assert people_gate(figure(0.0), beside(worse, items=40), LIMITS).outcome == "FAIL"
    few = Estimate(-1.0, NAN, NAN, 40, 12, note=NO_VARIATION)
    assert people_gate(figure(0.7, 0.6, 0.8), beside(few, items=40), LIMITS).outcome == "WARN"
    always_wrong = figure(0.0, n=40, clusters=40)
    assert people_gate(always_wrong, beside(NONE, items=0), LIMITS).outcome == "FAIL"


def test_too_few_items_measure_nothing() -> None:
    gate = people_gate(figure(0.1, 0.0, 0.2, n=FEWEST - 1), beside(NONE, items=0), LIMITS)
    assert (gate.outcome, gate.found) == ("not measured", "0 items with two people, 29 with one")
    assert people_gate(NONE, beside(NONE, items=0), LIMITS).outcome == "not measured"
    four_prompts = figure(0.1, 0.0, 0.2, n=60, clusters=4)
    assert people_gate(four_prompts, beside(NONE, items=0), LIMITS).outcome == "not measured"


@pytest.mark.parametrize(
    ("value", "low", "high", "outcome"),
    [
        (0.1, 0.05, 0.15, "PASS"),
        (0.2, 0.15, 0.25, "PASS"),
        (0.21, 0.15, 0.25, "WARN"),
        (0.6, 0.5, 0.7, "WARN"),  # the interval touches the limit
        (0.6, 0.51, 0.7, "FAIL"),
    ],
)
def test_orders_fail_where_the_whole_interval_lies_above_the_limit(
    value: float, low: float, high: float, outcome: str
) -> None:
    gate = orders_gate(figure(value, low, high), LIMITS)
    assert (gate.judge, gate.check, gate.outcome) == ("the judge's labels", "orders", outcome)


def test_orders_without_enough_items_measure_nothing() -> None:
    assert orders_gate(figure(0.9, 0.8, 1.0, n=FEWEST - 1), LIMITS).outcome == "not measured"
    assert orders_gate(NONE, LIMITS).found == "0 items of the sample were judged in both orders"


def test_a_judge_that_always_follows_the_place_fails() -> None:
    assert orders_gate(Estimate(1.0, NAN, NAN, 40, 40, note=NO_VARIATION), LIMITS).outcome == "FAIL"
    assert orders_gate(Estimate(0.0, NAN, NAN, 40, 40, note=NO_VARIATION), LIMITS).outcome == "PASS"


@pytest.mark.parametrize(
    ("share", "low", "n", "outcome"),
    [
        (0.0, 0.0, 30, "PASS"),
        (0.02, 0.01, 100, "PASS"),
        (0.03, 0.01, 100, "WARN"),
        (0.15, 0.1, 100, "WARN"),
        (0.18, 0.11, 100, "FAIL"),
        (0.6, 0.05, 30, "FAIL"),  # more than half, whatever the interval
        (0.4, 0.2, FEWEST - 1, "FAIL"),
        (0.4, 0.1, FEWEST - 1, "not measured"),
        (1.0, NAN, 5, "FAIL"),
    ],
)
def test_unreadable_verdicts(share: float, low: float, n: int, outcome: str) -> None:
    gate = unreadable_gate("gavel", figure(share, low, min(1.0, 2 * share), n=n), LIMITS)
    assert (gate.judge, gate.check, gate.outcome) == ("gavel", "unreadable", outcome)


def test_few_verdicts_measure_nothing() -> None:
    assert unreadable_gate("gavel", figure(0.0, 0.0, 0.1, n=FEWEST - 1), LIMITS).outcome == "not measured"
    assert unreadable_gate("gavel", figure(1.0, n=4, clusters=4), LIMITS).outcome == "not measured"


def test_a_debug_sample_passes_and_fails_nobody() -> None:
    bad = figure(0.1, 0.0, 0.2)
    assert people_gate(bad, beside(figure(-0.5, -0.6, -0.4)), LIMITS, "debug").outcome == "not measured"
    assert orders_gate(figure(0.9, 0.8, 1.0), LIMITS, "debug").outcome == "not measured"


@pytest.mark.parametrize(
    ("outcomes", "found"),
    [
        (("PASS", "WARN", "FAIL"), "FAIL"),
        (("PASS", "not measured", "WARN"), "WARN"),
        (("PASS", "not measured"), "not measured"),
        (("PASS", "PASS"), "PASS"),
        ((), "not measured"),
    ],
)
def test_the_worst_outcome_counts(outcomes: tuple[Outcome, ...], found: str) -> None:
    assert worst(outcomes) == found


@given(st.tuples(*[st.floats(0, 1)] * 3), st.integers(0, 200), st.integers(0, 200), st.integers(0, 100))
def test_every_figure_gets_an_outcome_and_a_wider_margin_never_a_worse_one(
    shares: tuple[float, float, float], n: int, items: int, clusters: int
) -> None:
    low, value, high = sorted(shares)
    agreement = figure(value, low, high, n=n, clusters=clusters)
    difference = figure(value - 0.5, low - 0.5, high - 0.5, n=items, clusters=clusters)
    found = [
        people_gate(agreement, beside(difference, items), GateLimits(below_ceiling=margin)).outcome
        for margin in (0.0, 0.1, 0.5)
    ]
    ranks = ["FAIL", "WARN", "not measured", "PASS"]
    assert sorted(found, key=ranks.index) == found


def test_labels_that_people_contradict_fail_however_little_people_agree_with_each_other() -> None:
    # one person always against the judge, one with it: two people agree never, and the judge in a third
    torn = Beside(60, 0.5, figure(0.0, 0.0, 0.1), figure(0.5, 0.4, 0.6))
    assert people_gate(figure(0.32, 0.24, 0.41), torn, LIMITS).outcome == "FAIL"


def test_beside_people_who_agree_no_better_than_a_coin_nothing_passes() -> None:
    torn = Beside(60, 0.68, figure(0.5, 0.37, 0.63), figure(0.18, 0.05, 0.3))
    gate = people_gate(figure(0.68, 0.6, 0.76), torn, LIMITS)
    assert gate.outcome == "WARN"
    assert "no better than a coin" in gate.found
