"""Results are values that survive their file, add up, and are found by name and labels."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from amendment.data.store import Workspace
from amendment.errors import ConfigError, LedgerError
from amendment.report.document import read_document
from amendment.results import Estimate, Figure, Funnel, Result, Summary, Table, counted, read_summary
from tests.report.folders import hostile_result

SHARE = Estimate(0.81, 0.76, 0.85, n=412, clusters=170, note="few clusters")
NOTHING = Estimate(math.nan, math.nan, math.nan, n=0, clusters=0)


def test_a_funnel_that_does_not_add_up_cannot_be_built() -> None:
    left_out = {"tie": 3, "near copy": 1}
    assert Funnel(what="pairs", came_in=10, left_out=left_out, remained=6).remained == 6
    with pytest.raises(ValidationError, match="pairs does not add up: 10 came in, 4 left, 7 remained"):
        Funnel(what="pairs", came_in=10, left_out=left_out, remained=7)
    with pytest.raises(ValidationError):
        Funnel(what="pairs", came_in=1, left_out={"tie": -1}, remained=2)


def test_a_row_of_a_table_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValidationError, match="needs 2 cells"):
        Table(title="t", head=("a", "b"), rows=((1,),))


def test_a_result_is_the_same_after_its_file() -> None:
    figures = (*counted(prompts=3, median=2.5, gate="PASS"), Figure(name="agreement", value=SHARE, unit="share"))
    empty = Figure(name="agreement", value=NOTHING, of={"policy": "dpo"})
    table = Table(title="t", head=("a", "b"), rows=((SHARE, None), ("x", 1)))
    result = Result(figures=(*figures, empty), tables=(table,)) + hostile_result()
    again = Result.from_json(json.loads(json.dumps(result.to_json(), allow_nan=False)))
    assert again == result
    assert (again.estimate("agreement"), again.estimate("agreement", policy="dpo")) == (SHARE, None)
    assert isinstance(again.samples[0], type(result.samples[0]))


def test_a_figure_is_found_by_its_name_and_all_its_labels() -> None:
    kept = [Figure(name="kept", value=n, of={"policy": policy, "principle": "r/a"}) for n, policy in enumerate("xy")]
    result = Result(figures=(*kept, *counted(kept=7)))
    assert (result.count("kept"), result.count("kept", policy="y", principle="r/a")) == (7, 1)
    assert result.figure("kept", policy="y") is None
    assert result.where("kept", policy="y") == [kept[1]]
    assert result.count("never_counted") == 0


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValidationError):
        Figure(name="mean", value=math.nan)


@pytest.mark.parametrize(
    "result", [[], {"figures": [{"name": 1}]}, {"funnels": [{"what": "x", "came_in": 1}], "figures": []}]
)
def test_a_note_that_somebody_has_changed_is_named(tmp_path: Path, result: object) -> None:
    (tmp_path / "stages").mkdir()
    note = {"format": 10, "key": "k", "artefacts": {}, "result": result}
    (tmp_path / "stages/inputs.json").write_text(json.dumps(note))
    if isinstance(result, dict):
        with pytest.raises(LedgerError, match=r"inputs\.json: not as the run wrote it"):
            Workspace(tmp_path).result("inputs")
    else:
        assert Workspace(tmp_path).note("inputs") is None


def test_a_summary_of_another_version_says_what_to_do_and_no_traceback_comes(tmp_path: Path) -> None:
    old = {"name": "t", "seed": 1, "toolkit": "0.9.0", "stages": {"inputs": {"prompts": 3}}, "before use": []}
    (tmp_path / "summary.json").write_text(json.dumps(old))
    for read in (read_summary, read_document):
        with pytest.raises(ConfigError, match=r"found the format None, .* Run the run file again"):
            read(tmp_path)
    for text in ("", "[]", '{"format": "amendment-summary-2"}'):
        (tmp_path / "summary.json").write_text(text)
        with pytest.raises(ConfigError, match="not as a run writes it"):
            read_summary(tmp_path)


def test_a_summary_is_the_same_after_its_file(tmp_path: Path) -> None:
    summary = Summary(name="t", seed=1, toolkit="1", stages={"inputs": hostile_result()}, missing=("dataset",))
    (tmp_path / "summary.json").write_text(json.dumps(summary.to_json()))
    assert read_summary(tmp_path) == summary
    assert summary.of("dataset") == Result()
