"""Held-out accuracies stand beside those of rules that need no model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.reward_model import RewardModel
from amendment.run import Run
from tests.command_line import amendment
from tests.rows import Rows, save

RUN = """\
name: own
verdicts: [{path: pairs.csv, columns: {prompt: q, a: x, b: y, votes: [ann]}, words: {a: 1, b: 2}, kind: person}]
dataset: {test_share: 0.5}
base: {on: chosen, hidden: 16, steps: 1, batch_size: 4, max_length: 128}
reward_model: {base: base, steps: 1, batch_size: 4, max_length: 128}
"""


def test_the_longer_and_the_first_answer_are_measured_on_the_pairs_that_are_scored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored, score = list[int](), RewardModel.score

    def counted(self: RewardModel, rows: Rows) -> Any:
        scored.append(len(rows))
        return score(self, rows)

    monkeypatch.setattr(RewardModel, "score", counted)
    # the longer answer is better in three of four, the first in half
    rows = []
    for i in range(48):
        texts = ("yes indeed it is so", "no") if i % 4 else ("yes", "no never it is not")
        x, y = texts if i % 2 else texts[::-1]
        rows.append({"q": f"ask {i}", "x": x, "y": y, "ann": 1 if i % 2 else 2})
    save(tmp_path / "pairs.csv", rows)
    (tmp_path / "run.yaml").write_text(RUN)
    result = Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()
    test = result.dataset["test"]
    assert sum(scored) == 2 * len(test)
    longer = [len(row["chosen"][0]["content"]) > len(row["rejected"][0]["content"]) for row in test]
    rules = [sum(right) / len(test) for right in (longer, [row["first"] == "chosen" for row in test])]
    found = [result.results["reward_model"].estimate(f"{rule}_answer_is_right") for rule in ("longer", "first")]
    assert [rule and rule.value for rule in found] == pytest.approx(rules)
    model, file = result.folder / "models/reward_model", result.folder / "export/test.parquet"
    document = json.loads(amendment("evaluate", model, file, "--json").out)
    by_length = document["baselines"]["the longer answer"]["pairs"]["accuracy"]
    assert [by_length["value"], document["always_first"]["value"]] == pytest.approx(rules)
