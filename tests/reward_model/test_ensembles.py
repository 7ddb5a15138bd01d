"""Ensembles: what their folder holds, what their spread says, and that a killed one goes on."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from amendment.errors import ConfigError
from amendment.reward_model import EnsembleSettings, RewardModel, RewardScores, RewardSettings, train_reward
from amendment.training import LaunchSettings

SETTINGS = RewardSettings(
    steps=8, batch_size=8, learning_rate=1e-2, max_length=96, ensemble=EnsembleSettings(members=3)
)
Rows = list[dict[str, Any]]


def rows_of(pairs: Rows, side: str = "chosen") -> Rows:
    return [{"prompt": pair["prompt"], "completion": pair[side]} for pair in pairs]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


@pytest.fixture(scope="module")
def ensemble(base: Path, pairs: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ensemble") / "rm"
    train_reward(base, pairs, out, SETTINGS, seed=3)
    return out


def test_members_differ_and_the_score_is_their_mean(ensemble: Path, pairs: Rows, tmp_path: Path) -> None:
    model = RewardModel.load(ensemble)
    scores = model.scores(rows_of(pairs))
    assert scores.members.shape == (3, len(pairs))
    assert (scores.deviation > 0).all()
    assert scores.mean == pytest.approx(scores.members.mean(axis=0))
    assert scores.deviation == pytest.approx(np.std(scores.members, axis=0, ddof=1))
    assert model.score(rows_of(pairs)) == pytest.approx(scores.mean)
    agreement = scores.agreement(model.scores(rows_of(pairs, "rejected")))
    assert set(agreement.round(6)) <= {0.333333, 0.666667, 1.0}
    shutil.copytree(ensemble, tmp_path / "elsewhere")
    held = RewardModel.load(tmp_path / "elsewhere", hold=True).scores(rows_of(pairs))
    assert np.array_equal(held.members, scores.members)
    shutil.rmtree(tmp_path / "elsewhere/members")
    first = (tmp_path / "elsewhere/reward_meta.json").read_text().replace('"members": 3', '"members": 2')
    (tmp_path / "elsewhere/reward_meta.json").write_text(first)
    with pytest.raises(ConfigError, match="a member of the ensemble is missing"):
        RewardModel.load(tmp_path / "elsewhere").score(rows_of(pairs))


def test_no_path_of_this_machine_leaves_with_the_folder(ensemble: Path) -> None:
    assert not any(str(ensemble.parent) in file.read_text() for file in ensemble.rglob("*.json"))
    assert [path.name for path in ensemble.parent.iterdir()] == ["rm"]
    assert sorted(path.name for path in (ensemble / "members").iterdir()) == ["1", "2"]


class Killed(BaseException):
    """What no handler takes for an error."""


def test_a_killed_training_trains_no_finished_member_again(
    ensemble: Path, base: Path, pairs: Rows, tmp_path: Path
) -> None:
    first, second = list[int](), list[int]()

    def kill(step: int, steps: int, metrics: dict[str, float]) -> None:
        first.append(step)
        if first.count(1) == 3:
            raise Killed

    with pytest.raises(Killed):
        train_reward(base, pairs, tmp_path / "rm", SETTINGS, seed=3, progress=kill)
    train_reward(base, pairs, tmp_path / "rm", SETTINGS, seed=3, progress=lambda step, *_: second.append(step))
    assert second.count(1) == 1  # the one that was killed
    assert contents(tmp_path / "rm") == contents(ensemble)


def test_agreement_by_hand() -> None:
    # Gaps by member: pair 1: +3 +1 -1, mean +1: two of three agree. Pair 2: 0 0 0, a tie for all. Pair 3 has no score.
    gaps = np.array([[3.0, 0.0, np.nan], [1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]])
    agreement = RewardScores.of(gaps).agreement(RewardScores.of(np.zeros((3, 3))))
    assert agreement.tolist()[:2] == pytest.approx([2 / 3, 1.0])
    assert np.isnan(agreement[2])
    assert np.isnan(RewardScores.of(np.ones((1, 2))).deviation).all()


def test_what_an_ensemble_cannot_be_is_refused() -> None:
    with pytest.raises(ValidationError):
        EnsembleSettings(members=1)
    with pytest.raises(ValidationError, match="trained on one device"):
        RewardSettings(ensemble=EnsembleSettings(members=2), launch=LaunchSettings(processes=2), batch_size=16)
