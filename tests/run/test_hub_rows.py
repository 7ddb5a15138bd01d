"""Datasets where a path can stand: local folders whole, and every fault of the Hub as one message with a way out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.inputs import Inputs, read_inputs
from amendment.errors import ConfigError, DataError
from amendment.records import last_text
from amendment.run import RunFile
from tests.hub_standin import Hub, Repo
from tests.rows import save
from tests.run.small_runs import made

Read = Callable[..., Inputs]


def row(prompt: str, topic: str = "x") -> dict[str, str]:
    return {"prompt": prompt, "chosen": f"good {prompt}", "rejected": "bad", "topic": topic}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset as a folder: two Parquet files of a train split, and one of a test split."""
    path = tmp_path / "set"
    path.mkdir()
    for part in range(2):
        save(path / f"train-0000{part}-of-00002.parquet", [row(f"q{15 * part + n}") for n in range(15)])
    save(path / "test-00000-of-00001.parquet", [row("", "y")])
    return path


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(part: str, **source: Any) -> Inputs:
        return read_inputs(RunFile.model_validate({"name": "t", part: [source]}), tmp_path)

    return reading


@pytest.mark.usefixtures("folder")
def test_a_folder_of_files_is_a_dataset_with_splits(read: Read) -> None:
    found = read("prompts", dataset="./set", columns={"category": "topic"})
    assert [last_text(prompt.messages) for prompt in found.prompts.values()] == [f"q{n}" for n in range(30)]
    assert {(prompt.source, prompt.category) for prompt in found.prompts.values()} == {("./set", "x")}
    assert len(read("prompts", dataset="./set", take=7).prompts) == 7
    assert len(read("pairs", dataset="./set", split="train").verdicts) == 30
    with pytest.raises(DataError) as refused:
        read("prompts", dataset="./set", split="test")
    assert str(refused.value) == "./set[test] row 1: prompt: is empty; fill it in or take the row out"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"dataset": "./set", "split": "dev"}, "dataset ./set: has no split 'dev'; Available splits: ['train', "),
        (
            {"dataset": "./set", "split": "c/train"},
            "dataset ./set: BuilderConfig 'c' not found. Available: ['default']",
        ),
        ({"dataset": "./gone"}, "/gone: no such folder; a dataset on the Hub is written org/name"),
        ({"dataset": "./nothing"}, "dataset ./nothing: holds no files that can be read as rows"),
        ({"dataset": "./broken"}, "dataset ./broken: cannot be read (ArrowInvalid: JSON parse error"),
        ({"dataset": "two words"}, "dataset two words: is no name of a dataset on the Hub"),
        ({"dataset": "org/name"}, "a folder of this name exists here; write ./org/name if you mean it"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_named_with_what_to_do(
    source: dict[str, str], words: str, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("nothing", "broken", "org/name"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "broken" / "train.jsonl").write_text('{"prompt": "a"}\n{"prompt": \n')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError) as refused:
        read("prompts", **source)
    (problem,) = refused.value.problems
    assert words in str(problem)
    assert "Traceback" not in str(problem)


def test_a_run_on_a_folder_stands_until_the_folder_changes(folder: Path, tmp_path: Path) -> None:
    text = "name: t\npairs: [{dataset: ./set, license: mit}]\n"
    assert made(tmp_path, text).ran == ("inputs", "dataset")
    assert made(tmp_path, text).ran == ()
    save(folder / "train-00000-of-00002.parquet", [row("more")])
    again = made(tmp_path, text)
    assert again.ran == ("inputs", "dataset")
    assert again.results["inputs"].count("read", what="pair rows") == 16
    (folder / "train-00001-of-00002.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"dataset \./set: cannot be read"):
        made(tmp_path, text)


def in_a_process(folder: Path, code: str, **environment: str) -> str:
    """What a program prints in a process with these settings of the Hub, which are read when it is first used."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    command = [sys.executable, "-c", code]
    settings = {"HF_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run(
        command, env={**known, **settings}, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


ASK = """
from pathlib import Path
import huggingface_hub.constants
from amendment.data.inputs import read_inputs
from amendment.errors import DataError
from amendment.run import RunFile
sources = [{"dataset": "org/name"}, {"dataset": "org/other@v1"}]
for offline in (False, True):
    huggingface_hub.constants.HF_HUB_OFFLINE = offline
    try:
        read_inputs(RunFile.model_validate({"name": "t", "prompts": sources}), Path("."))
    except DataError as fault:
        print(fault)
"""


def test_a_hub_out_of_reach_is_one_line_a_dataset(tmp_path: Path) -> None:
    lines = in_a_process(tmp_path, ASK, HF_ENDPOINT="http://127.0.0.1:9").splitlines()
    unreachable = "the Hub cannot be reached (ConnectError: "
    switched_off = "the Hub is switched off here (HF_HUB_OFFLINE is set); unset it, or download"
    expected = [(name, words) for words in (unreachable, switched_off) for name in ("org/name", "org/other")]
    for line, (name, words) in zip(lines, expected, strict=True):
        assert line.startswith(f"dataset {name}: {words}")


RUN = """
import json
from amendment.run import Run
result = Run.from_file("run.yaml", folder="run")()
certificate = json.load(open("run/certificate.json"))
print(json.dumps({"stages": result.summary["stages"], "files": certificate["files"]}))
"""
HUB_RUN = """\
name: hub
verdicts: [{dataset: org/labels, kind: person, license: mit}]
dataset:
  test_share: 0
  mix: [{source: run, share: 0.5}, {dataset: org/pairs@v1, share: 0.5, license: cc0-1.0}]
"""


def test_the_commit_that_was_read_is_on_record_and_the_audit_reads_it_although_the_branch_has_moved(
    tmp_path: Path,
) -> None:
    def lines(rows: list[dict[str, str]]) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    labelled = [{"prompt": f"q{n}", "a": f"one {n}", "b": f"two {n}", "verdict": "ab"[n % 2]} for n in range(12)]
    (tmp_path / "run.yaml").write_text(HUB_RUN)
    with Hub() as hub:
        labels = hub.repos["datasets", "org/labels"] = Repo("datasets", "org/labels", False)
        pairs = hub.repos["datasets", "org/pairs"] = Repo("datasets", "org/pairs", False)
        first = labels.add({"train.jsonl": hub.keep(lines(labelled))}, "first")
        tagged = pairs.tags["v1"] = pairs.add({"train.jsonl": hub.keep(lines([row(f"p{n}") for n in range(12)]))}, "1")
        pairs.add({"train.jsonl": hub.keep(lines([row("later")]))}, "second")
        for is_again in (False, True):
            if is_again:  # the branch moves between the inputs and the audit
                labels.add({"train.jsonl": hub.keep(lines(labelled[:3]))}, "second")
                (tmp_path / "run" / "certificate.json").unlink()
            printed = in_a_process(tmp_path, RUN, HF_ENDPOINT=hub.url, HF_HUB_DISABLE_XET="1")
            found = json.loads(printed.splitlines()[-1])
            assert [(file["rows"], file["revision"]) for file in found["files"]] == [(12, first)]
    [source] = found["stages"]["inputs"]["tables"][0]["rows"]
    assert source == ["org/labels[train]", 12, None, first, "mit", None]
    [mixed] = found["stages"]["mixing"]["tables"][0]["rows"]
    assert mixed[1:5] == [12, None, tagged, "cc0-1.0"]
    assert [file["name"] for file in found["files"]] == ["org/labels[train]"]
