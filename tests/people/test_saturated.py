"""Temperatures of judges that are too sure, and what is said of probabilities of exactly 0 or 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amendment.people.calibrating import calibrate
from amendment.people.samples import LabelledItem, SampledItem

Floats = NDArray[np.float64]


def sure_judge(n: int, *, temperature: float, digits: int | None = None) -> tuple[Floats, Floats]:
    """Probabilities of a judge that is so many times too sure, and one person's label of each pair."""
    dice = np.random.default_rng(14)
    truth = dice.normal(size=n) * 2
    labels = (dice.random(n) < 1 / (1 + np.exp(-truth))).astype(np.float64)
    p = 1 / (1 + np.exp(-temperature * truth))
    return (p if digits is None else np.round(p, digits)), labels


def calibrated(p: Floats, labels: Floats) -> Any:
    rows = zip(p.tolist(), labels.tolist(), strict=True)
    drawn: dict[str, Any] = {"a": "a", "b": "b", "stratum": "", "inclusion": 1}
    items = [LabelledItem(SampledItem(prompt_id=f"p{i}", p_a=p, **drawn), (y,)) for i, (p, y) in enumerate(rows)]
    return calibrate(items, seed=0)


@pytest.mark.parametrize("digits", [None, 6])
def test_a_temperature_of_saturated_probabilities_is_the_true_one(digits: int | None) -> None:
    # Two in five lie nearer to 0 or 1 than 1e-6. Held there they made the temperature 6.4 instead of 8.
    found = calibrated(*sure_judge(3000, temperature=8.0, digits=digits))
    assert found.calibrator.scale == pytest.approx(8.0, rel=0.1)
    assert any("of the probabilities" in told for told in found.before.warnings)


def test_a_fit_says_where_many_probabilities_are_exactly_zero_or_one() -> None:
    found = calibrated(*sure_judge(1000, temperature=8.0, digits=3))
    assert any("exactly 0 or 1" in told for told in found.warnings)
    kept = calibrated(*sure_judge(1000, temperature=1.5))
    assert not any("exactly 0 or 1" in told for told in kept.warnings)
    assert kept.calibrator.scale == pytest.approx(1.5, rel=0.15)
