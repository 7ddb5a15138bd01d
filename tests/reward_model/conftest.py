"""One reward model that the tests of the subpackage load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def folder(base: Path, pairs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from amendment.reward_model import RewardSettings, train_reward

    out = tmp_path_factory.mktemp("reward") / "rm"
    settings = RewardSettings(steps=12, batch_size=8, learning_rate=1e-2, max_length=96, log_every=6)
    train_reward(base, pairs, out, settings, seed=3)
    return out
