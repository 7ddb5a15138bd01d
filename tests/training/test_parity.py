"""With labels of 1 our trainers lose what TRL's own lose, at every step: the parity that a new TRL has to keep.

TRL's classes tokenise the rows themselves here; only the order of the rows is ours on both sides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.dpo import DpoSettings, train_dpo
from amendment.reward_model import RewardSettings, train_reward
from amendment.training import LoraSettings
from amendment.training.workbench import steady, workbench

REWARD = RewardSettings(steps=6, batch_size=4, learning_rate=1e-2, max_length=128, trl={"logging_steps": 1})
DPO = DpoSettings(steps=6, batch_size=4, learning_rate=1e-2, max_length=128, trl={"logging_steps": 1})
LORA = LoraSettings(r=4)
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows(pairs: Rows) -> Rows:
    """Pairs without thinking and calls, which TRL would give the template under other names than ours."""
    return [pair for i, pair in enumerate(pairs) if i % 4]


def losses(history: Any) -> list[float]:
    return [entry["loss"] for entry in history if "loss" in entry]


def tokens(bench: Any, rows: Rows) -> list[int]:
    def count(messages: list[dict[str, Any]]) -> int:
        return len(bench.tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"])

    return [max(count([*row["prompt"], *row[side]]) for side in ("chosen", "rejected")) for row in rows]


def stock(kind: type[Any]) -> type[Any]:
    """TRL's own trainer on rows of messages, with our batches."""
    own = {name: getattr(kind, name) for name in ("_prepare_dataset", "_precompute_ref_logps") if hasattr(kind, name)}
    return type("Stock", (steady(kind),), own)


def stock_reward(base: Path, rows: Rows, out: Path, settings: RewardSettings) -> list[float]:
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    columns = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    with workbench(base, out, settings, 3) as bench:
        trainer = stock(RewardTrainer)(
            model=bench.base,
            args=bench.configure(
                RewardConfig,
                center_rewards_coefficient=0.01,
                model_init_kwargs={"dtype": "float32"},
            ),
            train_dataset=Dataset.from_list(columns),
            processing_class=bench.tokenizer,
            peft_config=bench.adapter("SEQ_CLS"),
        )
        trainer.lengths = tokens(bench, rows)
        trainer.train()
        return losses(trainer.state.log_history)


def stock_dpo(base: Path, rows: Rows, out: Path, settings: DpoSettings) -> list[float]:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    with workbench(base, out, settings, 3) as bench:
        trainer = stock(DPOTrainer)(
            model=bench.causal_model(),
            args=bench.configure(DPOConfig, beta=settings.beta),
            train_dataset=Dataset.from_list([{k: row[k] for k in ("prompt", "chosen", "rejected")} for row in rows]),
            processing_class=bench.tokenizer,
            peft_config=bench.adapter("CAUSAL_LM"),
        )
        trainer.lengths = tokens(bench, rows)
        trainer.train()
        return losses(trainer.state.log_history)


@pytest.mark.parametrize("changes", [{}, {"lora": LORA}], ids=["full", "lora"])
def test_the_reward_models_losses_are_those_of_trl(
    base: Path, rows: Rows, tmp_path: Path, changes: dict[str, Any]
) -> None:
    settings = REWARD.model_copy(update=changes)
    expected = stock_reward(base, rows, tmp_path / "stock", settings)
    found = losses(train_reward(base, rows, tmp_path / "ours", settings, seed=3).history)
    assert len(found) == 6
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("changes", [{}, {"lora": LORA}], ids=["full", "lora"])
def test_the_policys_losses_are_those_of_trl(base: Path, rows: Rows, tmp_path: Path, changes: dict[str, Any]) -> None:
    settings = DPO.model_copy(update=changes)
    expected = stock_dpo(base, rows, tmp_path / "stock", settings)
    found = losses(train_dpo(base, rows, tmp_path / "ours", settings, seed=3).history)
    assert len(found) == 6
    assert found == pytest.approx(expected, abs=1e-6)


def test_a_pair_of_weight_two_counts_as_the_pair_twice(base: Path, rows: Rows, tmp_path: Path) -> None:
    """Of the weights 2, 1, 1 the mean is 4/3; over all rows the loss is (2 a + b + c) / 4, as of a, a, b, c."""
    weighted = [{**row, "weight": weight} for row, weight in zip(rows[:3], (2, 1, 1), strict=True)]
    settings = DPO.model_copy(update={"steps": 2, "batch_size": 3, "sft_weight": 1.0})
    found = losses(train_dpo(base, weighted, tmp_path / "weighted", settings, seed=3).history)
    twice = [rows[0], rows[0], rows[1], rows[2]]
    four = settings.model_copy(update={"batch_size": 4})
    expected = losses(train_dpo(base, twice, tmp_path / "twice", four, seed=3).history)
    # the SFT term is a mean over tokens: the same where the chosen answers are of one length
    assert {len(row["chosen"][0]["content"]) for row in rows[:3]} == {len(rows[0]["chosen"][0]["content"])}
    assert found == pytest.approx(expected, abs=1e-5)
