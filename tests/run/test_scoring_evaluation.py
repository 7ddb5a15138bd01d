"""Held-out files of every layout as rows to measure on, and the evaluation of a model on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.data.sources import Source
from amendment.errors import ConfigError, DataError
from amendment.reward_model import RewardSettings, evaluate_reward, longer_wins, train_reward
from amendment.run.scoring import columns_in
from amendment.run.scoring_evaluation import evaluate_files, read_held_out


@pytest.fixture(scope="module")
def model(base: Path, pairs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It prefers yes to no."""
    out = tmp_path_factory.mktemp("evaluation") / "rm"
    train_reward(base, pairs, out, RewardSettings(steps=12, batch_size=8, learning_rate=1e-2, max_length=96), seed=3)
    return out


def written(path: Path, rows: list[dict[str, Any]]) -> Source:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Source(path=str(path))


def text(messages: list[dict[str, Any]]) -> str:
    return str(messages[0]["content"])


def test_votes_of_people_become_shares_and_the_order_of_the_file_is_kept(tmp_path: Path) -> None:
    rows = [
        {"prompt": "q", "left": "one", "right": "two", "v1": "b", "v2": "b", "v3": "a", "kind": "x"},
        {"prompt": "r", "left": "one", "right": "two", "v1": "a", "v2": "tie", "v3": "a", "kind": "y"},
        {"prompt": "s", "left": "one", "right": "two", "v1": "tie", "v2": "tie", "v3": "a", "kind": "y"},
    ]
    columns = columns_in("prompt=prompt,a=left,b=right,votes=v1+v2+v3,category=kind")
    found = read_held_out([written(tmp_path / "v.jsonl", rows)], tmp_path, columns=columns).rows
    assert [(text(row["chosen"]), row["first"], row["category"]) for row in found[:2]] == [
        ("two", "rejected", "x"),
        ("one", "chosen", "y"),
    ]
    assert [row["p_people"] for row in found[:2]] == pytest.approx([2 / 3, 2.5 / 3])
    measured = evaluate_reward(longer_wins, found)
    assert measured.undecided == 1  # two of three call it a tie
    assert measured.people
    assert measured.people.n == 3
    assert measured.always_first
    assert measured.always_first.value == 0.5


def test_a_file_of_verdicts_needs_to_know_who_is_a_person(tmp_path: Path) -> None:
    rows = [
        {"item": "1", "prompt": "q", "a": "one", "b": "two", "verdict": "b", "rater": "anna"},
        {"item": "1", "prompt": "q", "a": "one", "b": "two", "verdict": "a", "rater": "judge"},
    ]
    source = written(tmp_path / "v.jsonl", rows)
    with pytest.raises(DataError, match="--people 'PATTERN'"):
        read_held_out([source], tmp_path)
    [row] = read_held_out([source], tmp_path, people=["anna"]).rows
    assert (text(row["chosen"]), row["p_people"]) == ("two", 1.0)
    with pytest.raises(ConfigError, match="--people is for files of verdicts"):
        read_held_out(
            [written(tmp_path / "p.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "b"}])], tmp_path, people=["x"]
        )


def test_our_own_datasets_say_who_decided(tmp_path: Path) -> None:
    def row(prompt: str, p: float, by: str) -> dict[str, Any]:
        messages = {"prompt": [{"role": "user", "content": prompt}]}
        sides = {side: [{"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
        return {**messages, **sides, "p_chosen": p, "decided_by": by, "category": "c"}

    rows = [row("q", 0.75, "person"), row("r", 0.9, "judge"), row("s", 0.5, "judge")]
    found = read_held_out([written(tmp_path / "d.jsonl", rows)], tmp_path).rows
    measured = evaluate_reward(longer_wins, found)
    assert measured.people
    assert (measured.people.n, measured.undecided, measured.always_first) == (1, 1, None)
    assert measured.pairs
    assert measured.pairs.by_category.keys() == {"c"}


def test_counts_that_are_not_those_of_the_lists_are_told(tmp_path: Path) -> None:
    row = {"prompt": "ask", "chosen": ["yes"], "rejected": ["no", "never"], "num_correct": 1, "subset": "Focus"}
    found = read_held_out([written(tmp_path / "1.jsonl", [{**row, "num_incorrect": 3}])], Path()).rows
    with pytest.raises(DataError, match="row 1: num_incorrect: expected 2, as many as rejected holds, found 3"):
        evaluate_reward(longer_wins, found)


def test_layouts_of_others_load_as_they_are(model: Path, tmp_path: Path) -> None:
    one = [
        {"prompt": "ask 1 1", "chosen": "yes indeed 1", "rejected": "no never 1", "subset": "donotanswer", "id": 1},
        {"prompt": "ask 2 2", "chosen": "no never 2", "rejected": "yes indeed 2", "subset": "hep-go", "id": 2},
        {"prompt": "ask 2 3", "chosen": "yes indeed 2", "rejected": "no never 2", "subset": "math-prm", "id": 3},
    ]
    two = [
        {
            "id": "5",
            "prompt": "ask 1 3",
            "chosen": ["yes indeed 4"],
            "rejected": ["no never 1", "no never 2", "no never 3"],
            "num_correct": 1,
            "num_incorrect": 3,
            "total_completions": 4,
            "models": ["x"],
            "subset": "Focus",
            "additional_metadata": None,
        },
    ]
    grid = [
        {"id": 1, "prompt": "ask 1", "chosen": ["yes indeed"] * 3, "rejected": ["no never"] * 3, "domain": "chat"},
    ]
    pools = [{"prompt": "ask 2", "candidates": ["no never", "yes indeed 1"], "quality": [0, 2.5]}]
    layouts: list[list[dict[str, Any]]] = [one, two, grid, pools]
    sources = [written(tmp_path / f"{i}.jsonl", rows) for i, rows in enumerate(layouts)]
    found = evaluate_files(model, sources)
    evaluation = found.evaluation
    assert evaluation.rows == {"reward-bench": 3, "reward-bench-2": 1, "grid": 1, "pools": 1}
    assert evaluation.reward_bench
    # safety 1; reasoning: mathematics 1, code 0
    assert {name: one.value for name, one in evaluation.reward_bench.sections.items()} == {
        "safety": 1,
        "reasoning": 0.5,
    }
    assert evaluation.reward_bench.core == 0.75
    assert evaluation.reward_bench_2
    assert evaluation.reward_bench_2.overall == 1.0
    assert evaluation.grid
    assert evaluation.grid.hard.value == 1.0
    assert evaluation.best_of_n
    assert evaluation.best_of_n.picked.value == 2.5
    assert found.baselines.keys() == {"longer wins"}
    told = "\n".join(found.lines)
    for title in ("RewardBench\n", "RewardBench 2", "Style grid", "Best of n", "longer wins"):
        assert title in told
    document = json.loads(json.dumps(found.document, allow_nan=False))
    assert document["files"][0] == {"name": "0.jsonl", "rows": 3, "sha256": document["files"][0]["sha256"]}
    assert document["baselines"]["longer wins"]["rows"]["grid"] == 1
    assert len(document["model"]["sha256"]) == 64


def test_a_row_that_cannot_be_read_is_named_or_counted(model: Path, tmp_path: Path) -> None:
    rows = [
        {"prompt": "ask", "candidates": ["yes", "no"], "best": 0},
        {"prompt": "ask", "candidates": ["yes", ""], "best": 0},
    ]
    source = written(tmp_path / "c.jsonl", rows)
    with pytest.raises(DataError, match="line 2: candidates 2: is empty"):
        evaluate_files(model, [source])
    found = evaluate_files(model, [source.model_copy(update={"bad_rows": "skip"})])
    assert found.document["read"] == {"rows": 1, "bad rows left out": 1}
    assert "bad rows left out: 1" in found.lines


def test_nothing_to_measure_on_is_told(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to evaluate on"):
        evaluate_files(model, [])
    same = written(tmp_path / "s.jsonl", [{"prompt": "q", "chosen": "a", "rejected": "a"}])
    with pytest.raises(DataError, match="no row can be measured on"):
        evaluate_files(model, [same])
    columns = columns_in("a=chosen,b=rejected")
    with pytest.raises(ConfigError, match="needs votes"):
        evaluate_files(model, [same], columns=columns)


def test_columns_that_are_no_known_shape_can_be_named_in_the_command(tmp_path: Path) -> None:
    source = written(tmp_path / "o.jsonl", [{"frage": "q", "gut": "yes", "schlecht": "no"}])
    with pytest.raises(DataError, match=r"--columns prompt=COLUMN,chosen=COLUMN,rejected=COLUMN") as told:
        read_held_out([source], Path())
    with pytest.raises(DataError, match=r"--columns prompt=COLUMN"):  # and not that they are pairs
        read_held_out([source], Path(), people=["expert_*"])
    assert "frage: q" in str(told.value)
    named = read_held_out([source], Path(), columns=columns_in("prompt=frage,chosen=gut,rejected=schlecht"))
    assert len(named.rows) == 1
