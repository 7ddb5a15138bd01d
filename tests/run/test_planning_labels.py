"""What labels buy, as the command prints it: in general, for a run file, and from a run's own comparisons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from amendment.cli import app
from amendment.errors import ConfigError
from amendment.run.planning.labels import plan_labels


def told(*options: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["calibrate", "--plan", "--json", *options])
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_without_a_run_it_prints_both_tables_by_its_assumptions() -> None:
    printed = CliRunner().invoke(app, ["calibrate", "--plan"]).stdout
    assert "| ±5.0 points  | 288    |" in printed
    assert "| 800                           | 90 % / 0 %" in printed
    assert [row["labels"] for row in told()["rows"]] == [50, 100, 200, 400, 800, 1600]


def test_the_default_spot_check_shows_two_people_enough_for_its_gate() -> None:
    # all 50 that both see lie among the 100 sealed ones, and the gate asks for 30
    assert "about 50 comparisons that two people see; PASS / FAIL" in "\n".join(plan_labels().lines)


def test_a_spot_check_whose_gate_decides_nothing_is_told_so(small: Path) -> None:
    with small.open("a") as file:
        file.write("spot_check: {items: 200, overlap: 20}\n")
    assert "finds about 20: it decides nothing; raise spot_check.overlap" in "\n".join(plan_labels(small).lines)


def test_one_annotator_is_told_to_have_no_ceiling(small: Path) -> None:
    with small.open("a") as file:
        file.write("spot_check: {items: 200, annotators: 1}\n")
    lines = "\n".join(plan_labels(small).lines)
    assert "- gate: one annotator has no ceiling, the agreement of two people: it decides nothing; raise " in lines
    assert "200 items, all seen by one annotator, 50 % of the prompts sealed" in lines
    assert "spot_check.overlap" not in lines


def test_a_run_file_brings_its_own_spot_check(small: Path) -> None:
    with small.open("a") as file:
        file.write("spot_check: {items: 400, overlap: 200, sealed: 0, gate: {below_ceiling: 0.1}}\n")
    found = told(str(small))
    assert found["assumptions"]["below_ceiling"] == 0.1
    assert found["spot_check"]["agreement"]["labels"] == 400
    assert found["spot_check"]["gate"]["labels"] == 200
    assert "200 of them seen by 2 people):" in "\n".join(plan_labels(small).lines)


def test_a_run_with_judgements_is_drawn_from(undisturbed: Any) -> None:
    folder = undisturbed.result.folder
    pairs = undisturbed.result.summary["stages"]["dataset"]
    exported = pairs["train pairs"] + pairs["test pairs"]
    found = told(str(folder))
    assert found["basis"]["comparisons"] == exported
    assert found["rows"][-1]["labels"] == exported
    assert found["rows"][-1]["per_prompt"] > 1
    assert found["rows"][-1]["design_effect"] > 1
    assert found["needed"][-1]["labels"] is None


def test_nothing_is_written_and_a_folder_without_judgements_is_planned_by_assumptions(
    undisturbed: Any, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    shutil.copy(undisturbed.result.folder / "run.yaml", tmp_path / "run")
    assert plan_labels(tmp_path / "run").basis == {"assumed": "one comparison a prompt, equal weights"}
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.yaml"]


def test_agreement_and_ceiling_can_be_said() -> None:
    # 1.96^2 * 0.9 * 0.1 / 0.05^2 = 138.3
    found = told("--agreement", "0.9", "--ceiling", "0.8")
    assert next(one["labels"] for one in found["needed"] if one["half_width"] == 0.05) == 138
    assert found["assumptions"]["ceiling"] == 0.8


@pytest.mark.parametrize(
    ("path", "options", "told"),
    [
        (lambda folder: folder, {}, "not a run's folder"),
        (lambda folder: folder / "none.yaml", {}, "none.yaml"),
        (lambda _: None, {"ceiling": 0.3}, "ceiling: expected 0.6 to 0.99, found 0.3"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    path: Callable[[Path], Path | None], options: dict[str, float], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        plan_labels(path(tmp_path), **options)
