"""Ratings against hand arithmetic and against second implementations written here, brute force in their ways."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from amendment.statistics import Ratings, bradley_terry, davidson

Floats = NDArray[np.float64]


class Data(NamedTuple):
    first: list[str]
    second: list[str]
    y: Floats
    prompts: list[int]


def drawn(seed: int, *, k: int = 4, n: int = 160, ties: float = 0.2, soft: bool = False) -> Data:
    """Comparisons of k items, four to a prompt, of which every two items have won from each other."""
    random = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    both = [pairs[place] for place in random.integers(0, len(pairs), n - len(pairs))] + pairs
    theta = np.linspace(1, -1, k)
    p = 1 / (1 + np.exp([theta[j] - theta[i] for i, j in both]))
    y = p if soft else (random.random(n) < p).astype(float)
    y = np.where(random.random(n) < ties, 0.5, y)
    y[n - len(pairs) :] = 1.0
    names = [f"m{i}" for i in range(k)]
    return Data([names[i] for i, _ in both], [names[j] for _, j in both], y, [row // 4 for row in range(n)])


def negative_log_likelihood(data: Data, point: Floats, *, with_ties: bool) -> Floats:
    """Row by row, straight from the definitions: strengths of m0, m1, ..., then nu where there are ties."""
    place = [(int(one[1:]), int(other[1:])) for one, other in zip(data.first, data.second, strict=True)]
    a, b = (np.exp([point[pair[side]] for pair in place]) for side in (0, 1))
    if not with_ties:
        return np.asarray(-(data.y * np.log(a / (a + b)) + (1 - data.y) * np.log(b / (a + b))))
    tie = point[-1] * np.sqrt(a * b)
    seen = np.where(data.y == 1, a, np.where(data.y == 0, b, tie))
    return np.asarray(-np.log(seen / (a + b + tie)))


def derivative(f: Callable[[Floats], Floats], at: Floats, step: float = 1e-5) -> Floats:
    """Central differences, one row per coordinate."""
    sides = [(f(at + move), f(at - move)) for move in step * np.eye(at.size)]
    return np.array([(up - down) / (2 * step) for up, down in sides])


def by_minorisation(data: Data, k: int) -> Floats:
    """Hunter (2004): gamma_i = (wins of i) / sum_j (comparisons of i and j) / (gamma_i + gamma_j)."""
    wins, met = np.zeros(k), np.zeros((k, k))
    for one, other, y in zip(data.first, data.second, data.y, strict=True):
        i, j = int(one[1:]), int(other[1:])
        wins[i], wins[j] = wins[i] + y, wins[j] + 1 - y
        met[i, j], met[j, i] = met[i, j] + 1, met[j, i] + 1
    gamma = np.ones(k)
    for _ in range(3000):
        gamma = wins / (met / (gamma[:, None] + gamma[None, :])).sum(1)
        gamma /= np.exp(np.log(gamma).mean())
    return np.log(gamma)


def test_two_players_differ_by_the_logit_of_the_win_share() -> None:
    # a wins 3 of 4: theta_a - theta_b = log(3 / 1), and the sum is 0. Information 4 * 3/4 * 1/4 = 3/4 of the difference
    found = bradley_terry(["a", "a", "b", "a"], ["b", "b", "a", "b"], [1, 1, 1, 1], covariance="model")
    assert found.names == ("a", "b")
    assert found.theta == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    contrast = np.array([1, -1])
    assert contrast @ found.covariance @ contrast == pytest.approx(4 / 3)


def test_the_clustered_variance_of_two_players_by_hand() -> None:
    # p = 1/2. Prompt x: y - p = 1/2 + 1/2 = 1, z: -1/2 - 1/2 = -1. Information of the difference: 4 / 4 = 1.
    # Clustered: (1 + 1) / 1 * 2 / (2 - 1) = 4. By row: 4 * (1/4) / 1 * 4 / 3 = 4/3.
    for kind, variance in (("clustered", 4), ("sandwich", 4 / 3), ("model", 1)):
        found = bradley_terry(["a"] * 4, ["b"] * 4, [1, 1, 0, 0], clusters=["x", "x", "z", "z"], covariance=kind)  # type: ignore[arg-type]
        contrast = np.array([1, -1])
        assert contrast @ found.covariance @ contrast == pytest.approx(variance)


def test_davidson_for_two_players_by_hand() -> None:
    # 6 wins, 3 defeats, 3 ties of 12: P(a) / P(b) = 2 = e^(theta_a - theta_b); with e^theta_b = 1 / sqrt(2) and
    # e^theta_a = sqrt(2), the tie has nu * 1 : P(tie) / P(b) = nu sqrt(2) = 1, so that nu = 1 / sqrt(2)
    y = [1.0] * 6 + [0.0] * 3 + [0.5] * 3
    found = davidson(["a"] * 12, ["b"] * 12, y)
    assert found.theta == pytest.approx([math.log(2) / 2, -math.log(2) / 2])
    assert found.nu == pytest.approx(1 / math.sqrt(2))


@pytest.mark.parametrize("soft", [False, True])
def test_bradley_terry_is_where_minorisation_ends(soft: bool) -> None:
    data = drawn(1, k=6, soft=soft)
    assert bradley_terry(*data[:3]).theta == pytest.approx(by_minorisation(data, 6), abs=1e-7)


@pytest.mark.parametrize("with_ties", [False, True])
def test_the_fit_is_the_minimum_that_a_general_optimiser_finds(with_ties: bool) -> None:
    data = drawn(2)
    found = (davidson if with_ties else bradley_terry)(*data[:3])

    def loss(free: Floats) -> float:
        tail = [np.exp(free[3])] if with_ties else []
        point = np.array([*free[:3], -free[:3].sum(), *tail])
        return float(negative_log_likelihood(data, point, with_ties=with_ties).sum())

    best = minimize(loss, np.zeros(3 + with_ties), method="BFGS", options={"gtol": 1e-7})
    assert found.theta[:3] == pytest.approx(best.x[:3], abs=1e-5)
    if with_ties:
        assert found.nu == pytest.approx(math.exp(best.x[3]), abs=1e-5)


@pytest.mark.parametrize("with_ties", [False, True])
def test_covariances_are_those_of_numerical_derivatives(with_ties: bool) -> None:
    # strengths of m0 to m2 are free, m3 is minus their sum: then nothing is singular and textbook formulas hold
    data, rate = drawn(3), davidson if with_ties else bradley_terry
    found = rate(*data[:3])
    at = np.array([*found.theta[:3], *([found.nu] if with_ties else [])], np.float64)

    def rows(free: Floats) -> Floats:
        point = np.array([*free[:3], -free[:3].sum(), *free[3:]])
        return negative_log_likelihood(data, point, with_ties=with_ties)

    scores = derivative(rows, at)
    hessian = derivative(lambda free: derivative(lambda inner: rows(inner).sum(), free), at)
    bread = np.linalg.inv(hessian)
    sums = np.array([scores[:, np.array(data.prompts) == prompt].sum(1) for prompt in set(data.prompts)]).T
    n, clusters = scores.shape[1], sums.shape[1]
    expected = {
        "model": bread,
        "sandwich": bread @ scores @ scores.T @ bread * n / (n - 1),
        "clustered": bread @ sums @ sums.T @ bread * clusters / (clusters - 1),
    }
    for kind, covariance in expected.items():
        rated = rate(*data[:3], clusters=data.prompts, covariance=kind)  # type: ignore[arg-type]
        assert rated.covariance[:3, :3] == pytest.approx(covariance[:3, :3], rel=1e-3)
        assert rated.covariance.sum(0) == pytest.approx(np.zeros(4), abs=1e-9)


def test_the_interval_of_a_difference_takes_the_covariance_into_account() -> None:
    data = drawn(4)
    rated = bradley_terry(*data[:3], clusters=data.prompts)
    found, c = rated.difference("m0", "m2"), rated.covariance
    half = 2.0227 * math.sqrt(c[0, 0] + c[2, 2] - 2 * c[0, 2])  # Student's t of 39 degrees of freedom, table value
    assert found.value == pytest.approx(rated.theta[0] - rated.theta[2])
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-4)
    assert (found.n, found.clusters) == (160, 40)
    turned = rated.difference("m2", "m0")
    assert (turned.value, turned.low, turned.high) == pytest.approx((-found.value, -found.high, -found.low))


def test_ranks_are_open_exactly_where_differences_are() -> None:
    rated = bradley_terry(*drawn(5, k=5, n=120)[:3])
    surely = {(a, b) for a in rated.names for b in rated.names if a != b and rated.difference(a, b).low > 0}
    assert surely
    ranks = rated.ranks()
    assert list(ranks) == sorted(rated.names, key=lambda name: -rated.of(name).value)
    for name, found in ranks.items():
        assert found.low == 1 + sum((other, name) in surely for other in rated.names)
        assert found.high == 5 - sum((name, other) in surely for other in rated.names)


def test_a_row_of_weight_three_is_three_rows() -> None:
    data = drawn(6, n=40)
    once = [*data.first], [*data.second], data.y
    thrice = data.first + data.first[:5] * 2, data.second + data.second[:5] * 2, [*data.y, *data.y[:5], *data.y[:5]]
    weighted = davidson(*once, weights=[3.0] * 5 + [1.0] * 35, covariance="model")
    repeated = davidson(*thrice, covariance="model")
    assert weighted.theta == pytest.approx(repeated.theta)
    assert weighted.covariance == pytest.approx(repeated.covariance)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), rate=st.sampled_from([bradley_terry, davidson]))
def test_who_stands_first_and_in_which_row_changes_nothing(seed: int, rate: Callable[..., Ratings]) -> None:
    data, random = drawn(seed, n=60), np.random.default_rng(seed)
    rows, turn = random.permutation(60), random.random(60) < 0.5
    first = [data.second[i] if turn[i] else data.first[i] for i in rows]
    second = [data.first[i] if turn[i] else data.second[i] for i in rows]
    y = [1 - data.y[i] if turn[i] else data.y[i] for i in rows]
    one = rate(*data[:3], clusters=data.prompts)
    other = rate(first, second, y, clusters=[data.prompts[i] for i in rows])
    assert one.theta == pytest.approx(other.theta, abs=1e-8)
    assert one.covariance == pytest.approx(other.covariance, abs=1e-8)
    assert one.theta.sum() == pytest.approx(0, abs=1e-9)


def test_ratings_as_json_hold_no_nan_and_stand_best_first() -> None:
    rated = davidson(["a", "b", "a"], ["b", "a", "b"], [1, 1, 0.5], clusters=["p", "p", "p"])
    told = json.loads(json.dumps(rated.to_json(), allow_nan=False))
    assert [row["name"] for row in told["ratings"]] == ["a", "b"]
    assert told["covariance"] == [[None, None], [None, None]]
    assert told["nu"] == pytest.approx(1.0)  # a third each: P(tie) = nu / (2 + nu) = 1 / 3
    assert "no interval from fewer than two clusters" in told["warnings"]


def test_many_ties_under_bradley_terry_are_told() -> None:
    data = drawn(7, ties=0.3)
    assert any("Davidson" in note for note in bradley_terry(*data[:3]).warnings)
    assert davidson(*data[:3]).warnings == ()


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((["a"], ["a"], [1]), "compared with itself"),
        ((["a"], ["b"], [1.5]), "y from 0 to 1"),
        ((["a"], ["b"], [math.nan]), "y from 0 to 1"),
        ((["a"], ["b", "c"], [1]), "as many"),
        (([], [], []), "no comparison"),
    ],
)
def test_bad_rows_are_refused_with_what_was_found(rows: tuple[list[str], list[str], list[float]], found: str) -> None:
    for rate in (bradley_terry, davidson):
        with pytest.raises(ValueError, match=found):
            rate(*rows)


def test_davidson_refuses_what_is_neither_won_nor_lost_nor_tied() -> None:
    with pytest.raises(ValueError, match=r"1, 0\.5 \(a tie\) and 0"):
        davidson(["a", "b"], ["b", "a"], [0.7, 1])
