"""Means from a sample: by hand, against the authors' library, and in worlds where the truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amendment.errors import DataError
from amendment.statistics import wilson
from amendment.statistics.sampling import effective_rows, prediction_powered, weighted_difference, weighted_mean


def test_a_weighted_mean_by_hand() -> None:
    # weights 2 2 4 4 4, values 2 0 2 2 0: (4 + 8 + 8) / 16 = 5/4. Rows add w (x - 5/4) / 16, in 32nds 3 -5 6 6 -10:
    # squares sum to 206 / 1024. Shares of the weight 1/8 1/8 1/4 1/4 1/4: squares 7/32, so 32/7 effective clusters;
    # cubes 13/256; Var = 206 / 1024 / (1 + 7/32 - 2 * 13/256 * 32/7) = 224/169 * 206 / 1024; t(25/7) = 2.912910
    found = weighted_mean([2, 0, 2, 2, 0], [0.5, 0.5, 0.25, 0.25, 0.25])
    half = 2.912910 * math.sqrt(224 / 169 * 206 / 1024)
    assert found.value == 1.25
    assert (found.low, found.high) == pytest.approx((1.25 - half, 1.25 + half), abs=1e-5)
    assert (found.n, found.clusters, found.method, found.note) == (5, 5, "Hajek, clustered t", "few clusters (5)")


def test_a_weighted_share_by_hand() -> None:
    # the same rows as 1 and 0: 5/8, Var 224/169 * 206 / 4096 = 0.0666605, as a share of 15/64 / Var = 3.515950 rows;
    # t ** 2 = 8.485044, scale 1 + 8.485044 / 3.515950 = 3.413300, centre (0.625 + 1.206650) / 3.413300 = 0.536621,
    # half = sqrt(8.485044 * (0.0666605 + 8.485044 / 4 / 12.361905)) / 3.413300 = 0.416558
    found = weighted_mean([1, 0, 1, 1, 0], [0.5, 0.5, 0.25, 0.25, 0.25])
    assert found[:3] == pytest.approx((0.625, 0.536621 - 0.416558, 0.536621 + 0.416558), abs=2e-5)
    assert found.method == "Hajek, Wilson over effective rows"
    many = weighted_mean([1] * 900 + [0] * 100, [0.1] * 1000)
    assert many[1:3] == pytest.approx(wilson(900, 1000)[1:3], abs=1e-4)


def test_a_weighted_difference_by_hand_is_no_share_whatever_its_values() -> None:
    # differences 1 0 1 1 0 with weights 2 2 4 4 4: 5/8; as above but with half the errors, and symmetric
    found = weighted_difference([2, 1, 1, 1, 1], [1, 1, 0, 0, 1], [0.5, 0.5, 0.25, 0.25, 0.25])
    half = 2.912910 * math.sqrt(224 / 169 * 206 / 4096)
    assert found[:3] == pytest.approx((0.625, 0.625 - half, 0.625 + half), abs=1e-5)
    assert found.high > 1


@pytest.mark.parametrize("chance", [0.0, 1.1, math.nan, None])
def test_rows_without_a_probability_are_refused(chance: float | None) -> None:
    with pytest.raises(ValueError, match=r"inclusion probabilities lie above 0.* a sample that was drawn for finding"):
        weighted_mean([1.0, 0.0], np.array([0.5, chance], np.float64))


def test_effective_rows_by_hand() -> None:
    # nine weights of 1 and one of 100: 109 ** 2 / 10009
    assert effective_rows([1.0] * 9 + [100.0]) == pytest.approx(11881 / 10009)
    assert effective_rows([]) == 0


# People and a judge.

Floats = NDArray[np.float64]


def rows(seed: int, n: int = 100, others: int = 1000, skill: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Labels, predictions of the same rows, and predictions of others; skill 0 is a judge who guesses."""
    random = np.random.default_rng(seed)
    chance = random.random(n + others)
    y = (random.random(n + others) < chance).astype(np.float64)
    f = skill * chance + (1 - skill) * random.random(n + others)
    return y[:n], f[:n], f[n:]


def test_value_and_lam_are_those_of_the_authors_library() -> None:
    # ppi_py 0.2.3: ppi_mean_pointestimate(y, f, u, lam=0.8843283676017287) with these rows, lam by the formula of
    # PPI++, Cov_n(y, f) / ((1 + n / N) Var(f and u)); the library's own lam is centred a little differently and gives
    # 0.5224923, 2.5e-5 away
    random = np.random.default_rng(5)
    f = np.round(random.random(100), 3)
    y = (random.random(100) < f).astype(float)
    u = np.round(random.random(1000), 3)
    found = prediction_powered(y, f, u)
    assert found.lam == pytest.approx(0.8843283676017287, abs=1e-12)
    assert found.estimate.value == pytest.approx(0.5224673206030882, abs=1e-12)
    # its interval is 0.4412510 to 0.6036837 with z and divisors n; ours has t(99) = 1.98422, n / (n - 2), and six
    # labels of doubt: SE ** 2 = (100 v + 6 va) / 106 * 100 / 98, v = (0.1624326 / 2 / 1.959964) ** 2, va = 0.2475 / 100
    v = (0.16243266928542343 / 2 / 1.959963985) ** 2
    half = 1.984217 * math.sqrt((100 * v + 6 * 0.2475 / 100) / 106 * 100 / 98)
    centre = prediction_powered(2 * y, 2 * f, 2 * u).estimate  # no shares, so that the interval is symmetric
    assert (centre.value, centre.high - centre.value) == pytest.approx((2 * found.estimate.value, 2 * half), rel=1e-5)
    assert centre.low == pytest.approx(2 * centre.value - centre.high)


def test_a_judge_who_adds_up_by_hand() -> None:
    # 10 times y 1 0 1 0 with f 1 0 1 1: mean y 1/2, mean f 3/4, Cov = 1/2 - 3/8 = 1/8. Of 40 others half are 1:
    # all 80 predictions have mean 5/8 and Var 15/64; lam = (1/8) / ((1 + 40/40) * 15/64) = 4/15
    found = prediction_powered([1, 0, 1, 0] * 10, [1, 0, 1, 1] * 10, [1, 0] * 20)
    assert found.lam == pytest.approx(4 / 15)
    assert found.estimate.value == pytest.approx(1 / 2 + 4 / 15 * (1 / 2 - 3 / 4))
    assert found.people_alone.value == 0.5
    assert (found.estimate.n, found.estimate.clusters, found.estimate.method) == (40, 40, "PPI++")


def test_a_judge_who_says_the_same_of_every_row_leaves_people_alone() -> None:
    y, _, _ = rows(0)
    found = prediction_powered(y, np.full(100, 0.7), np.full(500, 0.7))
    assert (found.lam, found.labels_saved) == (0.0, 1.0)
    assert found.estimate == found.people_alone
    assert found.estimate[:5] == pytest.approx(weighted_mean(y, np.ones(100))[:5])


def test_a_prompt_with_labelled_and_unlabelled_rows_is_one_cluster() -> None:
    # all rows of a prompt are alike: rows without a label say nothing new of its luck, other prompts' would
    y, f, _ = rows(5, 60, 1)
    shared = prediction_powered(y, f, f, clusters=range(60), unlabelled_clusters=range(60))
    apart = prediction_powered(y, f, f, clusters=range(60), unlabelled_clusters=range(60, 120))
    assert shared.lam == 0.0
    assert apart.lam > 0.2


def test_weights_make_up_for_rows_that_were_more_likely_to_be_asked() -> None:
    random = np.random.default_rng(6)
    f = random.random(4000)
    y = (random.random(4000) < f).astype(np.float64)
    chance = np.where(f > 0.5, 0.2, 0.05)
    seen = random.random(4000) < chance
    found = prediction_powered(y[seen], f[seen], f[~seen], weights=1 / chance[seen])
    assert found.estimate.low < 0.5 < found.estimate.high
    assert found.people_alone.low < 0.5 < found.people_alone.high


def test_labels_of_other_comparisons_are_refused() -> None:
    y, f, u = rows(8)
    with pytest.raises(DataError, match=r"not of one population.*differs by \+0\.\d+ from .* label a random sample"):
        prediction_powered(y, f / 2, 0.5 + u / 2)


def test_few_labels_are_not_enough_to_tune() -> None:
    y, f, u = rows(9, 19)
    found = prediction_powered(y, f, u)
    assert found.lam == 0.0
    assert found.estimate[:3] == pytest.approx(weighted_mean(y, np.ones(19))[:3])
    assert found.estimate.note == "fewer than 20 labelled clusters: people alone; few clusters (19)"
    assert prediction_powered(*rows(9, 20)).lam > 0


@pytest.mark.parametrize(
    ("labels", "predictions", "others", "names", "told"),
    [
        ([1, 0], [1], [1], {}, "a prediction for each label"),
        ([1, math.nan], [1, 0], [1], {}, "labels: expected one finite number per row"),
        ([1, 0], [1, 0], [1], {"clusters": [1, 2]}, "or of neither"),
        ([1, 0], [1, 0], [1], {"weights": [1, 0]}, "a weight above 0"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(
    labels: list[float], predictions: list[float], others: list[float], names: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        prediction_powered(labels, predictions, others, **names)
