"""Online RLAIF without a key, a server or a GPU: TRL's GRPO on the embedded model, rewarded by proof and by opinion.

python examples/grpo.py [FOLDER] [STEPS]        writes FOLDER (runs/grpo); 16 steps take six minutes of one core

Code checks what it can: a short answer, and no list. A judge, here the same small model, compares the completions of a
prompt with each other by a principle that no code can check: a friendly tone. Models this small judge poorly; name a
better one in JUDGE. A judge's replies are kept in the folder, so that a second start does not pay for them again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amendment.constitutions import load_constitution
from amendment.llm.model import Model
from amendment.llm.weights import find_weights
from amendment.preference import Judge, VerifierReward
from amendment.run import Run

if TYPE_CHECKING:
    from trl import GRPOTrainer

HERE = Path(__file__).resolve().parent
RULES = HERE / "rules" / "brief.yaml"
JUDGE = {"provider": "local", "model": "smollm2-135m-instruct"}


def train(policy: str | Path, judge_model: Model, out: Path, *, steps: int, patience: float = 30.0) -> GRPOTrainer:
    """A trainer that has trained an adapter of the policy, a model's folder or Hub id."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer

    rules = load_constitution(RULES)
    brief, prose, friendly = rules.principles
    judge = Judge.from_folder(
        "label-tokens", model=judge_model, constitution=rules.model_copy(update={"principles": (friendly,)})
    )
    has_gpu = torch.cuda.is_available()
    config = GRPOConfig(
        output_dir=str(out),
        max_steps=steps,
        num_generations=4,
        per_device_train_batch_size=8,  # two prompts with four completions each
        max_completion_length=40,
        learning_rate=5e-4,
        logging_steps=1,
        seed=7,
        use_cpu=not has_gpu,
        bf16=has_gpu,
        activation_checkpointing=False,
        save_strategy="no",
        report_to="none",
    )
    trainer = GRPOTrainer(
        model=str(policy),
        reward_funcs=[
            VerifierReward([*brief.check, *prose.check], fallback=0.0),
            judge.as_reward(patience=patience, fallback=0.0),  # no verdict: neither better nor worse
        ],
        args=config,
        train_dataset=Dataset.from_list(prompts(brief.statement)),
        peft_config=LoraConfig(r=16, target_modules="all-linear"),
    )
    trainer.train()
    return trainer


def prompts(rule: str) -> list[dict[str, Any]]:
    """Questions with the rule behind them, which the model follows now and then: what never passes teaches nothing."""
    lines = (HERE / "everyday.jsonl").read_text(encoding="utf-8").splitlines()
    return [{"prompt": [{"role": "user", "content": f"{json.loads(line)['prompt']} {rule}"}]} for line in lines]


def main(folder: str = "runs/grpo", steps: str = "16") -> None:
    out = Path(folder)
    settings = {"name": "grpo", "constitution": str(RULES), "models": {"judge": JUDGE}}
    with Run.from_dict(settings, folder=out / "judge") as run:
        trainer = train(find_weights("smollm2-135m-instruct"), run.models["judge"], out / "policy", steps=int(steps))
        trainer.save_model()
    for log in trainer.state.log_history:
        if "reward" in log:
            verified, judged = log["rewards/verifier/mean"], log["rewards/judge/std"]
            length = log["completions/mean_length"]
            print(f"step {log['step']}: verifier {verified:+.2f}, judge ±{judged:.2f}, {length:.0f} tokens")


if __name__ == "__main__":
    main(*sys.argv[1:])
