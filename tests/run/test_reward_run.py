"""A run with an ensemble that scores by principles: what its stage tells, and that it is published whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.constitutions import load_constitution
from amendment.publishing.publication import prepare
from amendment.records import Preference
from amendment.reward_model import RewardModel
from amendment.run import Result, Run
from amendment.run.context import Context
from amendment.run.engine import RunFolder
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.stages.reward_model import fitted_counts, reward_rows

STAGES = """\
base: {on: nothing, steps: 1, tiny: {hidden: 16, layers: 1, heads: 2, intermediate: 32, vocab: 400, context: 512}}
reward_model: {base: base, steps: 2, batch_size: 4, max_length: 512, conditioned: true, lora: {r: 2},
  ensemble: {members: 2}}
publish: {repo: org/small, license: mit, models: {reward_model: org/small-rm}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, small_text: str) -> Result:
    folder = tmp_path_factory.mktemp("rewarded")
    (folder / "run.yaml").write_text(small_text + STAGES)
    return Run.from_file(folder / "run.yaml", folder=folder / "run")()


def context(result: Result) -> Context:
    run = Run.from_file(result.folder / "run.yaml")
    return Context(run.config, result.folder, RunFolder(result.folder), QuietProgress())


def rows(result: Result) -> list[dict[str, Any]]:
    pairs = RunFolder(result.folder).read("dataset/test", Preference)
    found = reward_rows(context(result), (pair.to_json() for pair in pairs))
    return [{**row, "completion": row["chosen"]} for row in found]


def test_the_stage_tells_agreement_and_why_there_is_no_temperature(made: Result) -> None:
    counts = made.summary["stages"]["reward_model"]
    assert 0.5 <= counts["members that agree with their mean"] <= 1
    assert "temperature" not in counts
    assert any("fewer than 20 held-out pairs" in note for note in counts["notes"])


def test_a_row_is_scored_by_the_statements_that_it_was_judged_by(made: Result) -> None:
    constitution = load_constitution("lilliput")
    statements = {f"lilliput/{one.id}": one.statement for one in constitution.principles}
    for row in rows(made):
        assert row["principles"] == [statements[name] for name in row["principle_ids"]]
    [foreign] = reward_rows(context(made), [{"principle_ids": ["elsewhere/rule"]}])
    assert foreign["principles"] == list(statements.values())


def test_the_published_files_are_the_whole_ensemble(made: Result, tmp_path: Path) -> None:
    [model] = prepare(made.folder).models
    assert {"model.safetensors", "members/1/model.safetensors"} <= set(model.files)
    for name, content in model.files.items():
        (tmp_path / "rm" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "rm" / name).write_bytes(content.encode() if isinstance(content, str) else content.read_bytes())
    trained = made.folder / "models/reward_model"
    here, there = (RewardModel.load(place).scores(rows(made)) for place in (trained, tmp_path / "rm"))
    assert np.array_equal(here.members, there.members, equal_nan=True)


@pytest.mark.parametrize("helps", [True, False, None])
def test_the_temperature_is_told_with_what_it_rests_on(made: Result, tmp_path: Path, helps: bool | None) -> None:
    shutil.copytree(made.folder / "models/reward_model", tmp_path / "rm")
    file = tmp_path / "rm" / "reward_meta.json"
    fitted: dict[str, Any] = {
        "value": 1.23456,
        "pairs": 40,
        "prompts": 20,
        "log_loss_before": 0.7,
        "log_loss_after": None,
    }
    fitted |= {"brier_before": 0.25, "brier_after": None, "note": "only 40 labels"}
    fitted |= {} if helps is None else {"helps": helps}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"temperature": fitted}))
    meta = RewardModel.describe(tmp_path / "rm")
    counts = fitted_counts(meta, {})
    assert counts["temperature"] == {
        "value": 1.2346,
        "pairs": 40,
        "prompts": 20,
        "log loss before": 0.7,
        "brier before": 0.25,
    }
    assert ("temperature used" in counts) == (not helps)
    assert meta.temperature_used == (1.23456 if helps else 1.0)


def test_an_unconditioned_run_leaves_rows_as_they_are(made: Result) -> None:
    plain = context(made)
    stage = plain.config.reward_model
    assert stage is not None
    plain.config = plain.config.model_copy(update={"reward_model": stage.model_copy(update={"conditioned": False})})
    assert isinstance(plain.config, RunFile)
    assert reward_rows(plain, [{"principle_ids": []}]) == [{"principle_ids": []}]
