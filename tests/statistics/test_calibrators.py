"""Calibrators by hand, against a grid and scikit-learn, and what each of them promises about any labels."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from amendment.errors import DataError
from amendment.statistics.calibrators import Calibrator, Method, cross_fitted, fit_calibrator, refusal

METHODS: tuple[Method, ...] = ("temperature", "platt", "isotonic")
Floats = NDArray[np.float64]


def logit(p: Floats) -> Floats:
    return np.asarray(np.log(p / (1 - p)), np.float64)


def sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-x)), np.float64)


def data(n: int, *, seed: int, too_sure: float = 2.0) -> tuple[Floats, Floats]:
    """Probabilities of a judge that is so many times too sure, and labels, one in eight a tie."""
    dice = np.random.default_rng(seed)
    truth = dice.normal(size=n) * 1.5
    labels = np.where(dice.random(n) < 1 / 8, 0.5, dice.random(n) < sigmoid(truth))
    return sigmoid(too_sure * truth), np.asarray(labels, np.float64)


def test_temperature_of_one_probability_by_hand() -> None:
    # the judge says 0.9 forty times and is right in 30: p' = 3/4, so logit(0.9) / T = logit(3/4), T = ln 9 / ln 3 = 2
    found = fit_calibrator("temperature", [0.9] * 40, [1.0] * 30 + [0.0] * 10)
    assert found.scale == pytest.approx(2.0)
    assert found.apply([0.9, 0.1, 0.5]) == pytest.approx([0.75, 0.25, 0.5])


def test_isotonic_is_that_of_scikit_learn_on_both_orientations() -> None:
    regression = pytest.importorskip("sklearn.isotonic", reason="scikit-learn comes with the dev extra")
    p, y = data(200, seed=1)
    p = np.round(p * 64) / 64  # ties among probabilities, and exact mirrors
    weights = np.random.default_rng(1).uniform(0.5, 4, 200)
    oracle = regression.IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1)
    oracle.fit(np.concatenate([p, 1 - p]), np.concatenate([y, 1 - y]), np.concatenate([weights, weights]))
    asked = np.linspace(0, 1, 257)
    found = fit_calibrator("isotonic", p, y, weights, fewest=200).apply(asked)
    assert found == pytest.approx(oracle.predict(asked), abs=1e-9)


rows_of_labels = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.floats(0.1, 50)), min_size=20, max_size=60
)
"""Probabilities, labels and weights; 0, 1 and one half among the probabilities."""


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=40)
@given(rows=rows_of_labels)
def test_a_calibrator_keeps_its_promises_for_any_labels(method: Method, rows: list[tuple[float, float, float]]) -> None:
    p, y, weights = (np.array(column) for column in zip(*rows, strict=True))
    if refusal(method, p, y, fewest=20):
        return
    found = fit_calibrator(method, p, y, weights, fewest=20)
    asked = np.linspace(0, 1, 201)
    applied = found.apply(asked)
    assert ((applied >= 0) & (applied <= 1)).all()
    assert applied + found.apply(1 - asked) == pytest.approx(np.ones(201), abs=1e-9)  # symmetric
    assert found.apply([0.5]) == pytest.approx([0.5], abs=1e-12)
    steps = np.diff(applied)
    assert (steps >= -1e-12).all() or (method == "platt" and (steps <= 1e-12).all())
    assert Calibrator.from_json(json.loads(json.dumps(found.to_json()))) == found
    scaled = fit_calibrator(method, p, y, weights * 7.5, fewest=20)
    assert scaled.apply(asked) == pytest.approx(applied, abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_a_label_is_never_used_for_its_own_cluster(method: Method) -> None:
    p, y = data(60, seed=7)
    clusters = [f"prompt {index // 3}" for index in range(60)]
    before, others = cross_fitted(method, p, y, None, clusters, fewest=20), 0
    for name in dict.fromkeys(clusters):
        own = np.array([cluster == name for cluster in clusters])
        after = cross_fitted(method, p, np.where(own, 1 - y, y), None, clusters, fewest=20)
        assert np.array_equal(after[own], before[own])
        others += not np.array_equal(after, before)
    assert others > 15  # of 20: a label can turn without moving a step of the isotonic curve


def test_a_judge_worse_than_chance_is_levelled_by_temperature_and_turned_by_platt() -> None:
    p, y = [0.8, 0.3] * 50, [0.0, 1.0] * 35 + [1.0, 0.0] * 15
    levelled, turned = (fit_calibrator(method, p, y) for method in METHODS[:2])
    assert levelled.apply([0.8]) == pytest.approx([0.5], abs=1e-3)
    assert turned.apply([0.8])[0] < 0.5
    assert "against the judge" in levelled.note
    assert "against the judge" in turned.note
    assert fit_calibrator("isotonic", p, y, fewest=20).apply([0.8]).tolist() == [0.5]


@pytest.mark.parametrize(
    ("method", "p", "y", "name", "instead"),
    [
        ("temperature", [0.9] * 19, [1.0] * 10 + [0.0] * 9, "too few labels", "use raw probabilities, or label more"),
        ("isotonic", [0.9] * 499, [1.0] * 400 + [0.0] * 99, "isotonic below its minimum", "use temperature"),
        ("temperature", [0.9, 0.1] * 15, [0.0, 1.0] * 15, "one class only", "use platt"),
        ("platt", [0.5] * 30, [1.0, 0.0] * 15, "nothing to fit", "one half to every labelled pair"),
    ],
)
def test_labels_that_carry_no_fit_are_refused_by_name(
    method: Method, p: list[float], y: list[float], name: str, instead: str
) -> None:
    with pytest.raises(DataError, match=name) as refused:
        fit_calibrator(method, p, y)
    assert instead in str(refused.value)


@pytest.mark.parametrize(
    ("p", "y", "weights", "message"),
    [
        ([1.2] * 30, [1.0] * 30, None, "p lie between 0 and 1"),
        ([0.5] * 30, [2.0] * 30, None, "labels lie between 0 and 1"),
        ([0.5] * 30, [1.0] * 30, [0.0] * 30, "weights are above 0"),
    ],
)
def test_columns_that_do_not_fit_are_refused(p: Any, y: Any, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_calibrator("temperature", p, y, weights)


@pytest.mark.parametrize(
    "damage",
    [
        {"method": "histogram"},
        {"parameters": {"temperature": -1.0}},
        {"n": None},
        {"method": "isotonic", "parameters": {"confidence": [0.5, 0.9], "becomes": [0.5, 0.4]}},
    ],
)
def test_a_recipe_that_no_calibration_wrote_is_refused(damage: dict[str, Any]) -> None:
    written = {"method": "temperature", "parameters": {"temperature": 2.0}, "clip": 1e-6, "n": 50}
    assert Calibrator.from_json(written).scale == 2.0
    with pytest.raises(DataError, match="calibrate again"):
        Calibrator.from_json({**written, **damage})


def test_exact_ones_become_their_own_share_of_hits() -> None:
    # 0.9, right in 30 of 40: T = 2 as above. Of 38 times 1.0 right in 35: (35 + 1) / 40 = 0.9, surer than 3/4
    p, y = [0.9] * 40 + [1.0] * 38, [1.0] * 30 + [0.0] * 10 + [1.0] * 35 + [0.0] * 3
    found = fit_calibrator("temperature", p, y)
    assert found.scale == pytest.approx(2.0)
    assert found.apply([0.9, 1.0, 0.0]) == pytest.approx([0.75, 0.9, 0.1])
    assert "48.7% of the probabilities are exactly 0 or 1" in found.note
