"""Regressions of calibrated probabilities: temperatures, and what is said of a judge that gives no probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from amendment.calibration.calibrating import calibrate
from amendment.calibration.report import preview_lines
from amendment.calibration.samples import LabelledItem, SampledItem
from amendment.run import Run
from tests.command_line import amendment

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


HARD = """\
name: hard
seed: 4
constitution: lilliput
models:
  writer: {provider: simulated, writer: helpful-only}
  gavel: {provider: simulated, noise: 0.5}
prompts: [{lilliput: 40}]
candidates: [{model: writer, per_prompt: 2}]
judging: {judges: [{model: gavel, protocol: verdict}], orders: first}
spot_check: {items: 60, overlap: 40, people: simulated}
"""


def test_a_judge_of_bare_verdicts_has_an_accuracy_and_no_table_of_reliability(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(HARD, encoding="utf-8")
    Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()
    said = amendment("calibrate", tmp_path / "run").out
    assert "verdicts without probabilities: it is right in" in " ".join(said.split())
    certificate = (tmp_path / "run" / "certificate.md").read_text(encoding="utf-8")
    assert "verdicts without probabilities: it is right in" in certificate
    assert "| confidence" not in certificate


def test_the_preview_of_a_judge_of_bare_verdicts_shows_no_artefact_of_cross_fitting() -> None:
    found = calibrated(np.array([1.0, 0.0] * 50), np.array([1.0, 0.0] * 38 + [0.0, 1.0] * 12))
    lines = "\n".join(preview_lines(found.before.accuracy, found, ""))
    assert "right in 76.0 %" in lines  # 76 of 100
    assert "ECE" not in lines
