"""The loss of the first step, worked out from the scores of the untrained model: targets, weights and centring."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from amendment.reward_model import RewardModel, RewardSettings, train_reward

FIRST = RewardSettings(steps=1, batch_size=2, learning_rate=1e-12, max_length=128, labels="soft", log_every=1)
Rows = list[dict[str, Any]]


@pytest.mark.parametrize("factor", [0.0, 20.0])
def test_targets_weights_and_centring(base: Path, pairs: Rows, tmp_path: Path, factor: float) -> None:
    """The head is made `factor` times as large, so that differences are worth the while; of a head of zeros the loss
    is ln 2 whatever the target."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from amendment.training.model_files import load_tokenizer, quietly

    rows = [{**pairs[1], "p_chosen": 0.9, "weight": 3.0}, {**pairs[2], "p_chosen": 0.6, "weight": 1.0}]
    with quietly():
        torch.manual_seed(5)
        start = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1)
        with torch.no_grad():
            start.score.weight.mul_(factor)
        start.save_pretrained(tmp_path / "start")
        load_tokenizer(base).save_pretrained(tmp_path / "start")
    loss = train_reward(tmp_path / "start", rows, tmp_path / "rm", FIRST).history[0]["loss"]
    model = RewardModel.load(tmp_path / "rm")
    chosen, rejected = (
        model.score([{"prompt": row["prompt"], "completion": row[side]} for row in rows])
        for side in ("chosen", "rejected")
    )
    p, gaps = np.array([0.9, 0.6]), chosen - rejected
    # weights 3 and 1 become 1.5 and 0.5; each pair's loss has 0.01 (r + r')^2 on top
    each = p * np.logaddexp(0, -gaps) + (1 - p) * np.logaddexp(0, gaps) + 0.01 * (chosen + rejected) ** 2
    assert loss == pytest.approx((1.5 * each[0] + 0.5 * each[1]) / 2, rel=1e-6)
    if factor:
        assert abs(gaps).min() > 0.01
    else:
        assert loss == pytest.approx(math.log(2), abs=1e-6)
