"""Three steps of TRL's GRPO on a tiny policy, with the folder as it is, and with `as_reward`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.reward_model import RewardModel
from amendment.training.model_files import quietly

STEPS = 3
Rows = list[dict[str, Any]]


class Recorder:
    """A second reward function, which gives 0 and keeps what it is shown."""

    __name__ = "recorder"

    def __init__(self) -> None:
        self.rows: list[Rows] = []

    def __call__(self, prompts: list[Any], completions: list[Any], **columns: Any) -> list[float]:
        self.rows.append([{"prompt": p, "completion": c} for p, c in zip(prompts, completions, strict=True)])
        return [0.0] * len(prompts)


def grpo(base: Path, prompts: Rows, reward: Path, out: Path) -> tuple[list[Rows], list[float]]:
    """What the trainer was shown at each step, and the mean reward that it saw."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from amendment.training.model_files import load_tokenizer

    recorder = Recorder()
    with quietly():
        config = GRPOConfig(
            output_dir=str(out),
            max_steps=STEPS,
            per_device_train_batch_size=4,
            num_generations=4,
            max_completion_length=6,
            learning_rate=1e-3,
            logging_steps=1,
            seed=1,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = GRPOTrainer(
            model=str(base),
            reward_funcs=[str(reward), recorder],
            args=config,
            train_dataset=Dataset.from_list(prompts),
            processing_class=load_tokenizer(base),
        )
        trainer._send_telemetry = lambda: None
        trainer.train()
    seen = [entry["rewards/rm/mean"] for entry in trainer.state.log_history if "rewards/rm/mean" in entry]
    return recorder.rows, seen


def test_the_folder_is_a_reward(reward_folder: Path, base: Path, pairs: Rows, tmp_path: Path) -> None:
    model = RewardModel.load(reward_folder)
    prompts = [{"prompt": pair["prompt"]} for pair in pairs]
    shown, seen = grpo(base, prompts, reward_folder, tmp_path)
    assert len(seen) == STEPS
    for rows, mean in zip(shown, seen, strict=True):
        assert model.score(rows).mean() == pytest.approx(mean, abs=1e-5)


def test_texts_are_read_as_turns_and_columns_of_the_dataset_reach_the_model(reward_folder: Path) -> None:
    model = RewardModel.load(reward_folder)
    reward = model.as_reward()
    turns = {
        "prompt": [{"role": "user", "content": "ask 1"}],
        "completion": [{"role": "assistant", "content": "yes indeed"}],
    }
    [score] = reward(["ask 1"], ["yes indeed"], completion_ids=[[1, 2]], trainer_state=None)
    assert score == pytest.approx(model.score([turns])[0])
    tools = [{"type": "function", "function": {"name": "look"}}]
    with_tools, without = reward(["ask", "ask"], ["yes", "yes"], tools=[tools, None])
    assert with_tools != without
    assert reward(["ask"], ["yes " * 300]) == [None]
    assert model.as_reward(fallback=-5.0)(["ask"], ["yes " * 300]) == [-5.0]
