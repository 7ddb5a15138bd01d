"""Comparisons that cannot put all items on one scale: found, told, and rated by a prior or refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from amendment.statistics import bradley_terry, davidson

CIRCLE = (["a", "b", "c"], ["b", "c", "a"], [1.0, 1.0, 1.0])
"""Everybody has won once."""


def test_who_never_lost_is_rated_by_a_prior_and_a_warning_says_so() -> None:
    # a wins once against b. With the imagined opponent v at 0, and a = -b = t, the slope of the likelihood of a is
    # 1 - p(2t) + 1/2 - p(t) = 0. With x = e^t: 1 / (1 + x^2) = (x - 1) / (2 (x + 1)), or x^3 - x^2 - x - 3 = 0
    x = float(np.real(np.roots([1, -1, -1, -3])[0]))
    found = bradley_terry(["a"], ["b"], [1])
    assert found.theta == pytest.approx([math.log(x), -math.log(x)])
    assert found.components == (("a",), ("b",))
    assert "a; b" in found.warnings[0]
    assert "prior" in found.method


def test_groups_that_never_met_are_named_and_their_strengths_start_level() -> None:
    first, second = ["a", "b", "x", "z"], ["b", "a", "z", "x"]
    found = bradley_terry(first, second, [1, 1, 1, 1])
    assert found.components == (("a", "b"), ("x", "z"))
    assert "2 groups were never compared" in found.warnings[0]
    assert found.theta == pytest.approx(np.zeros(4), abs=1e-9)


def test_a_refusal_names_the_groups() -> None:
    with pytest.raises(ValueError, match="a; b"):
        bradley_terry(["a"], ["b"], [1], disconnected="refuse")
    assert bradley_terry(*CIRCLE, disconnected="refuse").theta == pytest.approx(np.zeros(3), abs=1e-9)


def test_a_prior_never_makes_an_interval_narrower_than_the_model_believes() -> None:
    # a won all forty from b: the scores of the rows are almost 0, and the sandwich alone would be almost certain
    first, second = ["a"] * 40 + ["b", "c"] * 10, ["b"] * 40 + ["c", "b"] * 10
    y, prompts = [1.0] * 60, [*range(40), *([40] * 20)]
    model = bradley_terry(first, second, y, clusters=prompts, covariance="model")
    clustered = bradley_terry(first, second, y, clusters=prompts)
    for contrast in ([1, -1, 0], [0, 1, -1], [1, 0, -1], [2, -1, -1]):
        vector = np.array(contrast)
        assert vector @ clustered.covariance @ vector >= vector @ model.covariance @ vector - 1e-12


def test_a_prior_keeps_what_clusters_have_in_common() -> None:
    # b against c: ten prompts of which each says four times the same. a never lost: a prior is needed
    first, second = ["b"] * 40 + ["a"], ["c"] * 40 + ["b"]
    y = [float(prompt % 2) for prompt in range(10) for _ in range(4)] + [1.0]
    prompts = [prompt for prompt in range(10) for _ in range(4)] + [99]
    spread = {
        kind: bradley_terry(first, second, y, clusters=prompts, covariance=kind).covariance
        for kind in ("model", "clustered")
    }
    contrast = np.array([0, 1, -1])
    ratio = (contrast @ spread["clustered"] @ contrast) / (contrast @ spread["model"] @ contrast)
    assert 3 < ratio < 5  # four rows that say one thing are one: about four times the variance


def test_ties_alone_do_not_hold_davidsons_strengths_together() -> None:
    # a beats b; both tie with c. The win graph is connected if ties count. Yet with a = 3c, b = 0, the tied one between
    # them and log(nu) = c, the likelihood of the rows goes to 1 as c grows: there is no finite maximum
    first, second, y = ["a", "b", "a"], ["b", "c", "c"], [1.0, 0.5, 0.5]

    def likelihood(c: float) -> float:
        def p(d: float, seen: float) -> float:
            weights = {1.0: math.exp(d / 2), 0.0: math.exp(-d / 2), 0.5: math.exp(c)}
            return weights[seen] / sum(weights.values())

        return p(3 * c, 1.0) * p(-1.5 * c, 0.5) * p(1.5 * c, 0.5)

    assert likelihood(5) < likelihood(10) < likelihood(40)
    assert likelihood(40) > 1 - 1e-3
    found = davidson(first, second, y)
    assert "prior" in found.method
    assert "b; c" in found.warnings[0]
    assert np.isfinite(found.theta).all()
    assert found.theta[0] > found.theta[2] > found.theta[1]


@pytest.mark.parametrize(("tied", "nu"), [(False, 0.0), (True, math.inf)])
def test_davidson_without_any_tie_or_with_nothing_else_is_bradley_terry(tied: bool, nu: float) -> None:
    y = [0.5, 0.5, 0.5] if tied else CIRCLE[2]
    found = davidson(CIRCLE[0], CIRCLE[1], y)
    assert found.nu == nu
    assert found.theta == pytest.approx(bradley_terry(CIRCLE[0], CIRCLE[1], y).theta)
    assert "Bradley and Terry" in found.warnings[-1]


def test_a_probability_of_one_but_for_rounding_is_a_win_and_needs_the_prior() -> None:
    sure, almost = bradley_terry(["a"], ["b"], [1.0]), bradley_terry(["a"], ["b"], [1 - 1e-12])
    assert almost.theta == pytest.approx(sure.theta)
    assert almost.components == sure.components


def test_an_unsure_judge_connects_without_a_prior() -> None:
    # one answer of P = 0.999: theta is its logit, the minimum of log(1 + e^d) - 0.999 d
    found = bradley_terry(["a"], ["b"], [0.999])
    best = minimize_scalar(lambda d: math.log1p(math.exp(d)) - 0.999 * d, bounds=(0, 20), method="bounded")
    assert found.theta[0] - found.theta[1] == pytest.approx(math.log(0.999 / 0.001), abs=1e-6)
    assert found.theta[0] - found.theta[1] == pytest.approx(best.x, abs=1e-3)
    assert found.warnings == ("no interval from fewer than two clusters",)
