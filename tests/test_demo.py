"""`make demo`: the embedded model learns a principle that code can check, and the run shows what else came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from amendment.data.store import read_records
from amendment.records import Judgement, Preference, Verdict
from amendment.run import Run
from tests.test_real_weights import pytestmark as marks

pytestmark = [*marks, pytest.mark.long]
DEMO = Path(__file__).resolve().parent.parent / "examples" / "demo.yaml"


def test_the_demo_raises_a_checked_principle_and_keeps_the_weak_judge_out_of_the_labels(tmp_path: Path) -> None:
    result = Run.from_file(DEMO, folder=tmp_path / "demo")()
    evaluate = result.results["evaluate"]
    assert 30 <= evaluate.count("held_out_prompts") <= 40
    brief = evaluate.estimate("kept", principle="brief/brief", checked_by="check", policy="dpo", less="small")
    assert brief
    assert brief.value >= 0.15
    assert evaluate.estimate("kept", principle="brief/friendly") is None
    [examples] = evaluate.samples
    assert len(examples.rows) == 5
    rows = [
        row for side in ("train", "test") for row in read_records(result.folder / f"dataset/{side}.parquet", Preference)
    ]
    assert len(rows) >= 35
    assert {row.decided_by for row in rows} == {"verifier"}
    judged = read_records(result.folder / "judging/judgements.parquet", Judgement)
    assert {row.comparison_id for row in judged} < {row.comparison_id for row in rows}
    verdicts = read_records(result.folder / "judging/verdicts.parquet", Verdict)
    assert len(verdicts) == 2 * len(judged), "both orders"
    assert result.results["judging"].count("checked_comparisons")
