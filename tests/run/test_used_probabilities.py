"""Which probabilities training sees: the judge's own, unless the run file asks for calibrated ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.calibration.samples import ExportedProbability
from amendment.records import Pair, Verdict
from amendment.run.context import RunContext
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.stages.calibration import PROBABILITIES
from amendment.stages.dataset import spot_checked_pairs

PAIR = Pair(prompt_id="x", chosen_id="b", rejected_id="a", p_chosen=0.9, p_chosen_raw=0.9, decided_by="judge")


@pytest.mark.parametrize(
    ("settings", "used"), [({}, 0.9), ({"probabilities": "calibrated"}, 0.7), ({"probabilities": "raw"}, 0.9)]
)
def test_calibrated_probabilities_are_used_where_the_run_file_says_so(
    settings: dict[str, str], used: float, tmp_path: Path
) -> None:
    parts = {"judging": {"judges": [{"model": "judge"}]}, "spot_check": {}, "dataset": settings}
    config = RunFile.model_validate({"name": "run", **parts})
    place = RunFolder(tmp_path)
    known = ExportedProbability(comparison_id=PAIR.comparison_id, prompt_id="x", p_a_raw=0.1, p_a_calibrated=0.3)
    place.write(PROBABILITIES, ExportedProbability, [known])
    place.write("labels/open", Verdict, [])
    [found] = spot_checked_pairs(RunContext(config, tmp_path, place, QuietProgress()), [PAIR]).pairs
    assert found.p_chosen == pytest.approx(used)
    assert found.p_chosen_calibrated == pytest.approx(0.7)
