"""`score_files` on files of every kind: one row of scores a row, resumable byte for byte, nothing mixed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from amendment.data.sources import Source
from amendment.errors import ConfigError, DataError
from amendment.reward_model import EnsembleSettings, RewardModel, RewardSettings, train_reward
from amendment.run.scoring import columns_in, read_asked, score_files, score_texts

SETTINGS = RewardSettings(steps=6, batch_size=8, learning_rate=1e-2, max_length=96)


@pytest.fixture(scope="module")
def model(base: Path, pairs: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scoring") / "rm"
    train_reward(base, pairs, out, SETTINGS, seed=3)
    return out


def written(path: Path, rows: list[dict[str, Any]]) -> Source:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Source(path=str(path))


def scores_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def asked(prompt: str, answer: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}], [{"role": "assistant", "content": answer}]
    return {"prompt": messages[0], "completion": messages[1]}


def test_candidates_pairs_and_lists_in_one_file_of_scores(model: Path, tmp_path: Path) -> None:
    sources = [
        written(tmp_path / "c.jsonl", [{"prompt": "ask 1", "candidate": "yes indeed", "id": "first"}]),
        written(tmp_path / "p.jsonl", [{"prompt": "ask 2", "chosen": "yes indeed 2", "rejected": "no never"}]),
        written(tmp_path / "l.jsonl", [{"prompt": "ask 3", "candidates": ["yes", "no", "yes " * 200]}]),
    ]
    found = score_files(model, sources, tmp_path / "out.jsonl")
    loaded = RewardModel.load(model)
    answers = [
        ("ask 1", "yes indeed"),
        ("ask 2", "yes indeed 2"),
        ("ask 2", "no never"),
        ("ask 3", "yes"),
        ("ask 3", "no"),
    ]
    expected = loaded.score([asked(*one) for one in answers])
    candidate, pair, several = scores_in(tmp_path / "out.jsonl")
    assert (candidate["file"], candidate["row"], candidate["id"]) == ("c.jsonl", "line 1", "first")
    assert candidate["score"] == pytest.approx(expected[0], abs=1e-5)
    assert [pair["score_chosen"], pair["score_rejected"]] == pytest.approx(expected[1:3].tolist(), abs=1e-5)
    assert pair["p_chosen"] == pytest.approx(float(loaded.probability(expected[1:2], expected[2:3])[0]), abs=1e-5)
    assert several["scores"][:2] == pytest.approx(expected[3:].tolist(), abs=1e-5)
    assert several["scores"][2] is None
    assert several["reason"] == "candidates 3: over the model's max_length of 96 tokens"
    assert candidate["reason"] is None
    assert (found.counts["rows"], found.counts["answers"], found.counts["answers over the length"]) == (3, 6, 1)
    assert found.new == 3


def test_columns_of_csv_files_are_named_as_in_a_run_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("q,more,left,right,key\nask 1,please,yes,no,7\n", encoding="utf-8")
    columns = columns_in("prompt=q+more,a=left,b=right,id=key")
    score_files(model, [Source(path="x.csv")], tmp_path / "out.jsonl", base=tmp_path, columns=columns)
    [row] = scores_in(tmp_path / "out.jsonl")
    expected = RewardModel.load(model).score([asked("ask 1\n\nplease", "yes"), asked("ask 1\n\nplease", "no")])
    assert [row["score_a"], row["score_b"]] == pytest.approx(expected.tolist(), abs=1e-5)
    assert row["id"] == "7"
    assert 0 < row["p_a"] < 1


def test_rows_of_our_own_datasets_keep_tools_and_messages(model: Path, tmp_path: Path) -> None:
    tool = {"type": "function", "function": {"name": "look"}}
    row = {**asked("ask 1", "yes"), "tools": [tool]}
    pair = {"prompt": row["prompt"], "chosen": row["completion"], "rejected": row["completion"], "tools": [tool]}
    score_files(model, [written(tmp_path / "p.jsonl", [pair])], tmp_path / "out.jsonl")
    [found] = scores_in(tmp_path / "out.jsonl")
    with_tools, without = RewardModel.load(model).score([row, asked("ask 1", "yes")])
    assert found["score_chosen"] == pytest.approx(with_tools, abs=1e-5)
    assert abs(with_tools - without) > 1e-4


def test_parquet_in_and_out_says_the_same(model: Path, tmp_path: Path) -> None:
    rows = [{"prompt": f"ask {i}", "chosen": "yes", "rejected": "no " * (1 + 200 * (i == 1))} for i in range(3)]
    source = written(tmp_path / "p.jsonl", rows)
    score_files(model, [source], tmp_path / "out.jsonl")
    score_files(model, [source], tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet").to_pylist() == scores_in(tmp_path / "out.jsonl")
    assert not (tmp_path / "out.parquet.partial").exists()


def test_an_ensemble_says_how_far_its_members_are_apart(
    base: Path, pairs: list[dict[str, Any]], tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"ensemble": EnsembleSettings(members=2)})
    train_reward(base, pairs, tmp_path / "rm", settings, seed=3)
    sources = [
        written(tmp_path / "p.jsonl", [{"prompt": "ask 2", "chosen": "yes indeed 2", "rejected": "no never"}]),
        written(tmp_path / "c.jsonl", [{"prompt": "ask 1", "candidate": "yes indeed"}]),
    ]
    score_files(tmp_path / "rm", sources, tmp_path / "out.jsonl")
    pair, candidate = scores_in(tmp_path / "out.jsonl")
    loaded = RewardModel.load(tmp_path / "rm")
    chosen, rejected = (loaded.scores([asked("ask 2", answer)]) for answer in ("yes indeed 2", "no never"))
    assert pair["score_chosen"] == pytest.approx(chosen.mean[0], abs=1e-5)
    assert pair["deviation_rejected"] == pytest.approx(rejected.deviation[0], abs=1e-5)
    assert pair["agreement"] == chosen.agreement(rejected)[0]
    assert candidate["deviation"] > 0
    assert "deviations" in score_texts(tmp_path / "rm", "ask", ["yes"])


def test_a_model_of_principles_is_told_them(base: Path, pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    rows = [{**pair, "principles": ["Say yes."]} for pair in pairs]
    train_reward(base, rows, tmp_path / "rm", SETTINGS.model_copy(update={"conditioned": True}), seed=3)
    own = {"prompt": "ask 1", "candidate": "yes indeed", "principles": ["Say no."]}
    bare = {"prompt": "ask 1", "candidate": "yes indeed"}
    sources = [written(tmp_path / "a.jsonl", [own]), written(tmp_path / "b.jsonl", [bare])]
    with pytest.raises(DataError, match="principles"):
        score_files(tmp_path / "rm", sources, tmp_path / "out.jsonl")
    score_files(tmp_path / "rm", sources, tmp_path / "out.jsonl", principles=["Say yes."])
    found = [row["score"] for row in scores_in(tmp_path / "out.jsonl")]
    loaded = RewardModel.load(tmp_path / "rm")
    expected = [loaded.score([asked("ask 1", "yes indeed")], principles=[one])[0] for one in ("Say no.", "Say yes.")]
    assert found == pytest.approx(expected, abs=1e-5)
    assert found[0] != found[1]


# Going on.


def many(path: Path) -> Source:
    rows = [{"prompt": f"ask {i % 10}", "candidate": f"yes {'indeed ' * (i % 7)}{i % 5}"} for i in range(1100)]
    return written(path, rows)


KILLED = """
import os, signal, sys
from pathlib import Path
from amendment.data.sources import Source
from amendment.run.scoring import score_files

def kill(done, total):
    if done == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

score_files(sys.argv[1], [Source(path=sys.argv[2])], Path(sys.argv[3]), progress=kill)
"""


def test_a_killed_command_goes_on_and_ends_with_the_same_bytes(model: Path, tmp_path: Path) -> None:
    source, out = many(tmp_path / "many.jsonl"), tmp_path / "out.jsonl"
    whole = score_files(model, [source], tmp_path / "whole.jsonl")
    command = [sys.executable, "-c", KILLED, str(model), str(source.path), str(out), "512"]
    killed = subprocess.run(command, check=False, timeout=240)
    assert killed.returncode == -9
    assert not out.exists()
    partial = tmp_path / "out.jsonl.partial"
    assert len(scores_in(partial)) == 512
    with partial.open("a", encoding="utf-8") as file:  # the next chunk was on its way to the disk
        file.write('{"file": "many.jsonl", "row": "line 513"}\n{"file": "man')
    found = score_files(model, [source], out)
    assert found.new == 1100 - 512
    assert out.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert found.counts == whole.counts
    assert not partial.exists()


def test_changed_rows_are_told_and_replaced_only_when_asked(model: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "c.jsonl", [{"prompt": "ask", "candidate": "yes"}])
    score_files(model, [source], tmp_path / "out.jsonl")
    before = (tmp_path / "out.jsonl").read_bytes()
    assert score_files(model, [source], tmp_path / "out.jsonl").new == 0
    other = Path(shutil.copytree(model, tmp_path / "other"))
    assert score_files(other, [source], tmp_path / "out.jsonl").new == 0  # the same model in another place
    meta = other / "reward_meta.json"
    meta.write_text(meta.read_text().replace('"max_length": 96', '"max_length": 95'))
    with pytest.raises(ConfigError, match="model changed"):
        score_files(other, [source], tmp_path / "out.jsonl")
    written(tmp_path / "c.jsonl", [{"prompt": "ask", "candidate": "no"}])
    with pytest.raises(ConfigError, match=r"sources changed"):
        score_files(model, [source], tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == before
    assert score_files(model, [source], tmp_path / "out.jsonl", replace=True).new == 1
    assert (tmp_path / "out.jsonl").read_bytes() != before


def test_a_file_of_somebody_else_is_not_overwritten(model: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "c.jsonl", [{"prompt": "ask", "candidate": "yes"}])
    (tmp_path / "out.jsonl").write_text("mine\n")
    for replace in (False, True):
        with pytest.raises(ConfigError, match="without a manifest"):
            score_files(model, [source], tmp_path / "out.jsonl", replace=replace)
    assert (tmp_path / "out.jsonl").read_text() == "mine\n"
    with pytest.raises(ConfigError, match=r"written as \.jsonl or \.parquet"):
        score_files(model, [source], tmp_path / "out.txt")


# What cannot be read.


def test_every_bad_row_is_named_before_anything_is_scored(model: Path, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"prompt": "ask", "candidate": "yes"},
        {"prompt": "", "candidate": "yes"},
        {"prompt": "ask", "candidate": 3},
    ]
    source = written(tmp_path / "c.jsonl", rows)
    with pytest.raises(DataError) as told:
        score_files(model, [source], tmp_path / "out.jsonl")
    assert [one.place for one in told.value.problems] == [
        f"{source.path}: line 2: prompt",
        f"{source.path}: line 3: candidate",
    ]
    assert not (tmp_path / "out.jsonl.manifest.json").exists()
    kept = score_files(model, [source.model_copy(update={"bad_rows": "skip"})], tmp_path / "out.jsonl")
    assert kept.counts["rows"] == 1


@pytest.mark.parametrize(
    ("cell", "found"), [(None, "nothing"), ("yes", "str"), ([], "an empty list")], ids=["null", "text", "empty"]
)
def test_a_cell_without_a_list_of_answers_is_named(cell: Any, found: str, tmp_path: Path) -> None:
    row = {"prompt": "ask", "chosen": ["yes"], "rejected": ["no", "never", "not now"], "num_correct": 1}
    source = written(tmp_path / "l.jsonl", [row, {**row, "chosen": cell}])
    with pytest.raises(DataError, match=f"line 2: chosen: expected a list of answers, found {found}"):
        read_asked(source, Path())
    kept, _ = read_asked(source.model_copy(update={"bad_rows": "skip"}), Path())
    assert [one.place for one in kept] == ["line 1"]


def test_unknown_columns_are_shown(tmp_path: Path) -> None:
    source = written(tmp_path / "c.jsonl", [{"frage": "ask", "antwort": "yes"}])
    with pytest.raises(DataError, match="--columns prompt=COLUMN,candidate=COLUMN"):
        read_asked(source, tmp_path)
    with pytest.raises(DataError, match="no such column in any row"):
        read_asked(source, tmp_path, columns_in("prompt=frage,candidate=answer"))


@pytest.mark.parametrize(
    "text", ["", "prompt=q", "chosen=a", "answer=x", "candidate", "candidate=x,chosen=a,rejected=b"]
)
def test_columns_that_make_no_row_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--columns: expected"):
        columns_in(text)


# Texts.


def test_texts_are_scored_as_in_files(model: Path) -> None:
    found = score_texts(model, "ask 1", ["yes indeed", "no never"])
    loaded = RewardModel.load(model)
    scores = loaded.score([asked("ask 1", "yes indeed"), asked("ask 1", "no never")])
    assert found["scores"] == pytest.approx(scores.tolist())
    assert found["p_first"] == pytest.approx(float(loaded.probability(scores[:1], scores[1:])[0]))
    assert score_texts(model, "ask", ["yes " * 200])["scores"] == [None]
    with pytest.raises(ConfigError, match="expected a prompt and an answer"):
        score_texts(model, "ask", [])
