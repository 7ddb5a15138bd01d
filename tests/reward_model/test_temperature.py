"""The temperature of score differences: fitted by hand, refused aloud, kept with the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.reward_model import RewardModel, RewardSettings, preference_probability, train_reward
from amendment.reward_model.train import fit_temperature

SETTINGS = RewardSettings(steps=40, batch_size=8, learning_rate=1e-2, max_length=96, trl={"logging_steps": 6})
ENTROPY = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))


def labelled(*p_chosen: float, weight: float = 1.0) -> list[dict[str, Any]]:
    return [{"prompt_id": str(i), "p_chosen": p, "weight": weight} for i, p in enumerate(p_chosen)]


@pytest.mark.parametrize("gap", [2.0, 40.0])
def test_the_temperature_makes_probabilities_of_differences(gap: float) -> None:
    # Every pair differs by `gap`, and three in four prefer the chosen side: s(gap / T) = 3/4, so T = gap / ln 3.
    fitted = fit_temperature([gap] * 24, [0.0] * 24, labelled(*[0.75] * 24)).temperature
    assert fitted is not None
    assert fitted.value == pytest.approx(gap / math.log(3), rel=1e-6)
    assert preference_probability([gap], [0.0], fitted.value) == pytest.approx([0.75])
    # fitted without its own fold, p is 3/4: the entropy, and 0. With a gap of 2, at T = 1: s(2) = 0.880797, log loss
    # 3/4 ln(1 + e^-2) + 1/4 ln(1 + e^2) = 0.75 * 0.126928 + 0.25 * 2.126928, Brier (0.880797 - 0.75)^2
    assert (fitted.log_loss_after, fitted.brier_after) == pytest.approx((ENTROPY, 0.0), abs=1e-9)
    if gap == 2.0:
        assert (fitted.log_loss_before, fitted.brier_before) == pytest.approx((0.626928, 0.017108), abs=1e-6)


def test_weights_count() -> None:
    # 20 right of weight 3 and 20 wrong of weight 1: the share of right ones is 3/4, and T = 2 / ln 3; scored the other
    # way round it is 1/4, so the best is T -> infinity, and that is said.
    right, wrong = labelled(*[1.0] * 20, weight=3.0), labelled(*[0.0] * 20)
    fitted, note = fit_temperature([2.0] * 40, [0.0] * 40, [*right, *wrong])
    assert fitted is not None
    assert fitted.value == pytest.approx(2 / math.log(3), rel=1e-6)
    assert "only 40 labels" in note
    against, note = fit_temperature([-2.0] * 40, [0.0] * 40, [*right, *wrong])
    assert against is not None
    assert against.value > 100
    assert "upper end" in note


@pytest.mark.parametrize(
    ("gaps", "rows", "told"),
    [
        ([1.0] * 19, labelled(*[0.9] * 19), "fewer than 20 held-out pairs"),
        ([1.0] * 30, labelled(*[1.0] * 30), "right about every held-out pair"),
        ([-1.0] * 30, labelled(*[1.0] * 30), "wrong about every one"),
        ([0.0] * 30, labelled(*[1.0] * 30), "scores both sides of every held-out pair alike"),
    ],
)
def test_what_cannot_be_fitted_is_told(gaps: list[float], rows: list[dict[str, Any]], told: str) -> None:
    temperature, note = fit_temperature(gaps, [0.0] * len(gaps), rows)
    assert temperature is None
    assert told in note


def test_training_keeps_the_temperature_with_the_model(base: Path, pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    # four times the pairs, of which people see every fourth the other way round
    rows = [(f"{pair['prompt_id']} {k}", i, pair) for k in range(4) for i, pair in enumerate(pairs)]
    held_out = [{**pair, "p_chosen": float(i % 4 != 0), "prompt_id": name} for name, i, pair in rows]
    train_reward(base, pairs, tmp_path / "rm", SETTINGS, held_out=held_out)
    model = RewardModel.load(tmp_path / "rm")
    kept = model.meta.temperature
    assert kept is not None
    assert (kept.pairs, kept.helps) == (96, True)
    assert kept.log_loss_after is not None
    assert kept.log_loss_after < kept.log_loss_before  # the model is surer than right in three of four
    expected = 1 / (1 + math.exp(-1 / kept.value))
    assert model.probability(np.array([1.0]), np.array([0.0])) == pytest.approx([expected])
