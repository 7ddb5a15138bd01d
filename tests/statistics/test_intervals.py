"""Means and intervals against answers worked out by hand."""

from __future__ import annotations

import math

import pytest

from amendment.statistics import bounds, cautioned, clustered_mean


def test_two_clusters_of_two_rows_by_hand() -> None:
    # x = 1 1 | 1 0, mean 3/4; residual sums 1/2 and -1/2; Var = 2/1 * (1/4 + 1/4) / 16 = 1/16, so the error is 1/4
    # t(1 degree of freedom, 0.975) = 12.7062
    estimate = clustered_mean([1, 1, 1, 0], ["p", "p", "q", "q"])
    assert estimate.value == 0.75
    assert estimate.low == pytest.approx(0.75 - 12.7062 / 4, abs=1e-4)
    assert estimate.high == pytest.approx(0.75 + 12.7062 / 4, abs=1e-4)
    assert (estimate.n, estimate.clusters) == (4, 2)


def test_no_rows_have_no_mean() -> None:
    estimate = clustered_mean([], [])
    assert math.isnan(estimate.value)
    assert estimate.to_json() == {"value": None, "low": None, "high": None, "n": 0, "clusters": 0}


@pytest.mark.parametrize(
    ("values", "clusters"), [([1.0, 2.0], ["a"]), ([math.nan], ["a"]), ([math.inf, 1.0], ["a", "b"])]
)
def test_bad_input_is_refused(values: list[float], clusters: list[str]) -> None:
    with pytest.raises(ValueError, match=r"cluster per value|nan or infinity"):
        clustered_mean(values, clusters)


@pytest.mark.parametrize(
    ("values", "note", "has_interval"),
    [
        ([], "no rows", False),
        ([1, 0, 1, 0], "no interval from fewer than 5 clusters", False),
        ([1, 0, 1, 0, 1], "few clusters (5)", True),
        ([1, 0] * 10, "", True),
        ([1] * 20, "no interval: no variation between clusters was seen", False),
    ],
)
def test_a_cautioned_figure_says_why_it_is_not_to_be_leaned_on(
    values: list[float], note: str, has_interval: bool
) -> None:
    found = cautioned(clustered_mean(values, range(len(values))))
    assert found.note == note
    assert math.isnan(found.low) != has_interval


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [(19, None), (20, (1.0, 1.0))],
)
def test_a_value_that_all_clusters_gave_decides_from_twenty_of_them(
    clusters: int, expected: tuple[float, float] | None
) -> None:
    assert bounds(cautioned(clustered_mean([1.0] * clusters, range(clusters)))) == expected


def test_an_interval_ends_where_the_range_of_its_figure_does() -> None:
    # 1 in 19 of 20 clusters: 0.95 with an error of 0.05, so that t's 2.093 times that reaches beyond 1
    found = clustered_mean([1.0] * 19 + [0.0], range(20))
    assert found.high > 1
    assert found.within(0, 1) == found._replace(high=1.0)
    assert found.within(-1, 2) == found
    assert math.isnan(clustered_mean([1.0], ["a"]).within(0, 1).high)
