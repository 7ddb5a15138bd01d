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


def stock_losses(base: Path, rows: Rows, out: Path, settings: RewardSettings | DpoSettings) -> list[float]:
    """The losses of TRL's own trainer for these settings."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer

    columns = [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows]
    with workbench(base, out, settings, 3) as bench:
        if isinstance(settings, DpoSettings):
            kind, task, model = DPOTrainer, "CAUSAL_LM", bench.causal_model()
            args = bench.configure(DPOConfig, beta=settings.beta)
        else:
            kind, task, model = RewardTrainer, "SEQ_CLS", bench.base
            own = {"center_rewards_coefficient": 0.01, "model_init_kwargs": {"dtype": "float32"}}
            args = bench.configure(RewardConfig, **own)
        trainer = stock(kind)(
            model=model,
            args=args,
            train_dataset=Dataset.from_list(columns),
            processing_class=bench.tokenizer,
            peft_config=bench.adapter(task),
        )
        trainer.lengths = tokens(bench, rows)
        trainer.train()
        return losses(trainer.state.log_history)


@pytest.mark.parametrize("lora", [None, LoraSettings(r=4)], ids=["full", "lora"])
@pytest.mark.parametrize("own", [REWARD, DPO], ids=["reward", "dpo"])
def test_every_loss_is_that_of_trl(
    own: RewardSettings | DpoSettings, lora: LoraSettings | None, base: Path, rows: Rows, tmp_path: Path
) -> None:
    settings: Any = own.model_copy(update={"lora": lora})
    train: Any = train_dpo if isinstance(own, DpoSettings) else train_reward
    expected = stock_losses(base, rows, tmp_path / "stock", settings)
    found = losses(train(base, rows, tmp_path / "ours", settings, seed=3).history)
    assert len(found) == 6
    assert found == pytest.approx(expected, abs=1e-6)
