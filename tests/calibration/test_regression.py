"""What marks do beyond quality: against two regressions one after the other, and on simulated judges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from amendment.audit._regression import NO_BIAS, Effect, PeopleSaid, effects

Floats = NDArray[np.float64]


def asked(quality: Floats, people: int, noise: float, seed: int) -> PeopleSaid:
    """Votes of people who see quality through noise, as probabilities 0 and 1."""
    random = np.random.default_rng(seed)
    item = np.tile(np.arange(quality.size), people)
    return PeopleSaid(item, (quality[item] + noise * random.normal(size=item.size) > 0).astype(float))


def simulated(seed: int, *, people: int, sway: float = 0.0, with_quality: float = 0.0) -> Effect:
    """400 items; a mark that goes along with quality, and a judge whose P it moves by `sway` over its range."""
    random = np.random.default_rng(seed)
    quality = random.normal(size=400)
    mark = np.sign(with_quality * quality + random.normal(size=400))
    y = np.clip(0.5 + 0.12 * quality + sway / 2 * mark + 0.1 * random.normal(size=400), 0, 1)
    said = asked(quality, people, noise=1.0, seed=seed + 1)
    return effects(y, said, {"mark": mark}, np.arange(400), 0.95)["mark"]


def test_the_same_as_two_regressions_one_after_the_other() -> None:
    random = np.random.default_rng(1)
    quality, y = random.normal(size=60), random.random(60)
    marks = {"m": np.sign(random.normal(size=60)), "n": random.uniform(-1, 1, 60)}
    said = asked(quality, 2, noise=0.3, seed=2)
    other = np.concatenate([said.p[60:], said.p[:60]])  # of two people the instrument is the other one's vote
    exogenous = np.stack([np.ones(120), *(np.tile(column, 2) for column in marks.values())], axis=1)
    first = np.column_stack([exogenous, other])
    fitted = first @ np.linalg.lstsq(first, said.p, rcond=None)[0]
    second = np.linalg.lstsq(np.column_stack([exogenous, fitted]), np.tile(y, 2), rcond=None)[0]
    found = effects(y, said, marks, np.arange(60), 0.95)
    assert found["m"].change.value == pytest.approx(2 * second[1])
    assert found["n"].change.value == pytest.approx(2 * second[2])


def agreed(said: Floats) -> PeopleSaid:
    """Two people who say the same of every item."""
    return PeopleSaid(np.tile(np.arange(said.size), 2), np.tile(said, 2))


def test_one_mark_by_hand() -> None:
    # people's votes are balanced over marks and verdicts, so that the effect is the difference of means: 0.8 against
    # 0.4 of 20 items each. Every item is 0.1 off its mean: the error of a mean of 20, times 1 / (1 - 3/40) for three
    # columns and 40 items
    y = np.array([0.9, 0.7, 0.5, 0.3] * 10)
    mark = np.array([1.0, 1.0, -1.0, -1.0] * 10)
    said = agreed(np.repeat([1.0, 0.0] * 5, 4))
    found = effects(y, said, {"mark": mark}, np.arange(40), 0.95)["mark"]
    assert found.change.value == pytest.approx(0.4)
    error = math.sqrt(2) * 0.1 / math.sqrt(20) * 40 / 37
    assert found.change.high - 0.4 == pytest.approx(2.0227 * error, rel=1e-4)  # Student's t, 39 degrees of freedom
    assert found.p < 1e-9


def test_a_mark_that_goes_along_with_quality_is_no_bias_where_people_vouch_for_each_other() -> None:
    alone, together = ([simulated(seed, people=people, with_quality=1.0) for seed in range(30)] for people in (1, 3))
    assert {one.change.note for one in alone} == {"needs two annotators"}
    assert abs(np.mean([one.change.value for one in together])) < 0.02
    assert sum(one.p < 0.01 for one in together) <= 2


@pytest.mark.parametrize("sway", [0.2, -0.2])
def test_a_planted_sway_is_recovered_with_its_sign(sway: float) -> None:
    found = [simulated(seed, people=3, sway=sway, with_quality=1.0) for seed in range(20)]
    assert np.mean([one.change.value for one in found]) == pytest.approx(sway, abs=0.03)
    assert all(one.p < 0.01 for one in found)
    assert sum(one.change.low < sway < one.change.high for one in found) >= 15


def test_a_change_too_small_to_matter_is_none_however_sure_it_is() -> None:
    mark = np.array([1.0, -1.0] * 500)
    random = np.random.default_rng(3)
    said = agreed(np.tile([1.0, 1.0, 0.0, 0.0], 250))
    y = 0.5 + NO_BIAS / 2 * 0.8 * mark + 0.001 * random.normal(size=1000)
    found = effects(y, said, {"mark": mark}, np.arange(1000), 0.95)["mark"]
    assert found.change.low > 0
    assert found.p > 0.99


def test_a_mark_that_is_another_mark_again_is_not_tested() -> None:
    random = np.random.default_rng(5)
    mark, y = np.sign(random.normal(size=80)), random.random(80)
    said = asked(random.normal(size=80), 3, noise=0.5, seed=6)
    found = effects(y, said, {"one": mark, "again": mark, "rare": np.eye(80)[0]}, np.arange(80), 0.95)
    assert not math.isnan(found["one"].p)
    assert math.isnan(found["again"].p)
    assert found["again"].change.note == "it goes along with the others: cannot be told from them"
    assert found["rare"].change.note == "fewer than 30 items in which the answers differ in it"


def test_items_of_one_prompt_are_one_observation() -> None:
    random = np.random.default_rng(7)
    y, mark, votes = random.random(50), np.sign(random.normal(size=50)), random.random(50)
    columns = [np.repeat(column, 4) for column in (y, mark, votes)]
    said = agreed(columns[2])
    clustered = effects(columns[0], said, {"m": columns[1]}, np.repeat(np.arange(50), 4), 0.95)["m"]
    alone = effects(y, agreed(votes), {"m": mark}, np.arange(50), 0.95)["m"]
    assert clustered.change.clusters == 50
    assert clustered.change.low == pytest.approx(alone.change.low)
    assert clustered.p == pytest.approx(alone.p)
