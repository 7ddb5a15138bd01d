"""Calibration on labels of a spot check: what is fitted, what is refused, what pairs become, what is printed."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from amendment.errors import DataError
from amendment.people.calibrating import calibrate, calibration_refused, expected_flip_rate
from amendment.people.samples import LabelledItem, SampledItem, labelled_items
from amendment.preference.aggregate import person_votes
from amendment.records import Verdict
from amendment.statistics.calibrators import Calibrator


def labelled(prompt: str, p_a: float, y: float, inclusion: float = 0.5) -> LabelledItem:
    return LabelledItem(SampledItem(prompt_id=prompt, a="a", b="z", p_a=p_a, stratum="", inclusion=inclusion), (y,))


def labels(n: int, *, seed: int, too_sure: float = 3.0) -> list[LabelledItem]:
    """Two comparisons a prompt, judged by a judge that is so many times too sure."""
    dice = np.random.default_rng(seed)
    x = dice.normal(size=n) * 1.2
    y = dice.random(n) < 1 / (1 + np.exp(-x))
    p = 1 / (1 + np.exp(-too_sure * x))
    return [labelled(f"p{i // 2}", float(p[i]), float(y[i])) for i in range(n)]


def sampled(a: str = "a") -> SampledItem:
    return SampledItem(prompt_id="p", a=a, b="z", p_a=0.7, stratum="", inclusion=0.5)


def said(value: str, *, rater: str = "ann", shown: tuple[str, str] = ("a", "z"), **more: Any) -> Verdict:
    settings: dict[str, Any] = {"rater_kind": "person", "value": value, **more}
    return Verdict(scale="pair", prompt_id="p", shown=shown, rater=rater, **settings)


def test_a_label_is_the_mean_of_what_people_said_whatever_they_saw_first() -> None:
    # ann: a, shown second; bob: tie; cid: a. (1 + 1/2 + 1) / 3 = 5/6. Ann's repeat and another item say nothing
    verdicts = [
        said("B", shown=("z", "a")),
        said("A", rater="cid"),
        said("both_bad", rater="bob"),
        said("B", sample=1),
        said("A", shown=("q", "z"), rater="cid"),
    ]
    (found,) = labelled_items([sampled(), sampled("unlabelled")], person_votes(verdicts))
    assert found.item == sampled()
    assert found.p_people == pytest.approx(5 / 6)


def test_a_judge_too_sure_is_nearer_to_people_afterwards() -> None:
    found = calibrate(labels(300, seed=1), seed=0)
    assert found.calibrator.scale == pytest.approx(3, abs=0.8)
    assert found.gain.brier.high < 0
    assert found.gain.log_loss.high < 0
    assert found.gain.ece.value < 0
    assert found.after.brier.value - found.before.brier.value == pytest.approx(found.gain.brier.value)
    assert found.before.shows_miscalibration
    assert not found.after.shows_miscalibration
    assert found.after.ece.clusters == 150
    assert found.warnings == ()
    unseen = labels(400, seed=2)
    p, y = np.array([item.item.p_a for item in unseen]), np.array([item.p_people for item in unseen])
    assert ((found.apply(p) - y) ** 2).mean() < ((p - y) ** 2).mean() - 0.02


def test_a_judge_that_needs_none_is_told_so() -> None:
    found = calibrate(labels(40, seed=14, too_sure=1.0), seed=0)
    few, nothing = found.warnings
    assert few == "only 40 labels"
    assert "does not surely bring the Brier score down" in nothing
    assert found.recipe(labels="", judges=[])["warnings"] == [few, nothing]


def test_rare_items_count_for_those_they_stand_for() -> None:
    sure = [labelled(f"s{i}", 0.9, float(i % 4 != 0), 1.0) for i in range(40)]  # right in 3 of 4
    same = [labelled(f"t{i}", 0.9, float(i % 4 == 0), 0.01) for i in range(40)]  # right in 1 of 4
    found = calibrate([*sure, *same], seed=0)
    # (40 * 3/4 + 4000 * 1/4) / 4040 = 0.255: below one half, which temperature levels
    assert found.before.accuracy.value == pytest.approx(1030 / 4040)
    assert found.apply([0.9])[0] == pytest.approx(0.5, abs=1e-3)


def test_the_recipe_is_enough_to_apply_it_again() -> None:
    found = calibrate(labels(80, seed=4), seed=5)
    recipe = json.loads(json.dumps(found.recipe(labels="s2:1234", judges=["m"]), allow_nan=False))
    assert Calibrator.from_json(recipe) == found.calibrator
    assert (recipe["method"], recipe["n"], recipe["labels"], recipe["judges"]) == ("temperature", 80, "s2:1234", ["m"])
    assert recipe["parameters"] == {"temperature": found.calibrator.scale}
    assert recipe["gain"]["brier"]["value"] == found.gain.brier.value
    again = calibrate(labels(80, seed=4), seed=5)
    assert again.recipe(labels="s2:1234", judges=["m"]) == found.recipe(labels="s2:1234", judges=["m"])


@pytest.mark.parametrize(
    ("items", "told"),
    [
        (labels(12, seed=6), "too few labels: found 12"),
        ([], "too few labels: found 0"),
        ([labelled("p", item.item.p_a, item.p_people) for item in labels(60, seed=6)], "5 prompts or more"),
        ([item._replace(votes=(float(item.item.p_a > 0.5),)) for item in labels(60, seed=6)], "one class only"),
    ],
)
def test_labels_that_carry_no_calibration_are_refused_by_name(items: list[LabelledItem], told: str) -> None:
    assert told in calibration_refused(items)
    with pytest.raises(DataError, match=told):
        calibrate(items, seed=0)


def test_the_expected_flip_rate_by_hand() -> None:
    # min(p, 1 - p): 0.2, 0.3, 0.5; mean 1/3
    assert expected_flip_rate([0.8, 0.3, 0.5]) == pytest.approx(1 / 3)
    assert math.isnan(expected_flip_rate([]))
