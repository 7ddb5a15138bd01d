"""Prompts of one's own: every kind of file that is taken, and every bad row named with its place and the fix."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.inputs import Inputs, StreamedInputs, read_inputs, read_into
from amendment.data.source_rows import FileFacts, list_files
from amendment.data.store import Workspace, read_records
from amendment.files import file_hash
from amendment.records import Candidate, Prompt, last_text
from amendment.run.runfile.config import RunFile
from tests.rows import FORMATS, Rows, save
from tests.run.small_runs import LABELLED, LABELS, made, preferences

Read = Callable[[str], Inputs]
Refused = Callable[[str], list[str]]


@pytest.mark.parametrize("kind", FORMATS)
def test_any_kind_of_file_brings_prompts_with_all_that_belongs_to_them(kind: str, read: Read, tmp_path: Path) -> None:
    """Cells that are no text come as JSON texts where a kind has no others; arguments of calls become objects."""
    call = {"type": "function", "id": "c", "function": {"name": "look", "arguments": '{"n": 1}'}}
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "thinking": "look", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    criteria = [{"id": "units", "text": "Does it name units?"}, {"id": "rude", "text": "Is it rude?", "weight": -2.0}]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    talk: dict[str, Any] = {"prompt": turns, "topic": "talk", "about": "minors, medical,,minors"}
    talk |= {"asks": criteria, "tools": tools}
    rows: Rows = [talk, {"prompt": "Ünïcode 😀?", "topic": "", "about": '["a, b", " c "]'}]
    if kind in ("csv", "parquet"):
        rows = [
            {key: json.dumps(cell) if isinstance(cell, list) else cell for key, cell in row.items()} for row in rows
        ]
    save(tmp_path / f"p.{kind}", rows)
    columns = "columns: {category: topic, tags: about, criteria: asks, tools: tools}"
    found = read(f"prompts: [{{path: p.{kind}, {columns}, category: rest, license: mit}}]\n")
    first, second = found.prompts.values()
    [called] = first.messages[1].tool_calls or ()
    assert called.function["arguments"] == {"n": 1}
    assert [message.role for message in first.messages] == ["user", "assistant", "tool"]
    assert (first.category, first.tags, first.criteria) == ("talk", ("minors", "medical"), tuple(criteria))
    assert first.tools == tuple(tools)
    assert last_text(second.messages) == "Ünïcode 😀?"
    assert (second.category, second.tags, second.criteria, second.tools) == ("rest", ("a, b", "c"), (), None)
    assert (second.source, second.license) == (f"p.{kind}", "mit")


ONE = {"id": "units", "text": "Does it name units?"}
BAD_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": ""}, "prompt: is empty; fill it in or take the row out"),
    ({"prompt": 7}, "prompt: expected text, found int"),
    ({"prompt": []}, "prompt: is an empty list; expected at least one message"),
    ({"prompt": [{"role": "king", "content": "x"}]}, "prompt: not a list of messages with role and content (Input"),
    ({"prompt": ["x"]}, "prompt: not a list of messages with role and content (expected objects)"),
    ({"prompt": [{"role": "assistant", "content": "y"}]}, "prompt: ends with an assistant turn; a prompt ends before"),
    ({"prompt": "a\0b"}, "prompt: holds a NUL or half a surrogate pair"),
    ({"prompt": "x", "about": '["\\ud800"]'}, "about: holds a NUL or half a surrogate pair"),
    ({"prompt": "x", "tools": "none"}, "tools: expected a list of tool schemas, found str"),
    ({"prompt": "x", "about": ["x", {}]}, "about: expected a list of words, found dict"),
    ({"prompt": "x", "topic": ["a"]}, "topic: "),
    ({"prompt": "x", "asks": [{**ONE, "weight": 0}]}, "asks: criterion: found weight 0, expected a positive or a"),
    ({"prompt": "x", "asks": [ONE, ONE]}, "asks: found two criteria of one id, expected different ids"),
    ({}, "prompt: expected text, found nothing"),
]


def test_every_bad_row_of_every_file_is_named_at_once(refused: Refused, read: Read, tmp_path: Path) -> None:
    endless = {"prompt": '[{"role":' + "[" * 3000}
    save(tmp_path / "p.jsonl", [endless, *(row for row, _ in BAD_ROWS)])
    columns = "columns: {tools: tools, tags: about, category: topic, criteria: asks}"
    lines = refused(f"prompts: [{{path: p.jsonl, {columns}}}, {{path: gone.csv}}]\n")
    assert lines.pop() == "gone.csv: no such file"
    for number, (line, (_, words)) in enumerate(zip(lines, BAD_ROWS, strict=True), start=2):
        assert line.startswith(f"p.jsonl: line {number}: {words}")


def test_a_column_that_no_row_has_is_named_once_with_what_there_is(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.csv", [{"qestion": "a", "id": i} for i in range(50)])
    assert refused("prompts: [{path: p.csv, column: question}]\n") == [
        "p.csv: question: no such column in any row (did you mean 'qestion'?); there are qestion, id. "
        "Correct the name in the run file, or remove it"
    ]
    assert len(refused("prompts: [{path: p.csv, column: qestion, columns: {tags: rules, category: topic}}]\n")) == 2


def test_a_pipe_in_the_place_of_a_file_is_named_and_never_waited_for(refused: Refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "p.jsonl")
    (line,) = refused("prompts: [{path: p.jsonl}]\n")
    assert line.startswith("p.jsonl: a pipe or a device; expected a file")


VERDICTS = "verdicts: [{path: v.jsonl, kind: %s, columns: {prompt: q, a: x, b: y, verdict: v}%s}]\n"


def test_verdicts_without_texts_are_left_to_the_audit(tmp_path: Path) -> None:
    save(tmp_path / "log.csv", [{"id": i, "v": "a"} for i in range(5)])
    text = "name: t\nverdicts: [{path: log.csv, kind: model, columns: {item: id, verdict: v}}]\n"

    results = made(tmp_path, text).results
    assert results["inputs"].count("read", what="verdicts without texts") == 5
    assert "dataset" not in results


def test_texts_are_strict_for_a_run_and_an_empty_answer_is_counted(
    read: Read, refused: Refused, tmp_path: Path
) -> None:
    row = {"q": "q", "x": "x", "y": "y", "v": "a"}
    save(tmp_path / "v.jsonl", [{**row, "x": True}, {**row, "q": ""}])
    assert refused(VERDICTS % ("person", "")) == [
        "v.jsonl: line 1: x: expected text, found bool",
        "v.jsonl: line 2: q: is empty; fill it in or take the row out",
    ]
    save(tmp_path / "v.jsonl", [row, {**row, "y": " "}])
    found = read(VERDICTS % ("person", ""))
    assert found.counts["verdicts with an empty answer"] == 1
    assert (len(found.prompts), len(found.candidates), len(found.verdicts)) == (1, 2, 1)


def test_what_a_log_could_not_read_is_judged_again(tmp_path: Path) -> None:
    rows = [{"q": f"please add {i} 3", "x": f"sum is {i + 3}", "y": "no idea", "v": "a" if i else ""} for i in range(3)]
    save(tmp_path / "v.jsonl", rows)
    found, counts = preferences(
        tmp_path,
        f"constitution: lilliput\nmodels: {{j: {{provider: simulated}}}}\n{VERDICTS % ('model', '')}"
        "candidates: [{path: v.jsonl, columns: {prompt: q, candidate: x}}]\n"
        "judging: {judges: [{model: j, protocol: label-tokens}]}\ndataset: {test_share: 0}\n",
    )
    assert (counts["inputs"].count("comparisons"), counts["judging"].totals["comparisons"]) == (3, 1)
    assert {row.raters for row in found if last_text(row.prompt) != "please add 0 3"} == {("v.jsonl",)}


def test_a_second_license_of_a_prompt_or_an_answer_is_told_and_the_answers_keep_their_own(tmp_path: Path) -> None:
    save(tmp_path / "asked.jsonl", [{"prompt": f"question {i}"} for i in range(6)])
    save(tmp_path / "labels.csv", LABELS)
    save(tmp_path / "again.jsonl", [{"prompt": row["q"], "candidate": row["one"]} for row in LABELS[:3]])
    labelled = LABELLED.replace("license: mit", "license: cc-by-nc-4.0")
    found, counts = preferences(
        tmp_path,
        "prompts: [{path: asked.jsonl, license: apache-2.0}]\n"
        f"candidates: [{{path: again.jsonl, license: mit}}]\nverdicts:\n{labelled}dataset: {{test_share: 0}}\n",
    )
    # of eight prompts six came under apache-2.0 first, three of these under mit second, all under cc-by-nc-4.0
    assert {(*figure.of.values(), figure.value) for figure in counts["inputs"].where("under_a_further_license")} == {
        ("prompts", "again.jsonl", "mit", 3),
        ("prompts", "labels.csv", "cc-by-nc-4.0", 6),
        ("answers", "labels.csv", "cc-by-nc-4.0", 3),
    }
    licenses = {last_text(row.prompt): row.license for row in found}
    assert licenses == {f"question {i}": "apache-2.0" if i < 6 else "cc-by-nc-4.0" for i in range(8)}


def test_the_inputs_name_every_source_with_its_hash_and_its_license(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"question {i}"} for i in range(3)])
    save(tmp_path / "labels.csv", LABELS)
    text = f"prompts: [{{path: p.jsonl, take: 2}}, {{path: p.jsonl, take: 2}}]\nverdicts:\n{LABELLED}"
    preferences(tmp_path, text)
    prompts, labels = (file_hash(tmp_path / name) for name in ("p.jsonl", "labels.csv"))
    assert list_files(Workspace(tmp_path / "run").result("inputs")) == [
        FileFacts("p.jsonl", 2, prompts, None),
        FileFacts("labels.csv", 8, labels, None, "mit"),
    ]
    [file] = json.loads((tmp_path / "run/certificate.json").read_text())["files"]
    assert (file["rows"], file["sha256"]) == (8, labels)


def test_every_bad_row_of_every_chunk_is_named(files: Path, refused: Refused) -> None:
    lines = (files / "p.jsonl").read_text(encoding="utf-8").splitlines()
    for number in (5, 1700, 2200):
        lines[number - 1] = '{"prompt": ""}'
    (files / "p.jsonl").write_text("\n".join(lines), encoding="utf-8")
    told = [line.partition(": prompt: is empty")[0] for line in refused("prompts: [{path: p.jsonl}]\n")]
    assert told == [f"p.jsonl: line {number}" for number in (5, 1700, 2200)]


def test_streamed_prompts_of_several_chunks_are_those_that_memory_would_have_kept(files: Path) -> None:
    (files / "q.jsonl").write_text('{"prompt": "question 3 \\n"}\n{"prompt": "new"}\n')
    first = {"path": "p.jsonl", "license": "mit", "columns": {"category": "topic"}, "category": "any"}
    sources = RunFile.model_validate({"name": "t", "prompts": [first, {"path": "q.jsonl", "license": "cc0-1.0"}]})
    taken: list[Prompt] = []
    streamed, kept = StreamedInputs(taken.append), read_inputs(sources, files)
    read_into(streamed, sources, files)
    assert taken == list(kept.prompts.values())
    assert [one.category for one in taken] == ["any"] * 2400 + ["ends", None]
    assert streamed.counts == kept.counts == {"prompt rows": 2502, "duplicate prompts": 100}
    assert streamed.further_licenses() == kept.further_licenses() == {("prompts", "q.jsonl", "cc0-1.0"): 1}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """2,500 rows: more than two chunks, in which a prompt comes twice and a column begins in the last row."""
    rows: list[dict[str, Any]] = [{"prompt": f"question {number % 2400}"} for number in range(2499)]
    rows.append({"prompt": "the last", "topic": "ends"})
    save(tmp_path / "p.jsonl", rows)
    return tmp_path


def test_candidates_of_one_s_own_stand_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    asked = [f"question {number}" for number in range(6)]
    save(tmp_path / "p.jsonl", [{"prompt": text} for text in asked])
    save(tmp_path / "c.jsonl", [{"prompt": text, "candidate": f"{text} {n}"} for n in (1, 2) for text in asked])
    made(tmp_path, "name: t\nprompts: [{path: p.jsonl}]\ncandidates: [{path: c.jsonl}]\n")
    found = read_records(tmp_path / "run/inputs/candidates.parquet", Candidate)
    assert [last_text(one.messages) for one in found] == [f"{text} {n}" for text in asked for n in (1, 2)]
