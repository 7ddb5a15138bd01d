"""The example of online RLAIF: a verifier and a judge reward a training, and a judge that is away does not stop it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import Transient
from amendment.llm.model import Model
from amendment.training import TinyModel, build_tiny
from examples.grpo import main, prompts, train
from tests.test_real_weights import pytestmark as on_real_weights

pytestmark = [
    pytest.mark.slow,
    # TRL sets and reads the earlier names, of which transformers warns
    pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning"),
]
STEPS = 2


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    texts = [row["prompt"][0]["content"] for row in prompts("Answer in one short sentence.")]
    build_tiny(folder, texts, TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=256), seed=1)
    return folder


def logs(policy: Path, judge: Any, out: Path, **settings: Any) -> list[dict[str, float]]:
    """What the trainer logged, step by step."""
    trainer = train(policy, Model.from_function(judge), out, steps=STEPS, **settings)
    return [log for log in trainer.state.log_history if "reward" in log]


def test_a_verifier_and_a_judge_reward_the_same_completions(policy: Path, tmp_path: Path) -> None:
    asked = []

    def likes_the_first(messages: list[dict[str, Any]], labels: list[str]) -> dict[str, float]:
        asked.append(messages)
        return {labels[0]: 0.75, labels[1]: 0.25}

    steps = logs(policy, likes_the_first, tmp_path)
    assert len(steps) == STEPS
    # both orders of 6 pairs among 4 completions, for 2 prompts in each step; they cancel the judge's liking
    assert len(asked) == STEPS * 2 * 6 * 2
    for step in steps:
        assert step["rewards/judge/mean"] == step["judge/missing"] == step["verifier/missing"] == 0
        assert step["reward"] == pytest.approx(step["rewards/verifier/mean"])
        assert -1 <= step["rewards/verifier/mean"] <= 1


def test_a_judge_whose_calls_fail_stops_no_training(policy: Path, tmp_path: Path) -> None:
    def away(messages: list[dict[str, Any]], labels: list[str]) -> dict[str, float]:
        raise Transient("the server is away", kind="server")

    steps = logs(policy, away, tmp_path, patience=0.2)
    assert len(steps) == STEPS
    for step in steps:
        assert step["judge/missing"] == 1
        assert step["rewards/judge/mean"] == 0  # the example's fallback
        assert math.isfinite(step["loss"])


@pytest.mark.long
@pytest.mark.smollm
@pytest.mark.skipif(on_real_weights[2].args[0], reason=on_real_weights[2].kwargs["reason"])
def test_the_example_trains_the_embedded_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(str(tmp_path), "3")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step ")]
    assert len(lines) == 3
    assert (tmp_path / "policy" / "adapter_model.safetensors").exists()
