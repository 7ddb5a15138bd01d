"""What an older version made can be used: a run with its ledger and labels, a publication, a dataset."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.command_line import amendment
from tests.golden.subjects import FOLDER, load_ledger
from tests.run.spot_checked import say_anew

MADE = Path(__file__).with_name("made.tar.xz")
PAID = ("ledger.sqlite", "labels.sqlite", "labels-seal.sqlite", "settings.json")
"""What a run cannot make again."""
NEWER = ("chosen_model", "rejected_model", "decided_by", "decisive", "source", "license", "raters", "constitutions")
"""Columns that datasets have not always had."""


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "fake-key")
    with tarfile.open(MADE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def run(old: Path, *options: str) -> int:
    """Run it where nobody listens at its models' addresses."""
    ended = amendment("run", old / "run.yaml", "--folder", old / "run", "--max-wait", "0", "--yes", *options)
    return ended.code


def count(old: Path, file: str, table: str) -> int:
    with closing(sqlite3.connect(old / "run" / file)) as database:
        return int(database.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_stages_are_made_again_without_a_call_and_with_the_same_sample(old: Path) -> None:
    before = (old / "run").rename(old / "before")
    (old / "run").mkdir()
    for name in PAID:
        shutil.copy(before / name, old / "run")
    assert run(old) == 0
    assert (count(old, "ledger.sqlite", "attempt"), count(old, "labels.sqlite", "entry")) == (165, 20)
    for name in ("spot_check/sample.parquet", "export/train.parquet", "export/test.parquet"):
        columns = pq.read_schema(before / name).names  # newer ones may stand beside them
        assert [{column: row[column] for column in columns} for row in rows(old / "run" / name)] == rows(before / name)
    schemas = [set(pq.read_schema(folder / "export" / "train.parquet")) for folder in (before, old / "run")]
    assert schemas[0] <= schemas[1], "no column was removed or has another type"


def test_the_ledger_and_the_labels_go_on(old: Path) -> None:
    asyncio.run(load_ledger(FOLDER / "ledger.jsonl", old / "run" / "ledger.sqlite"))
    say_anew(old / "run", is_sealed=False)
    assert run(old) == 0
    assert (count(old, "ledger.sqlite", "reply"), count(old, "labels.sqlite", "entry")) == (165 + 50, 21)


def test_the_folder_and_the_publication_can_be_looked_at(old: Path) -> None:
    for command in (["status", "run"], ["show", "run"], ["show", "run", "1"], ["verify", "run"]):
        words, folder = command, old / command[1]
        ended = amendment(words[0], folder, *words[2:])
        assert ended.code == 0, ended.said
    ended = amendment("verify", old / "publication")
    assert ended.code == 0, ended.said
    ended = amendment("report", old / "run")
    assert (ended.code, "Run the run file again" in ended.said) == (2, True), ended.said


def test_pairs_and_mix_read_a_dataset_without_newer_columns(old: Path) -> None:
    for name in ("train", "test"):
        table = pq.read_table(old / "run" / "export" / f"{name}.parquet")
        pq.write_table(table.drop_columns(list(NEWER)), old / f"{name}.parquet")
    (old / "mixed.yaml").write_text(
        "name: mixed\n"
        "pairs: [{path: train.parquet, license: mit}]\n"
        "dataset: {mix: [{source: run, share: 0.8}, {path: test.parquet, share: 0.2, license: mit}]}\n"
    )
    ended = amendment("run", old / "mixed.yaml", "--folder", old / "mixed")
    assert ended.code == 0, ended.said
    named = [
        {row["comparison_id"] for row in rows(old / path)} for path in ("mixed/export/train.parquet", "test.parquet")
    ]
    assert (len(named[0]), len(named[0] & named[1])) == (15, 3)
