"""What the reward model's stage measures on held-out pairs, beside what people said of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.report.shown import count_lines
from amendment.reward_model.measuring import measured, measured_reward, score_pairs
from amendment.stages.trained import _LINES


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
    found = measured_reward(rows, score_pairs(reward_folder, rows))
    assert found
    # the ties of people have no better answer, but P is still measured against them
    assert (found["accuracy"]["n"], found["people"]["n"], found["people"]["ties"]) == (14, 8, 2)
    p = score_pairs(reward_folder, rows).p_chosen
    squares = [(p[i] - 0.75) ** 2 for i in range(8, 14)] + [(p[i] - 0.5) ** 2 for i in (14, 15)]
    assert found["people"]["brier"]["value"] == pytest.approx(sum(squares) / 8)
    [line] = [line for line in count_lines({"held out": found}, _LINES) if "against people" in line]
    assert line.startswith(f"- P(chosen) against people, 8 held-out pairs: Brier {sum(squares) / 8:.3f}")


def test_without_people_nothing_is_told_of_them(reward_folder: Path, pairs: list[dict[str, Any]]) -> None:
    rows = rows_of(pairs, 0.9, "judge")
    scores = score_pairs(reward_folder, rows)
    found = measured_reward(rows, scores)
    assert found
    assert "people" not in found
    assert not [line for line in count_lines({"held out": found}, _LINES) if "people" in line]
    assert measured_reward(rows_of(pairs, 0.5, "judge"), scores) is None
    assert measured_reward([], scores) is None


def test_accuracy_by_source_by_hand() -> None:
    texts = {"chosen_text": "yes", "rejected_text": "no", "category": None}
    sources = ["ours", "ours", "ours", None, None]
    rows = [{**texts, "source": source, "prompt_id": str(i)} for i, source in enumerate(sources)]
    # ours: right, wrong, and a tie, which counts half; without a source: one right, one that has no score
    figures = measured(rows, [2.0, 0.0, 1.0, 3.0, float("nan")], [1.0, 1.0, 1.0, 1.0, 1.0])
    assert {name: (part["value"], part["n"]) for name, part in figures["by_source"].items()} == {
        "ours": (0.5, 3),
        "none": (1.0, 1),
    }
    assert figures["accuracy"]["value"] == (1 + 0 + 0.5 + 1) / 4
    assert "- source ours: 0.500" in "\n".join(count_lines({"held out": figures}, _LINES))
