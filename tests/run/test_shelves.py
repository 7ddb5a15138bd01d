"""Prompts that are handed on as they come are those that memory would have kept, with the same counts and sides."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amendment.data import source_rows
from amendment.data.inputs import read_inputs, read_into
from amendment.data.shelves import Inputs, StreamedInputs
from amendment.data.store import read_records
from amendment.errors import DataError
from amendment.preference import held_out
from amendment.records import Candidate, Prompt, user
from amendment.run import Run
from amendment.run.runfile.config import RunFile

LICENSES = st.sampled_from([None, "mit", "cc-by-4.0"])
BROUGHT = st.lists(st.tuples(st.integers(0, 6), st.sampled_from("ab"), LICENSES), max_size=30)


def prompt(number: int, source: str | None = None, license: str | None = None) -> Prompt:
    return Prompt(messages=user(f"question {number}"), source=source, license=license)


@settings(deadline=None, max_examples=80)
@given(BROUGHT, st.sampled_from([0.0, 0.1, 0.5, 0.9]), st.integers(0, 3))
def test_a_stream_knows_of_its_prompts_what_memory_knows(
    brought: list[tuple[int, str, str | None]], share: float, seed: int
) -> None:
    kept, taken = Inputs(), list[Prompt]()
    with closing(StreamedInputs(taken.append, seed=seed)) as streamed:
        for one in brought:
            assert streamed.add_prompt(prompt(*one)) == kept.add_prompt(prompt(*one))
        assert taken == list(kept.prompts.values())
        assert streamed.count() == len(taken)
        assert streamed.other_licenses() == kept.other_licenses()
        places = [streamed.place(one.id) for one in taken]
        assert places == sorted(places)
        test = held_out(kept.prompts, share, seed=seed)
        assert list(streamed.sides(share)) == [(one.id, one.id in test) for one in taken]


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
        read_inputs(config(prompts=[{"path": "p.jsonl", "system": "sytem"}]), files)
    (problem,) = told.value.problems
    assert "no such column in any row" in problem.message
    assert "there are prompt, topic" in problem.message


def test_no_more_than_a_chunk_of_rows_is_held(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    chunks = source_rows.SourceStream.chunks

    def seen(self: source_rows.SourceStream) -> Any:
        for chunk in chunks(self):
            sizes.append(len(chunk))
            yield chunk

    monkeypatch.setattr(source_rows.SourceStream, "chunks", seen)
    taken: list[Prompt] = []
    with closing(StreamedInputs(taken.append)) as streamed:
        read_into(streamed, config(prompts=[{"path": "p.jsonl"}]), files)
        assert not streamed.prompts
    assert sizes == [1000, 1000, 500]
    assert len(taken) == 2401


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
