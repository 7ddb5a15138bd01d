"""A judge as the reward of a real training: twenty steps of TRL's GRPO with a tiny policy and the simulated judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.constitutions import load_constitution
from amendment.llm.ledger_reading import Reader
from amendment.preference import Judge, JudgeReward
from amendment.run import Run
from amendment.simulator import sample_prompts

pytestmark = [
    pytest.mark.long,
    # TRL sets and reads the earlier names, of which transformers warns
    pytest.mark.filterwarnings("ignore:`(is_)?gradient_checkpointing` is deprecated:FutureWarning"),
]
STEPS = 20


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from amendment.training import TinyModel, build_tiny

    folder = tmp_path_factory.mktemp("policy")
    texts = [prompt.text for prompt in sample_prompts(64, 0)] + ["sure the answer is 4", "i am not certain"] * 32
    build_tiny(folder, texts, TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=256), seed=1)
    return folder


def train(base: Path, out: Path, reward: JudgeReward, *, steps: int = STEPS, **columns: Any) -> Any:
    """Equal calls draw equal completions: the policy, its seed and its rewards are the same."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import GRPOConfig, GRPOTrainer

    prompts = [[{"role": "user", "content": prompt.text}] for prompt in sample_prompts(16, 0)]
    rows = Dataset.from_dict({"prompt": prompts, **{name: [value] * 16 for name, value in columns.items()}})
    config = GRPOConfig(
        output_dir=str(out),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        seed=3,
        max_steps=steps,
        logging_steps=1,
        learning_rate=1e-3,
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=8,
    )
    trainer = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        processing_class=AutoTokenizer.from_pretrained(base),
        reward_funcs=reward,
        args=config,
        train_dataset=rows,
    )
    trainer.train()
    return trainer


def test_twenty_steps_are_rewarded_by_the_judge_and_a_second_run_pays_nothing(base: Path, tmp_path: Path) -> None:
    run_file = tmp_path / "run.yaml"
    run_file.write_text(
        "name: rewarded\nconstitution: lilliput\nmodels: {judge: {provider: simulated}}\nprompts: [{lilliput: 4}]\n"
    )
    sent, rewards = [], []
    for _ in range(2):
        with Run.from_file(run_file, folder=tmp_path / "run") as run:
            made = Judge.from_folder("score", model=run.models["judge"], constitution=load_constitution("lilliput"))
            reward = made.as_reward()
            trainer = train(base, tmp_path / "trained", reward)
            sent.append(made.model.calls.sent)
        assert reward.counts.total() == STEPS * 4  # four completions a step, each with its reward or its reason
        assert trainer.state.global_step == STEPS
        rewards.append([log["rewards/judge/mean"] for log in trainer.state.log_history if "rewards/judge/mean" in log])
    assert len(rewards[0]) == STEPS
    assert rewards[0] == rewards[1]
    assert len(set(rewards[0])) > 1
    assert all(-1 <= one <= 1 for one in rewards[0])
    assert sent[0] > 0
    assert sent[1] == 0
    with Reader(tmp_path / "run" / "ledger.sqlite") as ledger:
        assert [(row.stage, row.replies) for row in ledger.spending()] == [("reward", sent[0])]
