"""What the reward model's stage measures on held-out pairs, beside what people said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.results import Result
from amendment.reward_model.measuring import measured, measured_reward, score_pairs


def rows_of(pairs: list[dict[str, Any]], p: float, by: str) -> list[dict[str, Any]]:
    texts = {f"{side}_text": "" for side in ("chosen", "rejected")}
    return [{**pair, **texts, "source": None, "p_chosen": p, "decided_by": by} for pair in pairs]


def test_pairs_that_people_decided_are_measured_against_their_votes(
    reward_folder: Path, pairs: list[dict[str, Any]]
) -> None:
    rows = [
        *rows_of(pairs[:8], 1.0, "judge"),
        *rows_of(pairs[8:14], 0.75, "person"),
        *rows_of(pairs[14:16], 0.5, "person"),
    ]
    found = Result(figures=tuple(measured_reward(rows, score_pairs(reward_folder, rows))))
    # the ties of people have no better answer, but P is still measured against them
    accuracy, brier = found.estimate("held_out_accuracy"), found.estimate("p_chosen_against_people", figure="brier")
    assert accuracy
    assert brier
    assert (accuracy.n, brier.n, found.count("pairs_that_people_decided"), found.count("ties_of_people")) == (
        14,
        8,
        8,
        2,
    )
    p = score_pairs(reward_folder, rows).p_chosen
    squares = [(p[i] - 0.75) ** 2 for i in range(8, 14)] + [(p[i] - 0.5) ** 2 for i in (14, 15)]
    assert brier.value == pytest.approx(sum(squares) / 8)


def test_without_people_nothing_is_told_of_them(reward_folder: Path, pairs: list[dict[str, Any]]) -> None:
    rows = rows_of(pairs, 0.9, "judge")
    scores = score_pairs(reward_folder, rows)
    names = {figure.name for figure in measured_reward(rows, scores)}
    assert "held_out_accuracy" in names
    assert not any("people" in name for name in names)
    assert [*measured_reward(rows_of(pairs, 0.5, "judge"), scores)] == []
    assert [*measured_reward([], scores)] == []


def test_accuracy_by_source_by_hand() -> None:
    texts = {"chosen_text": "yes", "rejected_text": "no", "category": None}
    sources = ["ours", "ours", "ours", None, None]
    rows = [{**texts, "source": source, "prompt_id": str(i)} for i, source in enumerate(sources)]
    # ours: right, wrong, and a tie, which counts half; without a source: one right, one that has no score
    found = Result(figures=tuple(measured(rows, [2.0, 0.0, 1.0, 3.0, float("nan")], [1.0, 1.0, 1.0, 1.0, 1.0])))
    ours, other = (found.estimate("held_out_accuracy", source=name) for name in ("ours", "none"))
    assert ours
    assert other
    assert (ours.value, ours.n, other.value, other.n) == (0.5, 3, 1.0, 1)
    accuracy = found.estimate("held_out_accuracy")
    assert accuracy
    assert accuracy.value == (1 + 0 + 0.5 + 1) / 4
    assert found.count("pairs_too_long_for_a_score") == 1
