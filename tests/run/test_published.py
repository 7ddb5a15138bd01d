"""Judge logs and benchmarks in the layouts of their projects, with texts of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from amendment.audit.inputs import read_votes
from amendment.audit.votes import Vote
from amendment.errors import DataError
from amendment.run import RunFile
from tests.rows import save
from tests.run.shaped import audited, battle


def shown(votes: list[Vote]) -> list[tuple[str, str, str | None]]:
    return [(vote.rater + "*" * (vote.kind == "person"), vote.value, vote.first) for vote in votes]


def test_a_log_of_mt_bench_meets_the_labels_of_its_people(tmp_path: Path) -> None:
    people = [battle("model_b", judge="expert_1", turn=1), battle("model_a", judge="expert_2", turn=2)]
    game: dict[str, Any] = {"question_id": 7, "model_1": "two", "model_2": "one", "judge": ["gpt", "pair-v2"]}
    log = [
        {
            **game,
            "turn": 1,
            "g1_winner": "model_1",
            "g2_winner": "model_2",
            "g1_judgment": "[[A]]",
            "g2_judgment": "[[A]]",
        },
        {**game, "turn": 2, "g1_winner": "tie", "g2_winner": "error", "g1_judgment": "[[C]]", "g2_judgment": "?"},
    ]
    save(tmp_path / "people.jsonl", people), save(tmp_path / "log.jsonl", log)
    sources = [{"path": "people.jsonl", "kind": "person"}, {"path": "log.jsonl", "kind": "model"}]
    found = read_votes(RunFile.model_validate({"name": "t", "verdicts": sources}), tmp_path)
    assert len(found.items) == 2
    # The log has the models the other way round: its model_1 is "two", the people's model_b.
    assert shown(found.votes) == [
        ("expert_1*", "B", None),
        ("gpt/pair-v2", "B", "B"),
        ("gpt/pair-v2", "A", "A"),
        ("expert_2*", "A", None),
        ("gpt/pair-v2", "tie", "B"),
        ("gpt/pair-v2", "invalid", "A"),
    ]
    assert {item.prompt for item in found.items.values()} == {"7"}  # both turns are one cluster


def test_preferences_of_alpaca_eval_are_probabilities(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"instruction": f"Say {n}.", "output_1": f"So {n}", "output_2": f"Or {n}", "annotator": "judge-1"}
        | {"generator_1": "base", "generator_2": "ours", "preference": preference}
        for n, preference in enumerate((1.0, 2.0, 1.25, 1.5, 0, None))
    ]
    found = audited(save(tmp_path / "annotations.json", rows), kind="model")
    # P(output_1 is better) = 2 - preference
    values = [("A", 1.0), ("B", 0.0), ("A", 0.75), ("tie", 0.5), ("tie", 0.5), ("invalid", None)]
    assert [(vote.value, vote.p_a) for vote in found.votes] == values
    assert {(item.model_a, item.model_b) for item in found.items.values()} == {("base", "ours")}
    save(tmp_path / "annotations.json", [{**rows[0], "preference": 3}])
    with pytest.raises(DataError, match="found '3', expected a probability between 0 and 1"):
        audited(tmp_path / "annotations.json", kind="model")


def test_decisions_of_judgebench_are_in_both_orders(tmp_path: Path) -> None:
    row = {
        "pair_id": "p1",
        "source": "math",
        "question": "2 + 2?",
        "response_A": "4",
        "response_B": "5",
        "label": "A>B",
    }
    decisions = [{"decision": "A>B"}, {"decision": "A>B"}]  # the first shown both times
    log: list[dict[str, Any]] = [
        {**row, "judge_name": "m", "judgments": decisions},
        {**row, "pair_id": "p2", "response_B": "6", "judge_name": "m", "judgments": [{"decision": "A=B"}, None]},
    ]
    path = save(tmp_path / "log.jsonl", log)
    assert shown(audited(path, people=["label"]).votes) == [
        ("label*", "A", None),
        ("m", "A", "A"),
        ("m", "B", "B"),
        ("label*", "A", None),
        ("m", "tie", "A"),
        ("m", "invalid", "B"),
    ]
    with pytest.raises(DataError, match="who are the raters label, m"):
        audited(path)


def test_the_labels_of_auto_j_are_peoples(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"scenario": "advice", "label": n, "prompt": f"How {n}?", "response 1": "So.", "response 2": "Or."}
        for n in range(3)
    ]
    found = audited(save(tmp_path / "testdata_pairwise.jsonl", rows))
    assert [(vote.value, vote.kind) for vote in found.votes] == [("A", "person"), ("B", "person"), ("tie", "person")]
    assert {item.category for item in found.items.values()} == {"advice"}
