"""What an audit reads: public records whole, a hundred thousand verdicts in seconds, and verdicts of runs."""

from __future__ import annotations

import csv
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.audit.inputs import AuditInputs, read_votes, votes_of_run
from amendment.data import source_rows
from amendment.data.store import read_records
from amendment.errors import DataError, Problem
from amendment.files import file_hash
from amendment.records import Candidate, Comparison, Prompt, Verdict
from amendment.run import Run, RunFile
from amendment.tables import Row, iter_rows


def read(config: dict[str, Any], base: Path) -> AuditInputs:
    return read_votes(RunFile.model_validate(config), base)


def test_a_hundred_thousand_verdicts_take_seconds(tmp_path: Path) -> None:
    dice = random.Random(7)
    with (tmp_path / "log.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "judge", "rule", "order", "said"])
        for item in range(5_000):
            for judge in range(10):
                writer.writerows([item, f"j{judge}", "kind", order, dice.choice("AB")] for order in ("ab", "ba"))
    columns = {"item": "id", "rater": "judge", "principle": "rule", "order": "order", "verdict": "said"}
    source = {"path": "log.csv", "columns": columns, "coordinates": "displayed", "kind": "model"}
    began = time.perf_counter()
    found = read({"name": "t", "verdicts": [source]}, tmp_path)
    assert len(found.votes) == 100_000
    assert time.perf_counter() - began < 20, "about two seconds on one quiet core"


def test_verdicts_of_a_runs_own_judges_in_content_coordinates(tmp_path: Path, small: Path) -> None:
    Run.from_file(small, folder=tmp_path / "run")()
    verdicts = read_records(tmp_path / "run" / "judging/verdicts.parquet", Verdict)
    candidates = [
        one
        for table in ("critique/candidates", "candidates/candidates")
        for one in read_records(tmp_path / "run" / f"{table}.parquet", Candidate)
    ]
    prompts = {one.id: one for one in read_records(tmp_path / "run" / "inputs/prompts.parquet", Prompt)}
    found = votes_of_run(verdicts, candidates, prompts.values())
    assert len(found.votes) == len(verdicts)
    by_id = {candidate.id: candidate for candidate in candidates}
    for verdict, vote in zip(verdicts, found.votes, strict=True):
        a, b = sorted(verdict.shown)
        item = found.items[vote.item]
        assert vote.item == Comparison(verdict.prompt_id, a, b).id
        assert (item.prompt, item.category) == (verdict.prompt_id, prompts[verdict.prompt_id].category)
        assert (item.model_a, item.model_b) == (by_id[a].origin.model, by_id[b].origin.model)
        assert vote.first == ("A" if verdict.shown[0] == a else "B")
        better = verdict.shown["AB".index(str(verdict.value))] if verdict.value in ("A", "B") else None
        assert vote.value == {a: "A", b: "B", None: verdict.value}[better]
        p_first = verdict.p_first()
        assert vote.p_a is not None
        assert p_first is not None
        assert vote.p_a == pytest.approx(p_first if vote.first == "A" else 1 - p_first)
        assert (vote.principle, vote.sample, vote.kind) == (verdict.principle_id, verdict.sample, "model")


@pytest.fixture
def imported(tmp_path: Path) -> Callable[[dict[str, Any]], AuditInputs]:
    """Votes of the records that a run makes of one verdict file with twenty items."""

    def importing(settings: dict[str, Any]) -> AuditInputs:
        with (tmp_path / "v.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["q", "x", "y", "o", "v"])
            writer.writerows([f"q{n}", f"x{n}", f"y{n}", "ab", "a"] for n in range(20))
        source = {"path": "v.csv", "columns": {"prompt": "q", "a": "x", "b": "y", "verdict": "v"}, "kind": "person"}
        source["columns"] |= settings.pop("columns", {})
        from amendment.data.inputs import read_inputs

        read = read_inputs(RunFile.model_validate({"name": "t", "verdicts": [source | settings]}), tmp_path)
        return votes_of_run(read.verdicts, read.candidates.values(), read.prompts.values())

    return importing


def test_an_order_that_no_file_told_is_not_made_up_by_the_records(
    imported: Callable[[dict[str, Any]], AuditInputs],
) -> None:
    assert {vote.first for vote in imported({}).votes} == {None}
    known = imported({"columns": {"order": "o"}, "coordinates": "displayed"})
    assert all((vote.first, vote.value) in {("A", "A"), ("B", "B")} for vote in known.votes)
    assert {vote.first for vote in known.votes} == {"A", "B"}, "names of content are in no order"


LOG: dict[str, Any] = {"name": "t", "verdicts": [{"path": "v.jsonl", "kind": "model"}]}


def test_a_prompt_that_the_user_names_counts_before_its_text(tmp_path: Path) -> None:
    row = {"prompt": "Why?", "a": "x", "b": "y", "verdict": "a", "prompt_id": 7}
    (tmp_path / "v.jsonl").write_text(json.dumps(row) + "\n")
    assert [item.prompt for item in read(LOG, tmp_path).items.values()] == ["7"]


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text('{"item": 1, "verdict": "a"}\n')

    def growing(path: Path, problems: list[Problem]) -> Iterator[Row]:
        yield from iter_rows(path, problems)
        with path.open("a") as file:
            file.write('{"item": 2, "verdict": "b"}\n')

    with monkeypatch.context() as patched:
        patched.setattr(source_rows, "iter_rows", growing)
        with pytest.raises(DataError, match=r"v\.jsonl: changed while it was read; run again"):
            read(LOG, tmp_path)
    (facts,) = read(LOG, tmp_path).files
    assert (facts.rows, facts.sha256) == (2, file_hash(path))


def test_the_hash_of_a_folder_is_that_of_what_it_shows(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "v.jsonl").write_text('{"item": 1, "verdict": "a"}\n')
    config = {"name": "t", "verdicts": [{"dataset": "./logs", "kind": "model"}]}
    before = read(config, tmp_path).files
    (tmp_path / "logs" / ".hidden").write_text("of nobody's concern")
    assert read(config, tmp_path).files == before
    (tmp_path / "logs" / "w.jsonl").write_text('{"item": 2, "verdict": "a"}\n')
    assert [facts.sha256 for facts in read(config, tmp_path).files] != [before[0].sha256]
