"""The temperature of score differences: fitted by hand, refused aloud, kept with the model."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.errors import DataError
from amendment.reward_model import RewardModel, RewardSettings, preference_probability, train_reward
from amendment.reward_model.train import fit_temperature

SETTINGS = RewardSettings(steps=40, batch_size=8, learning_rate=1e-2, max_length=96, trl={"logging_steps": 6})
ENTROPY = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))


def labelled(*p_chosen: float, weight: float = 1.0) -> list[dict[str, Any]]:
    return [{"prompt_id": str(i), "p_chosen": p, "weight": weight} for i, p in enumerate(p_chosen)]


@pytest.mark.parametrize("gap", [2.0, 40.0, 0.01])
def test_the_temperature_makes_probabilities_of_differences(gap: float) -> None:
    # Every pair differs by `gap`, and three in four prefer the chosen side: s(gap / T) = 3/4, so T = gap / ln 3.
    rows = labelled(*[0.75] * 24)
    fitted = fit_temperature([gap] * 24, [0.0] * 24, rows).temperature
    assert fitted is not None
    assert fitted.value == pytest.approx(gap / math.log(3), rel=1e-6)
    assert preference_probability([gap], [0.0], fitted.value) == pytest.approx([0.75])
    assert (fitted.pairs, fitted.prompts) == (24, 24)


def test_the_figures_by_hand() -> None:
    # s(2) = 0.880797. Log loss at T = 1: 3/4 ln(1 + e^-2) + 1/4 ln(1 + e^2) = 0.75 * 0.126928 + 0.25 * 2.126928.
    # Brier at T = 1: (0.880797 - 0.75)^2 = 0.017108; fitted without its own fold, p is 3/4: the entropy, and 0.
    fitted = fit_temperature([2.0] * 24, [0.0] * 24, labelled(*[0.75] * 24)).temperature
    assert fitted is not None
    assert fitted.log_loss_before == pytest.approx(0.626928, abs=1e-6)
    assert fitted.log_loss_after == pytest.approx(ENTROPY, abs=1e-9)
    assert fitted.brier_before == pytest.approx(0.017108, abs=1e-6)
    assert fitted.brier_after == pytest.approx(0.0, abs=1e-12)


def test_weights_count() -> None:
    # 20 right of weight 1 and 20 wrong of weight 3: the share of right ones is 1/4, so the best is T -> infinity,
    # and that is said; the other way round it is 3/4, and T = 2 / ln 3.
    right, wrong = labelled(*[1.0] * 20, weight=3.0), labelled(*[0.0] * 20)
    fitted, note = fit_temperature([2.0] * 40, [0.0] * 40, [*right, *wrong])
    assert fitted is not None
    assert fitted.value == pytest.approx(2 / math.log(3), rel=1e-6)
    assert "only 40 labels" in note
    against, note = fit_temperature(
        [2.0] * 40, [0.0] * 40, [{**row, "weight": 4 - row["weight"]} for row in [*right, *wrong]]
    )
    assert against is not None
    assert against.value > 100
    assert "upper end" in note
    assert "upper end" in against.note


@pytest.mark.parametrize(
    ("gaps", "rows", "told"),
    [
        ([1.0] * 19, labelled(*[0.9] * 19), "fewer than 20 held-out pairs"),
        ([1.0] * 10 + [np.nan] * 20, labelled(*[0.9] * 30), "fewer than 20 held-out pairs"),
        ([1.0] * 30, labelled(*[1.0] * 30), "right about every held-out pair"),
        ([-1.0] * 30, labelled(*[1.0] * 30), "wrong about every one"),
        ([0.0] * 30, labelled(*[1.0] * 30), "scores both sides of every held-out pair alike"),
        ([], [], "fewer than 20 held-out pairs"),
    ],
)
def test_what_cannot_be_fitted_is_told(gaps: list[float], rows: list[dict[str, Any]], told: str) -> None:
    temperature, note = fit_temperature(gaps, [0.0] * len(gaps), rows)
    assert temperature is None
    assert told in note


def test_held_out_pairs_that_cannot_be_read_are_named_before_the_training(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    bad = [{**pairs[0], "p_chosen": 0.5}, {**pairs[1], "p_chosen": 1.5}]
    with pytest.raises(DataError, match="held-out row 2: p_chosen"):
        train_reward(base, pairs, tmp_path / "rm", SETTINGS, held_out=bad)
    assert not (tmp_path / "rm").exists()


@settings(max_examples=30)
@given(st.lists(st.tuples(st.floats(-30, 30), st.floats(0, 1)), min_size=20, max_size=30))
def test_no_other_temperature_has_a_smaller_loss(found: list[tuple[float, float]]) -> None:
    gaps, labels = (np.array(column) for column in zip(*found, strict=True))
    fitted, note = fit_temperature(gaps, np.zeros_like(gaps), labelled(*labels.tolist()))
    if fitted is None or "end" in note:
        return

    def loss(temperature: float) -> float:
        odds = gaps / temperature
        return float(np.mean(labels * np.logaddexp(0, -odds) + (1 - labels) * np.logaddexp(0, odds)))

    assert all(loss(fitted.value) <= loss(fitted.value * factor) + 1e-7 for factor in (0.5, 0.9, 1.1, 2.0))


def mixed(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Held-out pairs of which people see every fourth the other way round."""
    return [{**pair, "p_chosen": 0.0 if i % 4 == 0 else 1.0} for i, pair in enumerate(pairs)]


@pytest.mark.parametrize(("times", "helps"), [(1, False), (4, True)])
def test_training_keeps_the_temperature_with_the_model(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path, *, times: int, helps: bool
) -> None:
    held_out = [{**row, "prompt_id": f"{row['prompt_id']} {k}"} for k in range(times) for row in mixed(pairs)]
    result = train_reward(base, pairs, tmp_path / "rm", SETTINGS, held_out=held_out)
    model = RewardModel.load(tmp_path / "rm")
    kept = model.meta.temperature
    assert kept is not None
    assert kept.pairs == 24 * times
    assert kept.log_loss_after is not None
    assert kept.log_loss_after < kept.log_loss_before  # the model is surer than right in three of four
    assert ("only 24 labels" in kept.note) == (times == 1)
    assert any("only 24 labels" in note for note in result.notes) == (times == 1)
    assert kept.helps == helps
    chosen, rejected = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    expected = 1 / (1 + math.exp(-1 / (kept.value if helps else 1.0)))
    assert model.probability(chosen, rejected) == pytest.approx([expected, 1 - expected])
