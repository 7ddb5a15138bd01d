"""Datasets where a path can stand: local folders whole, and every fault of the Hub as one message with a way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from amendment.data.inputs import Inputs, read_inputs
from amendment.errors import ConfigError, DataError
from amendment.records import text_of
from amendment.run import Run, RunFile
from tests.hub_standin import Hub, Repo

Read = Callable[..., Inputs]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset as a folder: two Parquet files of a train split, and one of a test split."""
    made = tmp_path / "set"
    made.mkdir()
    rows = [{"prompt": f"q{n}", "chosen": f"good {n}", "rejected": "bad", "topic": "x"} for n in range(30)]
    for part in range(2):
        table = pa.Table.from_pylist(rows[15 * part : 15 * part + 15])
        pq.write_table(table, made / f"train-0000{part}-of-00002.parquet")
    bad = {"prompt": "", "chosen": "a", "rejected": "b", "topic": "y"}
    pq.write_table(pa.Table.from_pylist([bad]), made / "test-00000-of-00001.parquet")
    return made


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(part: str, **source: Any) -> Inputs:
        return read_inputs(RunFile.model_validate({"name": "t", part: [source]}), tmp_path)

    return reading


@pytest.mark.usefixtures("folder")
def test_a_folder_of_files_is_a_dataset_with_splits(read: Read) -> None:
    found = read("prompts", dataset="./set", category_column="topic")
    assert [text_of(prompt.messages) for prompt in found.prompts.values()] == [f"q{n}" for n in range(30)]
    assert {(prompt.source, prompt.category) for prompt in found.prompts.values()} == {("./set", "x")}
    assert len(read("prompts", dataset="./set", take=7).prompts) == 7
    assert len(read("pairs", dataset="./set", split="train").verdicts) == 30
    with pytest.raises(DataError) as told:
        read("prompts", dataset="./set", split="test")
    assert str(told.value) == "./set[test] row 1: prompt: is empty; fill it in or take the row out"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            {"dataset": "./set", "split": "dev"},
            "dataset ./set: has no split 'dev'; Available splits: ['train', ",
        ),
        ({"dataset": "./set", "config": "c"}, "dataset ./set: BuilderConfig 'c' not found. Available: ['default']"),
        ({"dataset": "./gone"}, "/gone: no such folder; a dataset on the Hub is written org/name"),
        ({"dataset": "two words"}, "dataset two words: is no name of a dataset on the Hub"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_named_with_what_to_do(source: dict[str, str], words: str, read: Read) -> None:
    with pytest.raises(DataError) as told:
        read("prompts", **source)
    (problem,) = told.value.problems
    assert words in str(problem)
    assert "Traceback" not in str(problem)


def test_a_folder_without_files_and_a_broken_file_are_named(tmp_path: Path, read: Read) -> None:
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match=r"dataset \./set: holds no files that can be read as rows"):
        read("prompts", dataset="./set")
    (tmp_path / "set" / "train.jsonl").write_text('{"prompt": "a"}\n{"prompt": \n')
    with pytest.raises(DataError, match=r"dataset \./set: cannot be read \(ArrowInvalid: JSON parse error"):
        read("prompts", dataset="./set")


def test_a_folder_beside_us_is_not_taken_for_a_dataset_on_the_hub(
    tmp_path: Path, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"a folder of this name lies here; write \./org/name if you mean it"):
        read("prompts", dataset="org/name")


ASK = """
import sys
from amendment.errors import DataError
from amendment.run import RunFile
from amendment.data.inputs import read_inputs
from pathlib import Path
sources = [{"dataset": "org/name"}, {"dataset": "org/other", "revision": "v1"}]
try:
    read_inputs(RunFile.model_validate({"name": "t", "prompts": sources}), Path("."))
except DataError as fault:
    print(fault)
"""


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"HF_HUB_OFFLINE": "1"}, "the Hub is switched off here (HF_HUB_OFFLINE is set); unset it, or download"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "the Hub cannot be reached (ConnectError: "),
    ],
)
def test_a_hub_out_of_reach_is_one_line_a_dataset(environment: dict[str, str], words: str, tmp_path: Path) -> None:
    known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        env={**known, "HF_HOME": str(tmp_path), **environment},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    first, second = asked.stdout.splitlines()
    assert first.startswith(f"dataset org/name: {words}")
    assert second.startswith(f"dataset org/other: {words}")
    assert asked.stderr == ""


def test_a_run_on_a_folder_stands_until_the_folder_changes(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: t\npairs: [{dataset: ./set, license: mit}]\n")
    run = Run.from_file(path, folder=tmp_path / "run")
    assert run().ran == ("inputs", "dataset")
    assert run().ran == ()
    pq.write_table(
        pa.Table.from_pylist([{"prompt": "more", "chosen": "a", "rejected": "b", "topic": "x"}]),
        folder / "train-00000-of-00002.parquet",
    )
    again = Run.from_file(path, folder=tmp_path / "run")()
    assert again.ran == ("inputs", "dataset")
    assert again.summary["stages"]["inputs"]["pair rows"] == 16
    (folder / "train-00001-of-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"dataset \./set: cannot be read"):
        Run.from_file(path, folder=tmp_path / "run")()


ROWS = [{"prompt": f"q{n}", "a": f"one {n}", "b": f"two {n}", "verdict": "ab"[n % 2]} for n in range(12)]
RUN = """
import json, sys
from amendment.run import Run
result = Run.from_file("run.yaml", folder="run")()
certificate = json.load(open("run/certificate.json"))
print(json.dumps({"stages": result.summary["stages"], "files": certificate["files"]}))
"""
HUB_RUN = """\
name: hub
verdicts: [{dataset: org/labels, kind: person, revision: v1, license: mit}]
dataset:
  test_share: 0
  mix: [{source: run, share: 0.5}, {dataset: org/pairs, share: 0.5, license: cc0-1.0}]
"""


def test_the_commit_that_was_read_is_on_record_for_inputs_mixing_and_the_audit(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(HUB_RUN)
    with Hub() as hub:
        labels = hub.repos["datasets", "org/labels"] = Repo("datasets", "org/labels", False)
        pairs = hub.repos["datasets", "org/pairs"] = Repo("datasets", "org/pairs", False)
        commits = [labels.add({"train.jsonl": hub.keep(lines(ROWS))}, "first")]
        labels.tags["v1"] = commits[0]
        labels.add({"train.jsonl": hub.keep(lines(ROWS[:3]))}, "second")
        own = [{"prompt": f"p{n}", "chosen": f"good {n}", "rejected": "bad"} for n in range(12)]
        commits.append(pairs.add({"train.jsonl": hub.keep(lines(own))}, "first"))
        known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        asked = subprocess.run(
            [sys.executable, "-c", RUN],
            env={**known, **settings, "OMP_NUM_THREADS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout.splitlines()[-1])
    assert told["stages"]["inputs"]["source org/labels[train]"] == {"rows": 12, "commit": commits[0], "license": "mit"}
    mixed = told["stages"]["mixing"]["org/pairs"]
    assert (mixed["pairs"], mixed["rows"], mixed["commit"], mixed["license"]) == (12, 12, commits[1], "cc0-1.0")
    assert [(file["name"], file["revision"]) for file in told["files"]] == [("org/labels[train]", commits[0])]


def lines(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
