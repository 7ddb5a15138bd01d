"""Scoring by principles: worded once, asked for by row, and followed by the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.errors import ConfigError, DataError
from amendment.reward_model import RewardModel, RewardSettings, train_reward
from amendment.reward_model.model import conditioned_rows
from amendment.training import TrlFields

YES, NO = ["say yes"], ["say no"]
SETTINGS = RewardSettings(
    steps=200,
    batch_size=16,
    learning_rate=1e-2,
    max_length=160,
    conditioned=True,
    trl=TrlFields(lr_scheduler_type="constant"),
)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def plain(pairs: Rows) -> Rows:
    return [pair for i, pair in enumerate(pairs) if i % 4]


def test_the_preference_turns_with_the_principle(base: Path, plain: Rows, tmp_path: Path) -> None:
    turned = [{**pair, "chosen": pair["rejected"], "rejected": pair["chosen"], "principles": NO} for pair in plain]
    train_reward(base, [*({**pair, "principles": YES} for pair in plain), *turned], tmp_path / "rm", SETTINGS, seed=2)
    model = RewardModel.load(tmp_path / "rm")
    rows = {side: [{"prompt": pair["prompt"], "completion": pair[side]} for pair in plain] for side in plain[0]}
    gaps = [
        model.score(rows["chosen"], principles=principles) - model.score(rows["rejected"], principles=principles)
        for principles in (YES, NO)
    ]
    assert (gaps[0] > 0).mean() > 0.9
    assert (gaps[1] < 0).mean() > 0.9
    row = rows["chosen"][0]
    by_row = model.score([{**row, "principles": YES}, row], principles=NO)  # its own come before the default
    assert by_row == pytest.approx(np.concatenate([model.score([row], principles=p) for p in (YES, NO)]), abs=1e-5)
    with pytest.raises(DataError, match="row 2: principles: expected a list of statements to score by, found none"):
        model.score([{**row, "principles": YES}, row])


@pytest.mark.parametrize("bad", ["say yes", [], [3], [" "]])
def test_training_refuses_rows_without_statements(base: Path, plain: Rows, tmp_path: Path, bad: Any) -> None:
    rows = [{**plain[0], "principles": YES}, {**plain[0], "principles": bad}]
    with pytest.raises(DataError, match="row 2: principles"):
        train_reward(base, rows, tmp_path / "rm", SETTINGS)


def test_a_model_that_reads_no_principles_refuses_them(folder: Path) -> None:
    with pytest.raises(ConfigError, match="reads no principles"):
        RewardModel.load(folder).score([], principles=YES)


def test_principles_lead_the_system_text() -> None:
    talk = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "q"}]
    parts = [{"role": "system", "content": [{"type": "text", "text": "be kind"}]}]
    rows: Rows = [{"prompt": talk}, {"prompt": talk[1:]}, {"prompt": parts}]
    merged, alone, typed = (row["prompt"] for row in conditioned_rows(rows, ["be brief", "be true"]))
    words = "Judge the assistant's answer by these principles:\n- be brief\n- be true"
    assert [message["content"] for message in merged] == [f"{words}\n\nbe kind", "q"]
    assert [(message["role"], message["content"]) for message in alone] == [("system", words), ("user", "q")]
    assert "".join(part["text"] for part in typed[0]["content"]) == f"{words}\n\nbe kind"
    assert talk[0]["content"] == "be kind"  # what was given is as it was
