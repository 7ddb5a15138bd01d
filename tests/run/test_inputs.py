"""Prompts of one's own: every kind of file that is taken, and every bad row named with its place and the fix."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.data.inputs import Inputs, StreamedInputs, read_inputs, read_into
from amendment.data.source_rows import FileFacts, files_of
from amendment.data.store import Workspace, read_records
from amendment.errors import DataError
from amendment.records import Candidate, Prompt, text_of
from amendment.run import Run
from amendment.run.runfile.config import RunFile
from tests.rows import FORMATS, Rows, save
from tests.run.small_runs import LABELLED, LABELS, made, preferences

Read = Callable[[str], Inputs]
Refused = Callable[[str], list[str]]


@pytest.mark.parametrize("kind", FORMATS)
def test_any_kind_of_file_brings_prompts_with_all_that_belongs_to_them(kind: str, read: Read, tmp_path: Path) -> None:
    """Cells that are no text come as JSON texts where a kind has no others."""
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", "thinking": "greet"},
        {"role": "user", "content": "and now?"},
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
    assert [message.to_json() for message in first.messages] == turns
    assert (first.category, first.tags, first.criteria) == ("talk", ("minors", "medical"), tuple(criteria))
    assert first.tools == tuple(tools)
    assert [message.content for message in second.messages] == ["Ünïcode 😀?"]
    assert (second.category, second.tags, second.criteria, second.tools) == ("rest", ("a, b", "c"), (), None)
    assert (second.source, second.license) == (f"p.{kind}", "mit")


def test_arguments_of_tool_calls_become_objects_and_keys_may_be_left_out(read: Read, tmp_path: Path) -> None:
    call = {"type": "function", "id": "c", "function": {"name": "look", "arguments": '{"n": 1}'}}
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    save(tmp_path / "p.jsonl", [{"prompt": turns}, {"prompt": "b"}])
    first, second = read("prompts: [{path: p.jsonl}]\n").prompts.values()
    assert first.messages[1].tool_calls is not None
    assert first.messages[1].tool_calls[0].function["arguments"] == {"n": 1}
    assert len(second.messages) == 1


def test_equal_prompts_are_made_one_and_counted(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}, {"prompt": "b \n"}])
    found = read("prompts: [{path: p.jsonl}]\n")
    assert (len(found.prompts), found.counts["duplicate prompts"], found.counts["prompt rows"]) == (2, 2, 4)


ONE = {"id": "units", "text": "Does it name units?"}
DEEP = '[{"role":' + "[" * 3000
BAD_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"prompt": ""}, "prompt: is empty; fill it in or take the row out"),
    ({"prompt": 7}, "prompt: expected text, found int"),
    ({"prompt": None}, "prompt: expected text, found nothing"),
    ({"prompt": []}, "prompt: is an empty list; expected at least one message"),
    ({"prompt": [{"role": "king", "content": "x"}]}, "prompt: not a list of messages with role and content (Input"),
    ({"prompt": ["x"]}, "prompt: not a list of messages with role and content (expected objects)"),
    (
        {"prompt": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        "prompt: ends with an assistant turn; a prompt ends before the answer",
    ),
    ({"prompt": "a\0b"}, "prompt: holds a NUL or half a surrogate pair"),
    ({"prompt": "x", "about": '["\\ud800"]'}, "about: holds a NUL or half a surrogate pair"),
    ({"prompt": "x", "tools": "none"}, "tools: expected a list of tool schemas, found str"),
    ({"prompt": "x", "about": 7}, "about: expected a list of words, found int"),
    ({"prompt": "x", "about": ["x", {}]}, "about: expected a list of words, found dict"),
    ({"prompt": "x", "topic": ["a"]}, "topic: "),
    ({"prompt": "x", "asks": 7}, "asks: expected a list of criteria with `id` and `text`, found int"),
    ({"prompt": "x", "asks": [{"id": "units"}]}, "asks: text: Field required"),
    ({"prompt": "x", "asks": [{**ONE, "weight": 0}]}, "asks: criterion: found weight 0, expected a positive or a"),
    ({"prompt": "x", "asks": [ONE, ONE]}, "asks: found two criteria of one id, expected different ids"),
    ({"prompt": "x", "asks": [{**ONE, "wieght": 2}]}, "asks: wieght: Extra inputs are not permitted"),
    ({}, "prompt: expected text, found nothing"),
]


def test_every_bad_row_of_every_file_is_named_at_once(refused: Refused, read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "fine"}, *(row for row, _ in BAD_ROWS), {"prompt": DEEP}])
    columns = "columns: {tools: tools, tags: about, category: topic, criteria: asks}"
    lines = refused(f"prompts: [{{path: p.jsonl, {columns}}}, {{path: gone.csv}}]\n")
    assert lines.pop() == "gone.csv: no such file"
    for number, (line, (_, words)) in enumerate(zip(lines, BAD_ROWS, strict=True), start=2):
        assert line.startswith(f"p.jsonl: line {number}: {words}")
    save(tmp_path / "p.jsonl", [{"prompt": DEEP}])
    (prompt,) = read("prompts: [{path: p.jsonl}]\n").prompts.values()
    assert text_of(prompt.messages) == DEEP, "brackets without end are a text"


def test_a_column_that_no_row_has_is_named_once_with_what_there_is(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.csv", [{"qestion": "a", "id": i} for i in range(50)])
    assert refused("prompts: [{path: p.csv, column: question}]\n") == [
        "p.csv: question: no such column in any row (did you mean 'qestion'?); there are qestion, id. "
        "Correct the name in the run file, or remove it"
    ]
    assert len(refused("prompts: [{path: p.csv, column: qestion, columns: {tags: rules, category: topic}}]\n")) == 2


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("p.jsonl", b"", "p.jsonl: the file has no rows"),
        ("p.csv", b"prompt\n", "p.csv: the file has no rows"),
        ("p.json", b"[]", "p.json: the file has no rows"),
        ("p.json", b"{}", "p.json: expected a list of objects"),
        ("p.jsonl", b'{"prompt": "a"}\n{"prompt": \n', "p.jsonl: line 2: not JSON"),
        ("p.csv", b"prompt,b\na\n", "p.csv: row 2: expected 2 cells as in the header, found 1"),
        ("p.parquet", b"PAR1", "p.parquet: not a Parquet file"),
        ("p.jsonl", b'{"prompt": "\x81"}', "p.jsonl: line 1: not UTF-8"),
        ("p.txt", b"a", "p.txt: unknown kind of file '.txt'; expected one of .jsonl, .json, .csv, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    name: str, raw: bytes, words: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(raw)
    (line,) = refused(f"prompts: [{{path: {name}}}]\n")
    assert line.startswith(words)


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
    rows: list[dict[str, Any]] = [{"q": f"q{i}", "x": "x", "y": "y", "v": "a"} for i in range(4)]
    rows[1]["x"], rows[2]["q"], rows[3]["y"] = True, "", " "
    save(tmp_path / "v.jsonl", rows)
    assert refused(VERDICTS % ("person", "")) == [
        "v.jsonl: line 2: x: expected text, found bool",
        "v.jsonl: line 3: q: is empty; fill it in or take the row out",
    ]
    save(tmp_path / "v.jsonl", [rows[0], rows[3]])
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
    assert {row.raters for row in found if text_of(row.prompt) != "please add 0 3"} == {("v.jsonl",)}


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
    further = counts["inputs"].where("under_a_further_license")
    assert {(*figure.of.values(), figure.value) for figure in further} == {
        ("prompts", "again.jsonl", "mit", 3),
        ("prompts", "labels.csv", "cc-by-nc-4.0", 6),
        ("answers", "labels.csv", "cc-by-nc-4.0", 3),
    }
    licenses = {text_of(row.prompt): row.license for row in found}
    assert licenses == {f"question {i}": "apache-2.0" if i < 6 else "cc-by-nc-4.0" for i in range(8)}


def test_the_inputs_name_every_source_with_its_hash_and_its_license(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": f"question {i}"} for i in range(3)])
    save(tmp_path / "labels.csv", LABELS)
    (tmp_path / "more").mkdir()
    save(tmp_path / "more" / "p.jsonl", [{"prompt": "another"}])
    preferences(
        tmp_path,
        "prompts: [{path: p.jsonl, take: 2}, {path: more/p.jsonl, license: mit}, {path: more/p.jsonl, license: mit}]\n"
        f"verdicts:\n{LABELLED}",
    )

    def sha256(name: str) -> str:
        return hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()

    assert files_of(Workspace(tmp_path / "run").result("inputs")) == [
        FileFacts("p.jsonl", 2, sha256("p.jsonl"), None),
        FileFacts("p.jsonl", 1, sha256("more/p.jsonl"), None, "mit"),
        FileFacts("labels.csv", 8, sha256("labels.csv"), None, "mit"),
    ]
    certificate, manifest = (
        json.loads((tmp_path / "run" / f"{n}.json").read_text()) for n in ("certificate", "manifest")
    )
    (file,) = certificate["files"]
    assert {key: file[key] for key in ("rows", "sha256")} == {"rows": 8, "sha256": sha256("labels.csv")}
    assert sha256("labels.csv")[:60] in (tmp_path / "run/summary.md").read_text()
    assert manifest["stages"]["inputs"]["counts"]["tables"][0]["rows"][0][:2] == ["p.jsonl", 2]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """2,500 rows: more than two chunks, in which a prompt comes twice and a column begins in the last row."""
    rows: list[dict[str, Any]] = [{"prompt": f"question {number % 2400}"} for number in range(2499)]
    rows.append({"prompt": "the last", "topic": "ends"})
    save(tmp_path / "p.jsonl", rows)
    return tmp_path


def config(**parts: Any) -> RunFile:
    return RunFile.model_validate({"name": "t", **parts})


def test_a_file_of_several_chunks_is_read_whole(files: Path) -> None:
    found = read_inputs(
        config(prompts=[{"path": "p.jsonl", "columns": {"category": "topic"}, "category": "any"}]), files
    )
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
        read_inputs(config(prompts=[{"path": "p.jsonl", "columns": {"tags": "tgas"}}]), files)
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
    assert streamed.further_licenses() == kept.further_licenses() == {("prompts", "q.jsonl", "cc0-1.0"): 1}


def test_candidates_of_one_s_own_stand_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    asked = [{"prompt": f"question {number}"} for number in range(6)]
    answers = [{"prompt": f"question {number % 6}", "candidate": f"answer {number}"} for number in range(12)]
    for name, rows in {"p": asked, "c": answers}.items():
        save(tmp_path / f"{name}.jsonl", rows)
    (tmp_path / "run.yaml").write_text("name: t\nprompts: [{path: p.jsonl}]\ncandidates: [{path: c.jsonl}]\n")
    Run.from_file(tmp_path / "run.yaml", folder=tmp_path / "run")()
    found = read_records(tmp_path / "run/inputs/candidates.parquet", Candidate)
    texts = [str(one.messages[0].content) for one in found]
    assert texts == [f"answer {number}" for prompt in range(6) for number in (prompt, prompt + 6)]
    assert sorted(path.name for path in (tmp_path / "run/inputs").iterdir()) == [
        *("candidates.parquet", "judgements.parquet", "prompts.parquet", "split.parquet", "verdicts.parquet")
    ]
