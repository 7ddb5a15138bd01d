"""`label_smoothing: estimated`: the spot check's expected flip rate is what trainers smooth by, and it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from amendment.data.store import Workspace
from amendment.errors import ConfigError, TrainingError
from amendment.run import load_run_file
from amendment.run.chain import list_stages
from amendment.stages.dpo import DpoConfig
from amendment.stages.training import smoothed
from tests.run.spot_checked import CHECKED, SIMULATED, run

TINY = "base: {on: nothing, steps: 1, hidden: 16, vocab: 400}"
SHORT = "base: base, despite: [order, people], steps: 1, batch_size: 4, max_length: 90, trl: {logging_steps: 1}"
TRAINED = f"""{SIMULATED}{TINY}
reward_model: {{{SHORT}, label_smoothing: estimated}}
dpo: {{{SHORT}, loss: robust, label_smoothing: estimated, guards: null}}
"""


@pytest.mark.slow
def test_the_expected_flip_rate_is_the_smoothing_of_both_trainers(tmp_path: Path) -> None:
    stages = run(tmp_path, TRAINED).results
    rate = json.loads((tmp_path / "run/calibration/calibrator.json").read_text())["expected flip rate"]
    assert 0 < rate < 0.5
    for name in ("reward_model", "dpo"):
        assert stages[name].totals["label_smoothing"] == rate
        record = json.loads((tmp_path / f"run/models/{name}/history.json").read_text())
        assert record["settings"]["label_smoothing"] == rate


def test_only_the_stage_that_asks_for_it_reads_the_calibration(run_file: Callable[[str], Path]) -> None:
    config = load_run_file(run_file(TRAINED.replace("loss: robust, label_smoothing: estimated", "loss: ipo"))).config
    needs = {one.name: one.reads for one in list_stages(config)}
    assert "calibration/calibrator.json" in needs["reward_model"]
    assert "calibration/calibrator.json" not in needs["dpo"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TRAINED.replace(SIMULATED, CHECKED), "dpo.label_smoothing: estimated on what people say, but nobody is asked"),
        (TRAINED.replace("overlap: 70", "overlap: 70, calibration: none"), r"spot_check.calibration is none"),
        (TRAINED.replace("loss: robust", "labels: soft"), "soft labels say themselves how sure they are"),
        (TRAINED.replace("loss: robust", "loss: kto"), "loss: kto has no label smoothing"),
        (TRAINED.replace("smoothing: estimated", "smoothing: 0.5"), "less than 0.5"),
        (TRAINED.replace("smoothing: estimated", "smoothing: guessed"), "estimated"),
    ],
)
def test_what_could_not_be_estimated_or_would_not_act_is_refused(
    run_file: Callable[[str], Path], text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        load_run_file(run_file(text))


def test_a_judge_that_was_not_calibrated_or_says_nothing_gives_no_estimate(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    stage = DpoConfig(base="sft", label_smoothing="estimated")
    (tmp_path / "calibration").mkdir()
    recipe = tmp_path / "calibration/calibrator.json"
    recipe.write_text('{"method": "none", "reason": "there are 3 labels"}')
    with pytest.raises(TrainingError, match=r"dpo: .* was not calibrated \(there are 3 labels\)"):
        smoothed(place, "dpo", stage)
    recipe.write_text('{"expected flip rate": 0.5}')
    with pytest.raises(TrainingError, match=r"comes to 0\.500, so that the labels say nothing"):
        smoothed(place, "dpo", stage)
    recipe.write_text('{"expected flip rate": 0.125}')
    found = smoothed(place, "dpo", stage)
    assert (found.config.label_smoothing, found.result.totals) == (0.125, {"label_smoothing": 0.125})
    plain = DpoConfig(base="sft", label_smoothing=0.2)
    assert smoothed(place, "dpo", plain).config == plain
