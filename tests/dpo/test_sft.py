"""Supervised fine-tuning: it learns, it repeats itself bit for bit, it leaves a plain folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from amendment.dpo import SftSettings, train_sft
from amendment.errors import ConfigError, TrainingError
from amendment.training import LoraSettings, TrlFields

SETTINGS = SftSettings(steps=6, batch_size=8, learning_rate=3e-2, max_length=128, log_every=3)


def rows_of(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Half of them as prompt and completion, half as messages."""
    halves = len(pairs) // 2
    split = [{"prompt": p["prompt"], "completion": p["chosen"], "category": p["category"]} for p in pairs[:halves]]
    return split + [{"messages": [*p["prompt"], *p["chosen"]]} for p in pairs[halves:]]


def weights(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_it_learns_says_nothing_and_leaves_a_plain_folder(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[tuple[int, int]] = []

    def progress(step: int, last: int, _: dict[str, float]) -> None:
        told.append((step, last))

    result = train_sft(base, rows_of(pairs), tmp_path / "sft", SETTINGS, seed=3, progress=progress)
    assert capfd.readouterr() == ("", "")
    assert result.history[-2]["loss"] < result.history[0]["loss"] - 0.5
    assert told[0] == (1, 6)
    assert told[-1] == (6, 6)
    assert result.steps == 6
    names = {file.name for file in (tmp_path / "sft").iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "history.json"}
    assert not names & {"README.md", "training_args.bin", "adapter_config.json"}
    record = json.loads((tmp_path / "sft" / "history.json").read_text())
    assert record["preflight"] == result.report.to_json()
    assert record["machine"]["threads"] == 1 or record["machine"]["device"] != "cpu"
    assert [path.name for path in tmp_path.iterdir()] == ["sft"]


def test_equal_seeds_give_equal_files_and_other_seeds_other_weights(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        train_sft(base, rows_of(pairs), tmp_path / name, SETTINGS, seed=seed)
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")
    for name in ("history.json", "config.json", "tokenizer.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_an_adapter_is_merged_into_a_full_model(base: Path, pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"lora": LoraSettings(r=4)})
    result = train_sft(base, rows_of(pairs), tmp_path / "lora", settings)
    assert result.history[-2]["loss"] < result.history[0]["loss"]
    assert not (tmp_path / "lora" / "adapter_config.json").exists()
    assert weights(tmp_path / "lora") != weights(base)
    train_sft(tmp_path / "lora", rows_of(pairs), tmp_path / "next", SETTINGS.model_copy(update={"steps": 1}))


def test_fields_of_trl_reach_the_trainer(base: Path, pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    trl = TrlFields(lr_scheduler_type="constant", gradient_accumulation_steps=2)
    settings = SftSettings(steps=2, learning_rate=0.01, batch_size=4, trl=trl)
    result = train_sft(base, rows_of(pairs), tmp_path / "out", settings)
    assert [entry["learning_rate"] for entry in result.history[:-1]] == [0.01]
    assert result.steps == 2


def test_a_result_is_replaced_and_anything_else_is_not(base: Path, pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    once = SETTINGS.model_copy(update={"steps": 1})
    for _ in range(2):
        train_sft(base, rows_of(pairs), tmp_path / "out", once)
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.txt").write_text("years of work")
    with pytest.raises(TrainingError, match="not a trained model of this package"):
        train_sft(base, rows_of(pairs), tmp_path / "theirs", once)
    assert (tmp_path / "theirs" / "thesis.txt").exists()


def test_a_base_that_is_not_there_is_told_before_anything_else(pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        train_sft(tmp_path / "nowhere", rows_of(pairs), tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()


def test_a_learning_rate_that_breaks_the_model_stops_the_run(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    trl = TrlFields(optim="sgd", max_grad_norm=0.0, lr_scheduler_type="constant")
    settings = SETTINGS.model_copy(update={"learning_rate": 1e30, "log_every": 1, "trl": trl})
    with pytest.raises(TrainingError, match="training left the numbers"):
        train_sft(base, rows_of(pairs), tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
