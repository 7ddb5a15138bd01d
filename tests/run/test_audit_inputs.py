"""What an audit reads: public records whole, a hundred thousand verdicts in seconds, and verdicts of runs."""

from __future__ import annotations

import csv
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.audit.inputs import AuditInputs, read_votes, votes_of_run
from amendment.data import source_rows
from amendment.data.readings import gather
from amendment.data.store import read_records
from amendment.errors import DataError, Problem
from amendment.files import file_hash
from amendment.records import Candidate, Comparison, Prompt, Verdict
from amendment.run import Run, RunFile
from amendment.tables import Row, iter_rows

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ROOT.parent / "shared" / "data"
public = pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public records do not lie beside this project")
PEOPLE = ["annotator1", "annotator2", "annotator3"]
PANDALM: dict[str, Any] = {
    "name": "pandalm",
    "verdicts": [
        {
            "path": "testset-v1.json",
            "columns": {"item": "idx", "prompt": ["instruction", "input"], "a": "response1", "b": "response2"}
            | {"votes": PEOPLE, "category": "motivation_app"},
            "words": {"a": 1, "b": 2, "tie": 0},
            "kind": "person",
        },
        {
            "path": "gpt-3.5-turbo-testset-v1.json",
            "columns": {"item": "idx", "verdict": "gpt_result"},
            "words": {"a": 1, "b": 2, "tie": "Tie", "invalid": "garbage"},
            "rater": "gpt-3.5-turbo",
            "kind": "model",
        },
        {
            "path": "pandalm-7b-testset-v1.json",
            "columns": {"item": "idx", "verdict": "pandalm_result"},
            "words": {"a": 1, "b": 2, "tie": [0, "Tie"]},
            "rater": "pandalm-7b",
            "kind": "model",
        },
    ],
}
LLMBAR: dict[str, Any] = {
    "name": "llmbar",
    "verdicts": [
        {
            "path": "verdicts.csv.gz",
            "columns": {"item": ["subset", "item"], "category": "subset", "rater": ["judge", "strategy"]}
            | {"verdict": "verdict_orig", "swapped": "verdict_swap"},
            "words": {"a": 1, "b": 2},
            "coordinates": "content",
            "kind": "model",
        },
        {
            "path": "verdicts.csv.gz",
            "columns": {"item": ["subset", "item"], "category": "subset", "verdict": "gold"},
            "words": {"a": 1, "b": 2},
            "rater": "gold",
            "kind": "person",
        },
    ],
}


def read(config: dict[str, Any], base: Path) -> AuditInputs:
    return read_votes(RunFile.model_validate(config), base)


@public
def test_the_records_of_pandalm_are_read_whole() -> None:
    found = read(PANDALM, PUBLIC / "pandalm")
    assert len(found.items) == 999
    assert len({item.prompt for item in found.items.values()}) == 170
    assert Counter(vote.rater for vote in found.votes) == dict.fromkeys([*PEOPLE, "gpt-3.5-turbo", "pandalm-7b"], 999)
    assert {vote.rater for vote in found.votes if vote.kind == "person"} == set(PEOPLE)
    assert Counter(vote.value for vote in found.votes if vote.rater == "gpt-3.5-turbo")["invalid"] == 25
    unknown = sum(item.length_a is None or item.length_b is None for item in found.items.values())
    assert 0 < unknown < 100, "answers that are empty or no text count, and their length is unknown"
    assert [file.rows for file in found.files] == [999] * 3


@public
def test_a_word_of_pandalm_that_nobody_named_is_told_with_its_count() -> None:
    config = {**PANDALM, "verdicts": [dict(one) for one in PANDALM["verdicts"]]}
    config["verdicts"][1]["words"] = {"a": 1, "b": 2, "tie": "Tie"}
    with pytest.raises(DataError) as told:
        read(config, PUBLIC / "pandalm")
    (problem,) = told.value.problems
    assert "gpt-3.5-turbo-testset-v1.json: row " in problem.place
    assert "found 'garbage' (and in 24 more rows), expected one of 1, 2, Tie" in problem.message
    config["verdicts"][1]["unreadable"] = "invalid"
    assert read(config, PUBLIC / "pandalm").counts["words read as invalid"] == 25


@public
def test_the_records_of_llmbar_are_read_whole() -> None:
    began = time.perf_counter()
    found = read(LLMBAR, PUBLIC / "llmbar")
    assert time.perf_counter() - began < 20
    judges = [vote for vote in found.votes if vote.kind == "model"]
    assert len(judges) == 2 * 27_235
    assert len({vote.rater for vote in judges}) == 65
    assert len({(vote.rater, found.items[vote.item].category) for vote in judges}) == 325
    assert len(found.items) == 419
    assert Counter(vote.first for vote in judges) == {"A": 27_235, "B": 27_235}
    assert sum(vote.value == "invalid" for vote in judges) == found.counts["empty cells read as invalid"]
    people = [vote for vote in found.votes if vote.kind == "person"]
    assert len(people) == 419
    assert {vote.first for vote in people} == {None}
    assert found.files[0].rows == 27_235


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


def test_votes_carry_what_a_person_was_shown_again_and_how_sure_they_were() -> None:
    first = Verdict(
        scale="pair", prompt_id="p", shown=("x", "y"), value="A", confidence=2 / 3, rater="ann", rater_kind="person"
    )
    repeat = first.model_copy(update={"shown": ("y", "x"), "confidence": None, "sample": 1})
    found = votes_of_run([first, repeat], [], [])
    assert [(vote.value, vote.first, vote.sample, vote.confidence) for vote in found.votes] == [
        ("A", "A", 0, 2 / 3),
        ("B", "B", 1, None),
    ]


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


def test_whether_an_order_is_known_is_on_record_vote_by_vote(tmp_path: Path) -> None:
    # one rater: of every second item the file says what was displayed first
    with (tmp_path / "v.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["q", "x", "y", "o", "v"])
        writer.writerows([f"q{n}", f"x{n}", f"y{n}", "ab" if n % 2 else "", "a"] for n in range(20))
    columns = {"prompt": "q", "a": "x", "b": "y", "verdict": "v", "order": "o"}
    source = {"path": "v.csv", "columns": columns, "kind": "model", "coordinates": "content"}
    from amendment.data.inputs import read_inputs
    from amendment.data.store import write_records

    read = read_inputs(RunFile.model_validate({"name": "t", "verdicts": [source]}), tmp_path)
    path = tmp_path / "verdicts.parquet"
    write_records(path, Verdict, read.verdicts)
    stored = read_records(path, Verdict)
    assert [one.id for one in stored] == [one.id for one in read.verdicts]
    votes = votes_of_run(stored, read.candidates.values(), read.prompts.values()).votes
    assert [vote.first is not None for vote in votes] == [False, True] * 10
    by_file = read_votes(RunFile.model_validate({"name": "t", "verdicts": [source]}), tmp_path).votes
    turned = [one.value != other.value for one, other in zip(votes, by_file, strict=True)]
    firsts = [(one.first, other.first) for one, other in zip(votes, by_file, strict=True)]
    assert any(turned), "records name the answers by content, and files by column"
    assert all((one is None) == (other is None) for one, other in firsts)
    assert all((one == other) != is_turned for (one, other), is_turned in zip(firsts, turned, strict=True) if one)


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


@pytest.mark.parametrize("change", ["more", "other", "gone"])
def test_no_hash_is_told_of_content_that_was_not_read(tmp_path: Path, change: str) -> None:
    path = tmp_path / "v.jsonl"
    path.write_text('{"item": 1, "verdict": "a"}\n')
    gathered = gather(RunFile.model_validate(LOG), tmp_path)
    if change == "gone":
        path.unlink()
    elif change == "more":
        path.write_text(path.read_text() * 2)
    else:  # of the same size, put in its place
        (tmp_path / "new").write_text('{"item": 1, "verdict": "b"}\n')
        (tmp_path / "new").replace(path)
    with pytest.raises(DataError, match="changed while it was read"):
        source_rows.facts_of(gathered.files, tmp_path)


def test_a_folder_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "v.jsonl").write_text('{"item": 1, "verdict": "a"}\n')
    config = RunFile.model_validate({"name": "t", "verdicts": [{"dataset": "./logs", "kind": "model"}]})
    gathered = gather(config, tmp_path)
    (tmp_path / "logs" / ".hidden").write_text("of nobody's concern")
    (facts,) = source_rows.facts_of(gathered.files, tmp_path)
    assert facts.sha256
    (tmp_path / "logs" / "w.jsonl").write_text('{"item": 2, "verdict": "a"}\n')
    with pytest.raises(DataError, match="changed while it was read"):
        source_rows.facts_of(gathered.files, tmp_path)
