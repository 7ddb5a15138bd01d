"""The first thirty losses of three tiny trainings: a refactor reproduces them, a change of method explains itself.

`python tests/training/test_golden.py` writes them anew.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from amendment.dpo import DpoSettings, SftSettings, train_dpo, train_sft
from amendment.reward_model import RewardSettings, train_reward
from amendment.training import TinyModel, TrainResult, build_tiny

GOLDEN = Path(__file__).with_name("golden")
STEPS = {"steps": 30, "batch_size": 8, "max_length": 96, "trl": {"logging_steps": 1}}
WORDS = ("red", "green", "blue", "black", "white")


def rows() -> list[dict[str, Any]]:
    """Forty pairs: the better answer names the colour that was asked for, and some labels are unsure."""
    return [
        {
            "prompt": [{"role": "user", "content": f"which colour is {i} {WORDS[i % 5]}"}],
            "chosen": [{"role": "assistant", "content": f"it is {WORDS[i % 5]}"}],
            "rejected": [{"role": "assistant", "content": f"it may be {WORDS[(i + 2) % 5]} as you know"}],
            "p_chosen": 0.6 + 0.1 * (i % 4),
            "weight": 1.0 + (i % 3),
        }
        for i in range(40)
    ]


def trained(kind: str, folder: Path) -> TrainResult:
    pairs, base = rows(), folder / "base"
    texts = [
        message["content"] for pair in pairs for side in ("prompt", "chosen", "rejected") for message in pair[side]
    ]
    build_tiny(base, texts, TinyModel(hidden=32, layers=1, heads=2, intermediate=64, vocab=400, context=96), seed=5)
    if kind == "sft":
        completions = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
        return train_sft(base, completions, folder / "out", SftSettings(learning_rate=3e-3, **STEPS), seed=5)
    if kind == "reward":
        settings = RewardSettings(learning_rate=3e-3, labels="soft", **STEPS)
        return train_reward(base, pairs, folder / "out", settings, seed=5)
    policy = DpoSettings(learning_rate=1e-3, labels="soft", sft_weight=0.2, **STEPS)
    return train_dpo(base, pairs, folder / "out", policy, seed=5)


def table(result: TrainResult) -> list[list[float]]:
    """Step, loss, and the norm of its gradient."""
    return [[entry["step"], entry["loss"], entry["grad_norm"]] for entry in result.history if "loss" in entry]


@pytest.mark.parametrize("kind", ["sft", "reward", "dpo"])
def test_the_first_thirty_losses_are_the_ones_that_are_kept(kind: str, tmp_path: Path) -> None:
    kept = [[float(cell) for cell in line.split()] for line in lines(kind)]
    found = table(trained(kind, tmp_path))
    assert len(found) == 30
    for row, golden in zip(found, kept, strict=True):
        assert row == pytest.approx(golden, rel=2e-3, abs=2e-4)  # another processor adds in another order


def lines(kind: str) -> list[str]:
    text = (GOLDEN / f"{kind}.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


def main() -> None:
    for kind in ("sft", "reward", "dpo"):
        with tempfile.TemporaryDirectory() as folder:
            written = [f"{step:.0f} {loss:.6f} {norm:.6f}" for step, loss, norm in table(trained(kind, Path(folder)))]
        text = "\n".join(["# step, loss, gradient norm", *written])
        (GOLDEN / f"{kind}.txt").write_text(text + "\n", encoding="utf-8")
        sys.stdout.write(f"{kind}: {written[0]} ... {written[-1]}\n")


if __name__ == "__main__":
    main()
