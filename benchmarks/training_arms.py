"""What the benchmarks of trainers share: a random model, rows, and one training by TRL as it is or by us.

Both draw the same rows in the same order from the same start; TRL's classes tokenise the rows themselves, and get the
reference's log-probabilities before the first step, as ours do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datasets import Dataset
from transformers import PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from amendment.dpo import DpoSettings, SftSettings, train_dpo, train_sft
from amendment.reward_model import RewardSettings, train_reward
from amendment.training import LoraSettings, TinyModel, build_tiny
from amendment.training.workbench import Workbench, steady, workbench

Kind = Literal["sft", "reward", "dpo"]
Rows = Sequence[Mapping[str, Any]]
Tell = Callable[[Mapping[str, float]], None]
"""Called at the end of each step with its entry of the history."""
SEED = 5


class Task(NamedTuple):
    """What both train."""

    kind: Kind
    base: Path
    rows: Rows
    steps: int
    batch: int
    """Rows, or pairs."""
    lora: LoraSettings | None = None

    @property
    def settings(self) -> SftSettings | DpoSettings | RewardSettings:
        kinds: dict[Kind, Any] = {"sft": SftSettings, "reward": RewardSettings, "dpo": DpoSettings}
        common = {"max_length": 4096, "trl": {"logging_steps": 1}, "learning_rate": 1e-6, "lora": self.lora}
        settings: SftSettings | DpoSettings | RewardSettings = kinds[self.kind](
            steps=self.steps, batch_size=self.batch, **common
        )
        return settings


def make(folder: Path, shape: TinyModel, *, pairs: int, words: int) -> Rows:
    """Write a random base and return pairs of which each side answers in about so many words of its vocabulary."""
    draw = random.Random(SEED)  # noqa: S311 - words, no secrets
    known = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 7))) for _ in range(400)]

    def text(count: int) -> str:
        return " ".join(draw.choices(known, k=count))

    def message(role: str, count: int) -> list[dict[str, str]]:
        return [{"role": role, "content": text(count)}]

    def length() -> int:
        return draw.randint(words * 3 // 4, words * 5 // 4)

    build_tiny(folder, [" ".join(known)] * 20, shape, SEED)
    return [
        {
            "prompt": message("user", words // 4),
            "chosen": message("assistant", length()),
            "rejected": message("assistant", length()),
        }
        for _ in range(pairs)
    ]


def ours(task: Task, out: Path, tell: Tell) -> None:
    """Train by the function that a user calls."""

    def progress(step: int, steps: int, metrics: dict[str, float]) -> None:
        if "loss" in metrics:
            tell(metrics)

    trained: Any = {"sft": train_sft, "reward": train_reward, "dpo": train_dpo}[task.kind]
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in task.rows]
    trained(task.base, rows if task.kind == "sft" else task.rows, out, task.settings, seed=SEED, progress=progress)


def stock(task: Task, out: Path, tell: Tell) -> None:
    """Train by TRL's own class on the same machine settings; of ours is only the order of the rows."""

    class TallyColumn(TrainerCallback):  # type: ignore[misc]  # untyped base
        def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **_: Any) -> None:
            if "loss" in logs:
                tell(logs)

    with workbench(task.base, out, task.settings, SEED) as bench:
        trainer = _stock_trainer(task, bench)
        trainer.lengths = [_tokens(bench, row, task.kind) for row in task.rows]
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(TallyColumn())
        trainer.train()


def _stock_trainer(task: Task, bench: Workbench) -> Any:
    rows = [dict(row) for row in task.rows]
    common = {"processing_class": bench.tokenizer}
    if task.kind == "sft":
        rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
        common |= {"model": bench.causal_model(), "peft_config": bench.adapter("CAUSAL_LM")}
        return steady(SFTTrainer)(args=bench.configure(SFTConfig), train_dataset=Dataset.from_list(rows), **common)
    if task.kind == "reward":
        args = bench.configure(
            RewardConfig, center_rewards_coefficient=0.01, model_init_kwargs={"dtype": bench.dtype_name}
        )
        common |= {"model": bench.base, "peft_config": bench.adapter("SEQ_CLS")}
        return steady(RewardTrainer)(args=args, train_dataset=Dataset.from_list(rows), **common)
    args = bench.configure(DPOConfig, precompute_ref_log_probs=True)
    common |= {"model": bench.causal_model(), "peft_config": bench.adapter("CAUSAL_LM")}
    return steady(DPOTrainer)(args=args, train_dataset=Dataset.from_list(rows), **common)


def _tokens(bench: Workbench, row: Mapping[str, Any], kind: Kind) -> int:
    def count(side: str) -> int:
        messages = [*row["prompt"], *row[side]]
        return len(bench.tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"])

    return count("chosen") if kind == "sft" else max(count("chosen"), count("rejected"))
