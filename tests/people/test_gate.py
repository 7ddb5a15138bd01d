"""The gate between judge and training, and what labels buy: each edge by figures made by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amendment.people.people_gate import (
    agreement_with_people,
    judge_against_people,
    orders_gate,
    people_gate,
    unreadable_gate,
)
from amendment.people.samples import LabelledItem, SampledItem
from amendment.statistics import Estimate
from amendment.statistics.beside import Beside, Shown
from amendment.statistics.intervals import FEWEST_ITEMS, NO_VARIATION, cautioned
from benchmarks.label_plan import difference_variance, label_plan

MARGIN = 0.05
NAN = math.nan
NONE = Estimate(NAN, NAN, NAN, 0, 0)


def figure(value: float, low: float = NAN, high: float = NAN, *, n: int = 60, clusters: int = 40) -> Estimate:
    return cautioned(Estimate(value, low, high, n, clusters))


def same(value: float, clusters: int = 40) -> Estimate:
    return Estimate(value, NAN, NAN, 40, clusters, note=NO_VARIATION)


GOOD = figure(0.7, 0.6, 0.8)


def shown(value: float, error: float, items: int = 60, clusters: float = 1000, least: float = -1) -> Shown:
    return Shown(value, error, items, clusters, least, 1)


def beside(gap: Shown, people: Shown | None = None) -> Beside:
    people = people or shown(0.7, 0.01, least=0)
    return Beside(shown(0.7 + gap.value, 0.01), people, gap, shown(0.5, 0.1), shown(0.5, 0.1))


NOBODY = beside(shown(NAN, NAN, 0, 0))


def between(low: float, high: float) -> Estimate:
    return figure((low + high) / 2, low, high)


@pytest.mark.parametrize(
    ("agreement", "compared", "outcome"),
    [
        # the whole interval of the difference decides, against five points: 1.96 errors, and little more for
        # one more cluster among a thousand, at -1 or 1
        (GOOD, beside(shown(-0.04, 0.004)), "PASS"),
        (GOOD, beside(shown(-0.04, 0.006)), "WARN"),
        (GOOD, beside(shown(-0.06, 0.006)), "WARN"),
        (GOOD, beside(shown(-0.06, 0.004)), "FAIL"),
        # a ceiling takes two people on thirty items
        (GOOD, beside(shown(-0.5, 0.01, FEWEST_ITEMS)), "FAIL"),
        (GOOD, beside(shown(-0.5, 0.01, FEWEST_ITEMS - 1)), "WARN"),
        # with one annotator only a judge worse than a coin fails
        (between(0.3, 0.49), NOBODY, "FAIL"),
        (between(0.3, 0.5), NOBODY, "WARN"),
        (between(0.9, 1.0), NOBODY, "WARN"),
        # all prompts say the same: with one more that says the opposite, five of them do not decide, and forty do
        (GOOD, beside(shown(0.0, 0.0, 200, 200)), "PASS"),
        (GOOD, beside(shown(0.0, 0.0, 40, 5)), "WARN"),
        (GOOD, beside(shown(-1.0, 0.0, 40, 40)), "FAIL"),
        (GOOD, beside(shown(-1.0, 0.0, 40, 1)), "WARN"),
        (same(0.0), NOBODY, "FAIL"),
        # too few items or prompts
        (figure(0.1, 0.0, 0.2, n=FEWEST_ITEMS - 1), NOBODY, "not measured"),
        (figure(0.1, 0.0, 0.2, clusters=4), NOBODY, "not measured"),
        (NONE, NOBODY, "not measured"),
        # people contradict the labels, however little they agree with each other; and people no better than a coin
        (figure(0.32, 0.24, 0.41), beside(shown(0.5, 0.05), shown(0.0, 0.01, least=0)), "FAIL"),
        (figure(0.68, 0.6, 0.76), beside(shown(0.2, 0.05), shown(0.5, 0.06, least=0)), "WARN"),
    ],
)
def test_people_decide_by_whole_intervals(agreement: Estimate, compared: Beside, outcome: str) -> None:
    gate = people_gate(agreement, compared, MARGIN)
    assert (gate.judge, gate.check, gate.outcome) == ("the judge's labels", "people", outcome)


@given(st.tuples(*[st.floats(0, 1)] * 3), st.integers(0, 200), st.integers(0, 200), st.integers(0, 100))
def test_every_figure_gets_an_outcome_and_a_wider_margin_never_a_worse_one(
    shares: tuple[float, float, float], n: int, items: int, clusters: int
) -> None:
    low, value, high = sorted(shares)
    agreement = figure(value, low, high, n=n, clusters=clusters)
    gap = shown(value - 0.5, high - low, items, clusters)
    outcomes = [people_gate(agreement, beside(gap), margin).outcome for margin in (0.0, 0.1, 0.5)]
    assert sorted(outcomes, key=["FAIL", "WARN", "not measured", "PASS"].index) == outcomes


@pytest.mark.parametrize(
    ("disagree", "outcome"),
    [
        (figure(0.2, 0.15, 0.25), "PASS"),
        (figure(0.21, 0.15, 0.25), "WARN"),
        (figure(0.6, 0.5, 0.7), "WARN"),  # the interval touches the limit
        (figure(0.6, 0.51, 0.7), "FAIL"),
        (same(1.0), "FAIL"),
        (same(0.0), "PASS"),
        (figure(0.9, 0.8, 1.0, n=FEWEST_ITEMS - 1), "not measured"),
        (NONE, "not measured"),
    ],
)
def test_orders_fail_where_the_whole_interval_lies_above_one_half(disagree: Estimate, outcome: str) -> None:
    assert orders_gate(disagree).outcome == outcome


@pytest.mark.parametrize(
    ("share", "low", "n", "outcome"),
    [
        (0.02, 0.01, 100, "PASS"),
        (0.03, 0.01, 100, "WARN"),
        (0.15, 0.1, 100, "WARN"),
        (0.18, 0.11, 100, "FAIL"),
        (0.6, 0.05, 30, "FAIL"),  # more than half, whatever the interval
        (0.4, 0.1, FEWEST_ITEMS - 1, "not measured"),
        (1.0, NAN, 5, "FAIL"),
        (1.0, NAN, 4, "not measured"),
    ],
)
def test_unreadable_verdicts(share: float, low: float, n: int, outcome: str) -> None:
    gate = unreadable_gate("gavel", figure(share, low, min(1.0, 2 * share), n=n, clusters=min(n, 40)))
    assert (gate.judge, gate.check, gate.outcome) == ("gavel", "unreadable", outcome)


def item(prompt: str, p_a: float, inclusion: float = 0.5) -> SampledItem:
    return SampledItem(prompt_id=prompt, a="a", b="b", p_a=p_a, stratum="all", inclusion=inclusion)


def test_agreement_weighs_items_by_their_probability_and_is_never_taken_for_certain() -> None:
    # inclusion 0.5 weighs 2, inclusion 0.25 weighs 4: (2 * 1 + 4 * 0) / (2 + 4) = 1/3; the tie takes no part
    said = [(item("x", 0.9), (1.0,)), (item("y", 0.9, 0.25), (0.0,)), (item("z", 0.9), (0.5,))]
    agreement = agreement_with_people([LabelledItem(*one) for one in said])
    assert (agreement.value, agreement.n) == pytest.approx((1 / 3, 2))
    # 30 of 30 prompts: Wilson's lower limit is n / (n + z^2)
    perfect = agreement_with_people([LabelledItem(item(f"p{number}", 0.9), (1.0,)) for number in range(30)])
    assert (perfect.value, perfect.high, perfect.low) == pytest.approx((1, 1, 30 / (30 + 1.959964**2)))


def test_the_judge_stands_beside_two_people() -> None:
    # x: judge A; both A: judge 1, people 1.  y: judge A; one A, one B: judge 1/2, people 0
    # z: only one of two is decided, so people cannot be compared; w: the judge is undecided
    said = [("x", 0.9, (1.0, 1.0)), ("y", 0.9, (1.0, 0.0)), ("z", 0.9, (1.0, 0.5)), ("w", 0.5, (1.0, 1.0))]
    compared = judge_against_people([LabelledItem(item(prompt, p), votes) for prompt, p, votes in said])
    assert (compared.gap.items, compared.judge.value, compared.people.value) == (2, 0.75, 0.5)
    assert compared.gap.value == pytest.approx(0.25)
    assert math.isnan(judge_against_people([LabelledItem(item("x", 0.9), (1.0,))]).gap.value)


def test_what_labels_buy_by_hand() -> None:
    # 1.96 sqrt(0.75 * 0.25 / 288) = 0.0500; (1 + (6 - 1) * 0.26) = 2.3 as in PandaLM: sqrt(2.3) times as wide
    assert label_plan(288).half_width == pytest.approx(0.05, abs=1e-4)
    assert label_plan(288, per_prompt=6, together=0.26).half_width == pytest.approx(0.05 * math.sqrt(2.3), abs=1e-4)
    # SE = sqrt(0.1875 / 800) = 0.01531; (0.05 - 0) / SE - 1.96 = 1.306: Phi = 0.904; at a gap of 0.05 it is Phi(-1.96)
    assert label_plan(800).passes == pytest.approx(0.904, abs=0.001)
    assert label_plan(800, gap=0.05)[1:] == pytest.approx((0.025, 0.025), abs=1e-6)
    # two people agree in 0.68 = 0.8^2 + 0.2^2; a judge as good as they are is right in 0.8.
    # judge - people: people agree (0.68): 0 or -1, where the judge is the third who differs: 0.64 * 0.2 + 0.04 * 0.8 =
    # 0.16; people disagree (0.32): 1/2 whatever it says. Mean -0.16 + 0.16 = 0, mean square 0.16 + 0.32 / 4 = 0.24
    assert difference_variance(0.68, 0.0, annotators=2) == pytest.approx(0.24)
    with pytest.raises(ValueError, match="no judge agrees"):
        label_plan(100, gap=0.7)
