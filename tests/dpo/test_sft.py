"""Supervised fine-tuning: it learns, repeats itself bit for bit, leaves a plain folder, and packs rows apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from amendment.dpo import SftSettings, train_sft
from amendment.errors import ConfigError, DataError, TrainingError
from amendment.training import TrainResult

Rows = list[dict[str, Any]]
SETTINGS = SftSettings(steps=6, batch_size=8, learning_rate=3e-2, max_length=128, trl={"logging_steps": 3})


@pytest.fixture(scope="module")
def rows(pairs: Rows) -> Rows:
    """Half of them as prompt and completion, half as messages."""
    split = [{"prompt": p["prompt"], "completion": p["chosen"], "category": p["category"]} for p in pairs[:12]]
    return split + [{"messages": [*p["prompt"], *p["chosen"]]} for p in pairs[12:]]


class Trained(NamedTuple):
    result: TrainResult
    progress: list[tuple[int, int]]


@pytest.fixture(scope="module")
def trained(base: Path, rows: Rows, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    progress: list[tuple[int, int]] = []
    out = tmp_path_factory.mktemp("sft") / "model"
    return Trained(
        train_sft(base, rows, out, SETTINGS, seed=3, progress=lambda step, last, _: progress.append((step, last))),
        progress,
    )


def test_it_learns_and_leaves_a_plain_folder(trained: Trained) -> None:
    result, folder = trained.result, trained.result.folder
    assert result.history[-1]["loss"] < result.history[0]["loss"] - 0.5
    assert trained.progress == [(1, 6), (3, 6), (6, 6)]
    names = {file.name for file in folder.iterdir()} - {"generation_config.json", "tokenizer_config.json"}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "history.json"}
    record = json.loads((folder / "history.json").read_text())
    assert record["preflight"] == result.report.to_json()
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert record["history"] == [*result.history]


def test_equal_seeds_give_equal_files_in_silence_and_other_seeds_other_weights(
    trained: Trained, base: Path, rows: Rows, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, seed in (("same", 3), ("other", 4)):
        train_sft(base, rows, tmp_path / name, SETTINGS, seed=seed)
    assert capfd.readouterr() == ("", "")
    first = trained.result.folder
    for name in ("model.safetensors", "history.json", "config.json", "tokenizer.json"):
        assert (tmp_path / "same" / name).read_bytes() == (first / name).read_bytes()
    assert (tmp_path / "other/model.safetensors").read_bytes() != (first / "model.safetensors").read_bytes()


def test_a_result_is_replaced_and_anything_else_is_not(base: Path, rows: Rows, tmp_path: Path) -> None:
    once = SETTINGS.model_copy(update={"steps": 1})
    for _ in range(2):
        train_sft(base, rows, tmp_path / "out", once)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="not a trained model of this package"):
        train_sft(base, rows, tmp_path / "theirs", once)
    assert (tmp_path / "theirs/thesis.txt").exists()


def test_what_cannot_be_trained_is_refused_and_leaves_nothing(base: Path, rows: Rows, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match="no such folder"):
        train_sft(tmp_path / "nowhere", rows, out, SETTINGS)
    with pytest.raises(DataError, match=r"row 25: .* found str"):
        train_sft(base, [*rows, "a"], out, SETTINGS)  # type: ignore[list-item]
    breaking = {"lr_scheduler_type": "constant", "logging_steps": 1}
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30, "trl": breaking})
    with pytest.raises(TrainingError, match="loss or gradient norm became NaN or infinite"):
        train_sft(base, rows, out, settings)
    assert list(tmp_path.iterdir()) == []
