"""Bradley and Terry's ratings against hand arithmetic and against second implementations, brute force in their ways."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from amendment.statistics import bradley_terry, posterior

Floats = NDArray[np.float64]


class Data(NamedTuple):
    first: list[str]
    second: list[str]
    y: Floats
    prompts: list[int]


def drawn(seed: int, *, k: int = 4, n: int = 160, soft: bool = False) -> Data:
    """Comparisons of k items, four to a prompt, of which every two items have won from each other."""
    random = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    both = [pairs[place] for place in random.integers(0, len(pairs), n - len(pairs))] + pairs
    theta = np.linspace(1, -1, k)
    p = 1 / (1 + np.exp([theta[j] - theta[i] for i, j in both]))
    y = p if soft else (random.random(n) < p).astype(float)
    y = np.where(random.random(n) < 0.2, 0.5, y)
    y[n - len(pairs) :] = 1.0
    return Data([f"m{i}" for i, _ in both], [f"m{j}" for _, j in both], y, [row // 4 for row in range(n)])


def losses(data: Data, point: Floats) -> Floats:
    """-log likelihood row by row, straight from the definition."""
    a, b = (np.exp([point[int(name[1:])] for name in names]) for names in (data.first, data.second))
    return np.asarray(-(data.y * np.log(a / (a + b)) + (1 - data.y) * np.log(b / (a + b))))


def derivative(f: Callable[[Floats], Floats], at: Floats, step: float = 1e-5) -> Floats:
    """Central differences, one row per coordinate."""
    sides = [(f(at + move), f(at - move)) for move in step * np.eye(at.size)]
    return np.array([(up - down) / (2 * step) for up, down in sides])


def test_two_players_by_hand() -> None:
    # a wins 3 of 4: theta_a - theta_b = log(3 / 1), and the sum is 0
    found = bradley_terry(["a", "a", "b", "a"], ["b", "b", "a", "b"], [1, 1, 1, 1])
    assert found.names == ("a", "b")
    assert found.theta == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    # p = 1/2. Prompt x: y - p = 1/2 + 1/2 = 1, z: -1/2 - 1/2 = -1. Information of the difference: 4 / 4 = 1.
    # Clustered: (1 + 1) / 1 * 2 / (2 - 1) = 4. By row: 4 * (1/4) / 1 * 4 / 3 = 4/3.
    for clusters, variance in ((["x", "x", "z", "z"], 4), (None, 4 / 3)):
        spread = bradley_terry(["a"] * 4, ["b"] * 4, [1, 1, 0, 0], clusters=clusters).covariance
        assert np.array([1, -1]) @ spread @ np.array([1, -1]) == pytest.approx(variance)


@pytest.mark.parametrize("soft", [False, True])
def test_the_fit_is_the_minimum_that_a_general_optimiser_finds(soft: bool) -> None:
    data = drawn(2, soft=soft)

    def loss(free: Floats) -> float:
        return float(losses(data, np.array([*free, -free.sum()])).sum())

    best = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    assert bradley_terry(*data[:3]).theta[:3] == pytest.approx(best.x, abs=1e-5)


def test_the_covariance_is_that_of_numerical_derivatives() -> None:
    # strengths of m0 to m2 are free, m3 is minus their sum: then nothing is singular and textbook formulas hold
    data = drawn(3)
    found = bradley_terry(*data[:3], clusters=data.prompts)

    def rows(free: Floats) -> Floats:
        return losses(data, np.array([*free, -free.sum()]))

    scores = derivative(rows, found.theta[:3])
    hessian = derivative(lambda free: derivative(lambda inner: rows(inner).sum(), free), found.theta[:3])
    bread = np.linalg.inv(hessian)
    sums = np.array([scores[:, np.array(data.prompts) == prompt].sum(1) for prompt in set(data.prompts)]).T
    clusters = sums.shape[1]
    expected = bread @ sums @ sums.T @ bread * clusters / (clusters - 1)
    assert found.covariance[:3, :3] == pytest.approx(expected, rel=1e-3)
    assert found.covariance.sum(0) == pytest.approx(np.zeros(4), abs=1e-9)


def test_the_interval_of_a_difference_takes_the_covariance_into_account() -> None:
    data = drawn(4)
    rated = bradley_terry(*data[:3], clusters=data.prompts)
    found, c = rated.difference("m0", "m2"), rated.covariance
    half = 2.0227 * math.sqrt(c[0, 0] + c[2, 2] - 2 * c[0, 2])  # Student's t of 39 degrees of freedom, table value
    assert found.value == pytest.approx(rated.theta[0] - rated.theta[2])
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=1e-4)
    assert (found.n, found.clusters) == (160, 40)
    one = bradley_terry(["a", "b"], ["b", "a"], [1, 1], clusters=["p", "p"]).difference("a", "b")
    assert math.isnan(one.low)


def test_ranks_are_open_exactly_where_differences_are() -> None:
    rated = bradley_terry(*drawn(5, k=5, n=120)[:3])
    surely = {(a, b) for a in rated.names for b in rated.names if a != b and rated.difference(a, b).low > 0}
    assert surely
    ranks = rated.ranks()
    assert list(ranks) == [rated.names[i] for i in np.argsort(-rated.theta)]
    for name, found in ranks.items():
        assert found.low == 1 + sum((other, name) in surely for other in rated.names)
        assert found.high == 5 - sum((name, other) in surely for other in rated.names)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000))
def test_who_stands_first_and_in_which_row_changes_nothing(seed: int) -> None:
    data, random = drawn(seed, n=60), np.random.default_rng(seed)
    rows, turn = random.permutation(60), random.random(60) < 0.5
    first = [data.second[i] if turn[i] else data.first[i] for i in rows]
    second = [data.first[i] if turn[i] else data.second[i] for i in rows]
    y = [1 - data.y[i] if turn[i] else data.y[i] for i in rows]
    one = bradley_terry(*data[:3], clusters=data.prompts)
    other = bradley_terry(first, second, y, clusters=[data.prompts[i] for i in rows])
    assert one.theta == pytest.approx(other.theta, abs=1e-8)
    assert one.covariance == pytest.approx(other.covariance, abs=1e-8)
    assert one.theta.sum() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((["a"], ["a"], [1]), "compared with itself"),
        ((["a"], ["b"], [1.5]), "outcomes from 0 to 1"),
        ((["a"], ["b"], [math.nan]), "outcomes from 0 to 1"),
        ((["a"], ["b", "c"], [1]), "as many"),
        (([], [], []), "one at least"),
        ((["a"], ["b"], [1]), "these groups both ways: a; b"),
        ((["a"], ["b"], [1 - 1e-12]), "these groups both ways: a; b"),
        ((["a", "b", "x", "z"], ["b", "a", "z", "x"], [1, 1, 1, 1]), "a, b; x, z"),
    ],
)
def test_rows_that_cannot_be_rated_are_refused(rows: tuple[list[str], list[str], list[float]], found: str) -> None:
    with pytest.raises(ValueError, match=found):
        bradley_terry(*rows)


def test_a_posterior_is_the_most_probable_point_under_the_prior() -> None:
    first, second, y = np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.7, 0.9, 1.0])

    def loss(theta: Floats) -> float:
        d = theta[first] - theta[second]
        return float((np.logaddexp(0, d) - y * d).sum() + theta @ theta / (2 * 1.5**2))

    found = posterior(first, second, y, items=3, spread=1.5)
    best = minimize(loss, np.zeros(3), options={"gtol": 1e-8})
    assert found.mean == pytest.approx(best.x, abs=1e-5)
    hessian = derivative(lambda theta: derivative(lambda inner: np.array(loss(inner)), theta), best.x)
    assert found.covariance == pytest.approx(np.linalg.inv(hessian), rel=1e-3)
    nothing = posterior(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), items=2, spread=2.0)
    assert nothing.covariance == pytest.approx(4 * np.eye(2))
