"""What a principle adds, by answers worked out by hand and by worlds in which it is known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from amendment.calibration import LabelledRow, Tried, added, halves_of, harmful, principle_records, rule
from amendment.calibration.people.amending.disagreements import agreement_of, credit
from amendment.calibration.people.amending.gains import weight_beside
from amendment.records import Comparison


def row(number: int, y: float, p: float, **by_principle: float) -> LabelledRow:
    decisive = max(by_principle, key=lambda name: abs(by_principle[name] - 0.5), default=None)
    return LabelledRow(Comparison(f"prompt {number}", "a", "b"), y, 1.0, p, by_principle, decisive)


def test_credit_is_the_chance_that_a_person_agrees() -> None:
    assert [credit(0.9, 1.0), credit(0.1, 1.0), credit(0.5, 1.0), credit(0.9, 0.75)] == [1.0, 0.0, 0.5, 0.75]


def test_agreement_counts_what_the_judge_and_people_decide() -> None:
    # of four rows the judge ties in one and people in another: one right and one wrong are left
    rows = [row(0, 1.0, 0.5), row(1, 0.5, 0.9), row(2, 1.0, 0.9), row(3, 0.0, 0.9)]
    found = agreement_of([one.p for one in rows], rows)
    assert (found.value, found.n) == (0.5, 2)


def test_a_principle_is_known_by_what_it_decided_and_by_what_it_said() -> None:
    rows = [
        row(0, 0.0, 0.8, kind=0.9, short=0.6),  # kind decided, people say b
        row(1, 1.0, 0.8, kind=0.9, short=0.4),  # kind decided, people agree; short said b
        row(2, 1.0, 0.3, short=0.3),  # short decided, people say a
    ]
    kind, short = principle_records(rows)
    assert (kind.principle, kind.asked, kind.decided, kind.against) == ("kind", 2, 2, 1)
    assert (short.asked, short.decided, short.against) == (3, 1, 1)
    assert kind.agreement.value == 0.5  # wrong, right
    assert short.agreement.value == 0.0  # 0.6 against b, 0.4 and 0.3 against a


def test_rare_draws_weigh_more() -> None:
    # right with weight 1 / 0.5 = 2, wrong with weight 1 / 1: 2 / 3
    rows = [row(0, 1.0, 0.9)._replace(inclusion=0.5), row(1, 0.0, 0.9)]
    assert agreement_of([0.9, 0.9], rows).value == pytest.approx(2 / 3)


def test_halves_are_halves_and_follow_the_seed() -> None:
    names = [f"prompt {number}" for number in range(40)]
    sides = halves_of(names, seed=1)
    assert list(sides.values()).count("test") == 20
    assert halves_of(reversed(names), seed=1) == sides
    assert halves_of(names, seed=2) != sides


def test_the_weight_of_one_column_alone_is_the_log_odds_that_explain_people() -> None:
    # the rule says a with P = 0.75, log-odds log 3, and people say a in 3 of 4: weight log(3) / log(3) = 1,
    # a little less by the ridge
    rows = [row(number, float(number % 4 != 0), 0.5) for number in range(400)]
    weight, p = weight_beside(rows, [[0.5] * 400, [0.75] * 400])
    assert weight.value == pytest.approx(1.0, abs=0.01)
    # error of the log-odds: sqrt(1 / (n q (1 - q))) = sqrt(1 / 75) = 0.115; in units of log 3 it is 0.105
    assert (weight.high - weight.low) / 2 == pytest.approx(1.966 * 0.1155 / math.log(3), rel=0.02)
    assert p < 1e-10


def test_the_weight_is_that_of_a_logistic_regression() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(3)
    odds = rng.normal(size=(300, 2))
    y = (rng.random(300) < 1 / (1 + np.exp(-odds @ [0.7, 0.5]))).astype(float)
    p = 1 / (1 + np.exp(-odds))
    rows = [row(number // 2, float(one), 0.5) for number, one in enumerate(y)]
    weight, _ = weight_beside(rows, [list(p[:, 0]), list(p[:, 1])])
    fitted = sm.Logit(y, odds).fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": np.arange(300) // 2, "use_correction": False}
    )
    assert weight.value == pytest.approx(fitted.params[1], rel=0.01)
    error = (weight.high - weight.low) / 2 / 1.976  # Student's t with 149 degrees of freedom
    assert error == pytest.approx(fitted.bse[1] * math.sqrt(150 / 149), rel=0.01)


def world(n: int, *, seed: int) -> tuple[list[LabelledRow], dict[str, list[float | None]]]:
    """People follow the constitution and one rule that it lacks; a second rule says nothing of them, a third is the
    first in other words."""
    rng = np.random.default_rng(seed)
    known, missing, noise = rng.normal(size=(3, n))
    y = rng.random(n) < 1 / (1 + np.exp(-(1.5 * known + 1.5 * missing)))
    rows = [
        row(number, float(said), float(1 / (1 + math.exp(-one))))
        for number, (said, one) in enumerate(zip(y, known, strict=True))
    ]

    def shown(odds: Sequence[float]) -> list[float | None]:
        return [float(1 / (1 + math.exp(-one))) for one in odds]

    again = missing + 0.2 * rng.normal(size=n)
    return rows, {"missing": shown(missing), "idle": shown(noise), "in other words": shown(again)}


def trying(rows: list[LabelledRow], own: list[float | None]) -> Tried:
    without = [one.p for one in rows]
    return Tried(rows, own, without, [(a + (b or 0.5)) / 2 for a, b in zip(without, own, strict=True)])


def test_a_missing_rule_is_accepted_once_and_an_idle_one_never() -> None:
    accepted = []
    for seed in range(10):
        rows, columns = world(200, seed=seed)
        tests = {name: trying(rows, own) for name, own in columns.items()}
        found = {name: added(one, [tests[other] for other in tests if other != name]) for name, one in tests.items()}
        rulings = rule(tests, found)
        accepted.append(sorted(name for name, one in rulings.items() if one.accepted))
        repeated = next(
            one for name, one in rulings.items() if name in ("missing", "in other words") and not one.accepted
        )
        assert repeated.reason.startswith("adds nothing sure beside")
    assert all(one in (["missing"], ["in other words"]) for one in accepted)


def test_what_every_look_tells_is_no_finding() -> None:
    # each candidate shows the same overall impression, and its own noise: none tells more than the others do
    wrong = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        overall = rng.normal(size=150)
        rows = [
            row(n, float(rng.random() < 1 / (1 + math.exp(-2 * one))), 0.5 + 0.1 * math.tanh(one))
            for n, one in enumerate(overall)
        ]
        looks = {
            str(k): [float(1 / (1 + math.exp(-v))) for v in 0.3 * overall + rng.normal(size=150)] for k in range(6)
        }
        tests = {name: trying(rows, list(own)) for name, own in looks.items()}
        found = {name: added(one, [tests[other] for other in tests if other != name]) for name, one in tests.items()}
        wrong += sum(one.accepted for one in rule(tests, found).values())
    assert wrong <= 3  # of 120


def test_a_rule_that_people_turn_round_is_refused_and_said_so() -> None:
    rows, columns = world(200, seed=4)
    against = trying(rows, [1 - (one or 0) for one in columns["missing"]])
    found = {"against": added(against)}
    assert rule({"against": against}, found)["against"].reason == "people prefer the opposite of what it says"
    assert harmful(found) == {"against"}


def test_a_rule_that_never_prefers_anything_cannot_be_tested() -> None:
    rows, _ = world(60, seed=1)
    one = trying(rows, [None] * 60)
    found = added(one)
    assert found.decides.value == 0.0
    assert math.isnan(found.p)
    assert not rule({"mute": one}, {"mute": found})["mute"].accepted


def test_few_labels_say_how_many_would_tell() -> None:
    reasons = []
    for seed in range(12):
        rows, columns = world(12, seed=seed)
        one = trying(rows, columns["missing"])
        reasons.append(rule({"x": one}, {"x": added(one)})["x"].reason)
    doubtful = [
        reason for reason in reasons if reason.startswith("not surely more than the constitution knows already")
    ]
    assert any("comparisons to test on would show it" in reason for reason in doubtful)
