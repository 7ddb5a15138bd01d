"""Prompts that are handed on as they come are those that memory would have kept, with the same counts and sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.data.inputs import StreamedInputs, read_inputs, read_into
from amendment.data.store import read_records
from amendment.errors import DataError
from amendment.records import Candidate, Prompt
from amendment.run import Run
from amendment.run.runfile.config import RunFile


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """2,500 rows: more than two chunks, in which a prompt comes twice and a column begins in the last row."""
    rows: list[dict[str, Any]] = [{"prompt": f"question {number % 2400}"} for number in range(2499)]
    rows.append({"prompt": "the last", "topic": "ends"})
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return tmp_path


def config(**parts: Any) -> RunFile:
    return RunFile.model_validate({"name": "t", **parts})


def test_a_file_of_several_chunks_is_read_whole(files: Path) -> None:
    found = read_inputs(config(prompts=[{"path": "p.jsonl", "category_column": "topic", "category": "any"}]), files)
    assert len(found.prompts) == 2401
    assert found.counts == {"prompt rows": 2500, "duplicate prompts": 99}
    assert [one.category for one in found.prompts.values()] == ["any"] * 2400 + ["ends"]
    assert [facts.rows for _, facts in found.files] == [2500]


def test_every_bad_row_of_every_chunk_is_named_and_an_absent_column_once(files: Path) -> None:
    path = files / "p.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    for number in (5, 1700, 2200):
        lines[number - 1] = '{"prompt": ""}'
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError) as told:
        read_inputs(config(prompts=[{"path": "p.jsonl"}]), files)
    assert [problem.place.rpartition("p.jsonl: ")[2] for problem in told.value.problems] == [
        f"line {number}: prompt" for number in (5, 1700, 2200)
    ]
    with pytest.raises(DataError) as told:
        read_inputs(config(prompts=[{"path": "p.jsonl", "tags_column": "tgas"}]), files)
    (problem,) = told.value.problems
    assert "no such column in any row" in problem.message
    assert "there are prompt, topic" in problem.message


def test_streamed_prompts_are_those_that_memory_would_have_kept(files: Path) -> None:
    (files / "q.jsonl").write_text('{"prompt": "question 3"}\n{"prompt": "new"}\n')
    sources = config(prompts=[{"path": "p.jsonl", "license": "mit"}, {"path": "q.jsonl", "license": "cc0-1.0"}])
    taken: list[Prompt] = []
    streamed, kept = StreamedInputs(taken.append), read_inputs(sources, files)
    read_into(streamed, sources, files)
    assert taken == list(kept.prompts.values())
    assert [*streamed.places] == [*kept.prompts]
    assert (streamed.counts, streamed.prompts) == (kept.counts, {})
    assert streamed.other_licenses() == kept.other_licenses()
    assert kept.other_licenses() == {"prompts under a further license": {"q.jsonl: cc0-1.0": 1}}


def test_candidates_of_one_s_own_stand_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    asked = [{"prompt": f"question {number}"} for number in range(6)]
    answers = [{"prompt": f"question {number % 6}", "candidate": f"answer {number}"} for number in range(12)]
    for name, rows in {"p": asked, "c": answers}.items():
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (tmp_path / "run.yaml").write_text("name: t\nprompts: [{path: p.jsonl}]\ncandidates: [{path: c.jsonl}]\n")
    Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()
    found = read_records(tmp_path / "run/inputs/candidates.parquet", Candidate)
    texts = [str(one.messages[0].content) for one in found]
    assert texts == [f"answer {number}" for prompt in range(6) for number in (prompt, prompt + 6)]
    assert sorted(path.name for path in (tmp_path / "run/inputs").iterdir()) == [
        *("candidates.parquet", "judgements.parquet", "prompts.parquet", "split.parquet", "verdicts.parquet")
    ]
