"""The cluster bootstrap: what it computes, when it refuses, how often it is right."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from amendment.statistics import (
    Estimate,
    Resampling,
    bootstrap,
    quotient,
    sums_by_cluster,
)

Floats = NDArray[np.float64]


def ratio(numerators: ArrayLike, denominators: ArrayLike, clusters: Iterable[Hashable]) -> Estimate:
    """sum(numerators) / sum(denominators) over rows."""
    return bootstrap(sums_by_cluster(clusters, numerators, denominators), mean, n=int(np.size(numerators)))


def mean(sums: Floats) -> Floats:
    return quotient(sums[:, 0], sums[:, 1])


def test_the_interval_is_the_percentiles_of_resampled_clusters() -> None:
    # the same by brute force: rows of drawn clusters put together, and the mean taken of all of them
    random = np.random.default_rng(5)
    names = np.repeat(np.arange(30), random.integers(1, 6, 30))
    rows = random.normal(size=names.size) + names / 10
    found = bootstrap(sums_by_cluster(names, rows, np.ones(rows.size)), mean, n=rows.size)
    by_name = [rows[names == name] for name in range(30)]
    brute = [np.concatenate([by_name[pick] for pick in random.integers(0, 30, 30)]).mean() for _ in range(4000)]
    assert found.value == pytest.approx(rows.mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(brute, [0.025, 0.975])), abs=0.06)


def test_a_level_beyond_the_draws_has_the_normal_interval_of_their_error() -> None:
    # forty judges at once: level 1 - 0.05 / 40 leaves 2000 * 0.000625 = 1.25 draws beyond a bound, so the percentile
    # would be one of the last two draws. Mean of 400 rows with variance 1: bounds z(0.999375) / 20 = 3.227 / 20 from it
    x = np.tile([-1.0, 1.0], 200)
    sums = sums_by_cluster(range(400), x, np.ones(400))
    family = bootstrap(sums, mean, n=400, resampling=Resampling(level=1 - 0.05 / 40))
    assert (family.low, family.high) == pytest.approx((-3.227 / 20, 3.227 / 20), rel=0.05)
    assert family.low == -family.high
    assert family.method == "cluster bootstrap, 2000 draws, normal"
    # ten draws beyond each bound are enough: level 0.99
    assert bootstrap(sums, mean, n=400, resampling=Resampling(level=0.99)).method == "cluster bootstrap, 2000 draws"


def test_few_clusters_are_refused_or_noted() -> None:
    def of(clusters: int) -> tuple[bool, str]:
        found = bootstrap(np.random.default_rng(0).random((clusters, 2)), mean, n=50)
        return math.isnan(found.low), found.note

    assert of(4) == (True, "no interval from fewer than 5 clusters")
    assert of(5) == (False, "few clusters (5)")
    assert of(19) == (False, "few clusters (19)")
    assert of(20) == (False, "")


def test_nothing_that_varies_means_no_interval() -> None:
    found = ratio([1.0] * 30, [2.0] * 30, range(30))
    assert found.value == 0.5
    assert math.isnan(found.low)
    assert found.note == "no interval: no variation between clusters was seen"
