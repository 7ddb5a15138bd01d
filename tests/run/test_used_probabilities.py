"""Which probabilities training sees where the run file does not say: calibrated ones only where they surely help."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from amendment.calibration.samples import ExportedProbability
from amendment.records import Pair, Verdict
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.stages.calibration import CALIBRATOR, PROBABILITIES
from amendment.stages.dataset import spot_checked_pairs

PAIR = Pair(prompt_id="x", chosen_id="b", rejected_id="a", p_chosen=0.9, p_chosen_raw=0.9, decided_by="judge")


@pytest.mark.parametrize(
    ("said", "helps", "used"),
    [(None, True, 0.7), (None, False, 0.9), ("calibrated", False, 0.7), ("raw", True, 0.9)],
)
def test_calibrated_probabilities_are_used_where_they_surely_help(
    said: Literal["raw", "calibrated"] | None, helps: bool, used: float, tmp_path: Path
) -> None:
    parts = {"judging": {"judges": [{"model": "judge"}]}, "spot_check": {}, "dataset": {"probabilities": said}}
    config = RunFile.model_validate({"name": "run", **parts})
    place = RunFolder(tmp_path)
    known = ExportedProbability(comparison_id=PAIR.comparison_id, prompt_id="x", p_a_raw=0.1, p_a_calibrated=0.3)
    place.write(PROBABILITIES, ExportedProbability, [known])
    place.write("labels/open", Verdict, [])
    place.path(CALIBRATOR).write_text(json.dumps({"method": "temperature", "helps": helps}))
    [found] = spot_checked_pairs(RunContext(config, tmp_path, place, QuietProgress()), [PAIR]).pairs
    assert found.p_chosen == pytest.approx(used)
    assert found.p_chosen_calibrated == pytest.approx(0.7)
