"""Trainers for a stock TRL config and a dataset: TRL's losses where nothing is soft, ours where something is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.dpo import policy_margins
from amendment.errors import ConfigError, DataError

Rows = list[dict[str, Any]]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
PLAIN = {
    "report_to": "none",
    "use_cpu": True,
    "bf16": False,
    "disable_tqdm": True,
    "logging_steps": 1,
    "save_strategy": "no",
}
SHORT = {"per_device_train_batch_size": 4, "max_steps": 4, "learning_rate": 1e-2}


pytestmark = pytest.mark.filterwarnings("ignore")  # of a stock config and of the libraries


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "1")  # TRL's own trainers report each start to their makers' server otherwise


@pytest.fixture(scope="module")
def rows(pairs: Rows) -> Rows:
    """Pairs without thinking and calls, which TRL would give the template under other names than ours."""
    return [{name: pair[name] for name in ("prompt", "chosen", "rejected")} for i, pair in enumerate(pairs) if i % 4]


def losses(kind: Any, base: Path, rows: Rows, args: Any, **other: Any) -> list[float]:
    """The loss of each step."""
    from datasets import Dataset

    from amendment.training.model_files import load_tokenizer

    tokenizer = load_tokenizer(base)
    trainer = kind(
        model=str(base), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, **other
    )
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def test_soft_labels_and_weights_count_as_the_page_says(base: Path, rows: Rows, tmp_path: Path) -> None:
    """Of a policy that has left its reference: p and w of each pair, worked out from the margins."""
    import torch
    from trl import DPOConfig

    from amendment.dpo import WeightedDPOTrainer
    from amendment.training.model_files import load_causal, load_tokenizer, quietly

    with quietly(seed=5):
        policy = load_causal(base)
        with torch.no_grad():
            for parameter in policy.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        policy.save_pretrained(tmp_path / "policy")
        load_tokenizer(base).save_pretrained(tmp_path / "policy")
    soft = [
        {**row, "p_chosen": p, "weight": w} for row, p, w in zip(rows, (1.0, 0.7, 0.2), (3.0, 0.0, 1.5), strict=False)
    ]
    d = policy_margins(tmp_path / "policy", base, soft)  # beta 0.1 in both
    assert np.abs(d).min() > 0.001
    p, w = np.array([1.0, 0.7, 0.2]), np.array([2.0, 0.0, 1.0])  # 3, 0 and 1.5 with mean 1
    expected = float(np.mean(w * (p * np.logaddexp(0, -d) + (1 - p) * np.logaddexp(0, d))))
    args = DPOConfig(output_dir=str(tmp_path / "out"), **PLAIN, **SHORT | {"max_steps": 1})
    found = losses(WeightedDPOTrainer, tmp_path / "policy", soft, args, ref_model=load_causal(base))
    assert found == [pytest.approx(expected, abs=1e-5)]


@pytest.mark.parametrize("name", ["WeightedDPOTrainer", "SoftRewardTrainer"])
def test_the_pages_code_runs_as_it_stands(
    name: str, base: Path, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import Dataset

    [code] = [block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if name in block]
    code = code.replace("./our-model", str(base))
    assert code.count("\n") <= 12
    monkeypatch.chdir(tmp_path)
    file = Path("runs/NAME/export/train.parquet")
    file.parent.mkdir(parents=True)
    Dataset.from_list([{**row, "p_chosen": 0.9, "weight": 1 + i % 2} for i, row in enumerate(rows)]).to_parquet(file)
    names: dict[str, Any] = {}
    exec(code, names)
    trainer = names["trainer"]
    assert trainer.state.global_step == 2
    assert (Path(trainer.args.output_dir) / "model.safetensors").is_file()
    assert np.isfinite(trainer.evaluate(trainer.train_dataset.select(range(4)))["eval_loss"])


def test_what_the_loss_would_ignore_is_refused(base: Path, rows: Rows, tmp_path: Path) -> None:
    from datasets import Dataset
    from trl import DPOConfig, RewardConfig

    from amendment.dpo import WeightedDPOTrainer
    from amendment.reward_model import SoftRewardTrainer

    options: list[dict[str, Any]] = [
        {"loss_type": ["hinge"]},
        {"label_smoothing": 0.1},
        {"loss_type": ["robust"], "label_smoothing": 0.5},
        {"use_weighting": True},
    ]
    for own in options:
        with pytest.raises(ConfigError, match=next(reversed(own))):
            losses(WeightedDPOTrainer, base, rows, DPOConfig(output_dir=str(tmp_path), **PLAIN, **own))
    stock = RewardConfig(output_dir=str(tmp_path), **PLAIN)
    with pytest.raises(DataError, match="margin"):
        losses(SoftRewardTrainer, base, [{**row, "margin": 1.0} for row in rows], stock)
    with pytest.raises(ConfigError, match="IterableDataset"):
        SoftRewardTrainer(model=str(base), args=stock, train_dataset=Dataset.from_list(rows).to_iterable_dataset())
