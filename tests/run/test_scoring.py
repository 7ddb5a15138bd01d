"""Files of every kind are scored, as they stand; a model is measured on held-out files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from amendment.data.sources import Source
from amendment.errors import ConfigError, DataError
from amendment.reward_model import RewardModel, evaluate_reward, longer_wins
from amendment.run.scoring import columns_in, score_files
from amendment.run.scoring_evaluation import evaluate_files, read_held_out
from tests.rows import save


def written(path: Path, rows: list[dict[str, Any]]) -> Source:
    return Source(path=str(save(path, rows)))


def scores_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(prompt: str, answer: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}], [{"role": "assistant", "content": answer}]
    return {"prompt": messages[0], "completion": messages[1]}


def test_candidates_pairs_lists_and_columns_of_ones_own_in_one_file_of_scores(
    reward_folder: Path, tmp_path: Path
) -> None:
    sources = [
        written(tmp_path / "c.jsonl", [{"prompt": "ask 1", "candidate": "yes indeed", "id": "first"}]),
        written(tmp_path / "p.jsonl", [{"prompt": "ask 2", "chosen": "yes indeed 2", "rejected": "no never"}]),
        written(tmp_path / "l.jsonl", [{"prompt": "ask 3", "candidates": ["yes", "no", "yes " * 200]}]),
    ]
    found = score_files(reward_folder, sources, tmp_path / "out.jsonl")
    loaded = RewardModel.load(reward_folder)
    pairs = [
        ("ask 1", "yes indeed"),
        ("ask 2", "yes indeed 2"),
        ("ask 2", "no never"),
        ("ask 3", "yes"),
        ("ask 3", "no"),
    ]
    expected = loaded.score([asked(*one) for one in pairs])
    candidate, pair, several = scores_in(tmp_path / "out.jsonl")
    assert (candidate["file"], candidate["row"], candidate["id"]) == ("c.jsonl", "line 1", "first")
    scores = [candidate["score"], pair["score_chosen"], pair["score_rejected"], *several["scores"][:2]]
    assert scores == pytest.approx(expected.tolist(), abs=1e-5)
    assert pair["p_chosen"] == pytest.approx(float(loaded.probability(expected[1:2], expected[2:3])[0]), abs=1e-5)
    assert several["scores"][2] is None
    assert several["reason"] == "candidates 3: over the model's max_length of 96 tokens"
    assert (found.counts["rows"], found.counts["answers"], found.counts["answers over the length"]) == (3, 6, 1)

    (tmp_path / "x.csv").write_text("q,more,left,right,key\nask 1,please,yes,no,7\n", encoding="utf-8")
    columns = columns_in("prompt=q+more,a=left,b=right,id=key")
    score_files(reward_folder, [Source(path="x.csv")], tmp_path / "own.jsonl", base=tmp_path, columns=columns)
    [row] = scores_in(tmp_path / "own.jsonl")
    expected = loaded.score([asked("ask 1\n\nplease", "yes"), asked("ask 1\n\nplease", "no")])
    assert [row["score_a"], row["score_b"]] == pytest.approx(expected.tolist(), abs=1e-5)
    assert row["id"] == "7"


def test_rows_of_our_own_datasets_keep_tools_and_messages(reward_folder: Path, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look"}}
    row = {**asked("ask 1", "yes"), "tools": [tool]}
    pair = {"prompt": row["prompt"], "chosen": row["completion"], "rejected": row["completion"], "tools": [tool]}
    score_files(reward_folder, [written(tmp_path / "p.jsonl", [pair])], tmp_path / "out.jsonl")
    [found] = scores_in(tmp_path / "out.jsonl")
    with_tools, without = RewardModel.load(reward_folder).score([row, asked("ask 1", "yes")])
    assert found["score_chosen"] == pytest.approx(with_tools, abs=1e-5)
    assert abs(with_tools - without) > 1e-4


def test_parquet_in_and_out_says_the_same(reward_folder: Path, tmp_path: Path) -> None:
    rows = [{"prompt": f"ask {i}", "chosen": "yes", "rejected": "no " * (1 + 200 * (i == 1))} for i in range(3)]
    source = written(tmp_path / "p.jsonl", rows)
    score_files(reward_folder, [source], tmp_path / "out.jsonl")
    score_files(reward_folder, [source], tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == scores_in(tmp_path / "out.jsonl")


def test_a_file_that_exists_is_overwritten_only_when_asked(reward_folder: Path, tmp_path: Path) -> None:
    source, out = written(tmp_path / "c.jsonl", [{"prompt": "ask", "candidate": "yes"}]), tmp_path / "out.jsonl"
    out.write_text("mine\n")
    with pytest.raises(ConfigError, match="exists already"):
        score_files(reward_folder, [source], out)
    assert out.read_text() == "mine\n"
    score_files(reward_folder, [source], out, replace=True)
    assert len(scores_in(out)) == 1
    with pytest.raises(ConfigError, match=r"written as \.jsonl or \.parquet"):
        score_files(reward_folder, [source], tmp_path / "out.txt")


def test_every_bad_row_is_named_before_anything_is_scored(reward_folder: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "ask", "candidate": "yes"},
        {"prompt": "", "candidate": "yes"},
        {"prompt": "ask", "candidate": 3},
    ]
    row = {"prompt": "ask", "chosen": ["yes"], "rejected": ["no", "never", "not now"], "num_correct": 1}
    sources = [written(tmp_path / "c.jsonl", rows), written(tmp_path / "l.jsonl", [row, {**row, "chosen": "yes"}])]
    for source, places in zip(sources, (["line 2: prompt", "line 3: candidate"], ["line 2"]), strict=True):
        with pytest.raises(DataError) as told:
            score_files(reward_folder, [source], tmp_path / "out.jsonl")
        assert [one.place for one in told.value.problems] == [f"{source.path}: {place}" for place in places]
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    "text", ["", "prompt=q", "chosen=a", "answer=x", "candidate", "candidate=x,chosen=a,rejected=b"]
)
def test_columns_that_make_no_row_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--columns: expected"):
        columns_in(text)


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


def test_layouts_of_others_load_as_they_are(reward_folder: Path, tmp_path: Path) -> None:
    layouts: list[dict[str, Any]] = [
        {"id": 1, "prompt": "ask 1", "chosen": ["yes indeed"] * 3, "rejected": ["no never"] * 3, "domain": "chat"},
        {"prompt": "ask 2", "candidates": ["no never", "yes indeed 1"], "quality": [0, 2.5]},
    ]
    found = evaluate_files(reward_folder, [written(tmp_path / f"{row['prompt']}.jsonl", [row]) for row in layouts])
    assert found.evaluation.rows == {"grid": 1, "pools": 1}
    measured = {layout: benchmark.to_json()["figures"] for layout, benchmark in found.evaluation.benchmarks.items()}
    assert measured["grid"]["hard"]["value"] == 1.0
    assert measured["pools"]["quality of the pick"]["value"] == 2.5
    (baseline,) = found.baselines
    assert json.loads(json.dumps(found.document, allow_nan=False))["baselines"][baseline]["rows"]["grid"] == 1


def test_columns_that_are_no_known_shape_can_be_named_in_the_command(tmp_path: Path) -> None:
    source = written(tmp_path / "o.jsonl", [{"frage": "q", "gut": "yes", "schlecht": "no"}])
    with pytest.raises(DataError, match=r"--columns prompt=COLUMN,chosen=COLUMN,rejected=COLUMN") as told:
        read_held_out([source], Path())
    with pytest.raises(DataError, match=r"--columns prompt=COLUMN"):  # and not that they are pairs
        read_held_out([source], Path(), people=["expert_*"])
    assert "frage: q" in str(told.value)
    named = read_held_out([source], Path(), columns=columns_in("prompt=frage,chosen=gut,rejected=schlecht"))
    assert len(named.rows) == 1
