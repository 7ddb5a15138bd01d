"""What the reward model's stage measures on held-out pairs, beside what people said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.reward_model import RewardSettings, train_reward
from amendment.stages.reward_model import measured_reward, score_pairs
from amendment.stages.shown import count_lines
from amendment.stages.trained import _LINES


@pytest.fixture(scope="module")
def model(base: Path, pairs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("measured") / "rm"
    train_reward(base, pairs, out, RewardSettings(steps=12, batch_size=8, learning_rate=1e-2, max_length=96), seed=3)
    return out


def rows_of(pairs: list[dict[str, Any]], p: float, by: str) -> list[dict[str, Any]]:
    texts = {f"{side}_text": "" for side in ("chosen", "rejected")}
    return [{**pair, **texts, "source": None, "p_chosen": p, "decided_by": by} for pair in pairs]


def test_pairs_that_people_decided_are_measured_against_their_votes(model: Path, pairs: list[dict[str, Any]]) -> None:
    rows = [
        *rows_of(pairs[:8], 1.0, "judge"),
        *rows_of(pairs[8:14], 0.75, "person"),
        *rows_of(pairs[14:16], 0.5, "person"),
    ]
    found = measured_reward(rows, score_pairs(model, rows))
    assert found
    # the ties of people have no better answer, but P is still measured against them
    assert (found["accuracy"]["n"], found["people"]["n"], found["people"]["ties"]) == (14, 8, 2)
    p = score_pairs(model, rows).p_chosen
    squares = [(p[i] - 0.75) ** 2 for i in range(8, 14)] + [(p[i] - 0.5) ** 2 for i in (14, 15)]
    assert found["people"]["brier"]["value"] == pytest.approx(sum(squares) / 8)
    [line] = [line for line in count_lines({"held out": found}, _LINES) if "against people" in line]
    assert line.startswith(f"- P(chosen) against people, 8 held-out pairs: Brier {sum(squares) / 8:.3f}")


def test_without_people_nothing_is_told_of_them(model: Path, pairs: list[dict[str, Any]]) -> None:
    rows = rows_of(pairs, 0.9, "judge")
    scores = score_pairs(model, rows)
    found = measured_reward(rows, scores)
    assert found
    assert "people" not in found
    assert not [line for line in count_lines({"held out": found}, _LINES) if "people" in line]
    assert measured_reward(rows_of(pairs, 0.5, "judge"), scores) is None
    assert measured_reward([], scores) is None
