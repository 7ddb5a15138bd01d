"""Prompts of one's own: every kind of file that is taken, and every bad row named with its place and the fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.data.inputs import read_inputs
from amendment.errors import DataError
from amendment.records import text_of
from amendment.run import load_run_file
from tests.run.own_files import FORMATS, Read, Refused, Rows, save


@pytest.mark.parametrize("kind", FORMATS)
def test_prompts_come_from_any_kind_of_file(kind: str, read: Read, tmp_path: Path) -> None:
    save(
        tmp_path / f"p.{kind}", [{"question": "Is it wet?", "topic": "water"}, {"question": "Ünïcode 😀?", "topic": ""}]
    )
    found = read(
        f"prompts: [{{path: p.{kind}, column: question, category_column: topic, category: rest, license: mit}}]\n"
    )
    first, second = found.prompts.values()
    assert text_of(first.messages) == "Is it wet?"
    assert text_of(second.messages) == "Ünïcode 😀?"
    assert (first.category, second.category) == ("water", "rest")
    assert (first.source, first.license) == (f"p.{kind}", "mit")


@pytest.mark.parametrize("kind", FORMATS)
def test_conversations_come_as_lists_or_as_json_texts(kind: str, read: Read, tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "hello", "thinking": "greet"},
        {"role": "user", "content": "and now?"},
    ]
    save(tmp_path / f"p.{kind}", [{"prompt": json.dumps(turns) if kind == "csv" else turns, "rules": "Be kind."}])
    (prompt,) = read(f"prompts: [{{path: p.{kind}, system: rules}}]\n").prompts.values()
    assert [message.to_json() for message in prompt.messages] == [{"role": "system", "content": "Be kind."}, *turns]


@pytest.mark.parametrize("kind", FORMATS)
def test_tags_come_as_lists_or_as_words_with_commas(kind: str, read: Read, tmp_path: Path) -> None:
    cells: list[Any] = ["minors, medical,,minors", "", '["a, b", " c "]']
    if kind not in ("csv", "parquet"):
        cells += [["minors", "medical"], []]
    save(tmp_path / f"p.{kind}", [{"prompt": str(number), "about": cell} for number, cell in enumerate(cells)])
    found = [one.tags for one in read(f"prompts: [{{path: p.{kind}, tags_column: about}}]\n").prompts.values()]
    assert found == [("minors", "medical"), (), ("a, b", "c"), ("minors", "medical"), ()][: len(cells)]


def test_tags_that_are_no_words_are_told(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a", "about": 7}, {"prompt": "b", "about": ["x", {}]}])
    assert refused("prompts: [{path: p.jsonl, tags_column: about}]\n") == [
        "p.jsonl: line 1: about: expected a list of words, found int",
        "p.jsonl: line 2: about: expected a list of words, found dict",
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_criteria_of_a_prompts_own_come_along(kind: str, read: Read, tmp_path: Path) -> None:
    criteria = [{"id": "units", "text": "Does it name units?"}, {"id": "rude", "text": "Is it rude?", "weight": -2.0}]
    cells = [json.dumps(criteria) if kind in ("csv", "parquet") else criteria, ""]
    save(tmp_path / f"p.{kind}", [{"prompt": str(number), "asks": cell} for number, cell in enumerate(cells)])
    found = [one.criteria for one in read(f"prompts: [{{path: p.{kind}, criteria_column: asks}}]\n").prompts.values()]
    assert found == [tuple(criteria), ()]


def test_criteria_that_no_judge_could_look_at_are_told(refused: Refused, tmp_path: Path) -> None:
    one = {"id": "units", "text": "Does it name units?"}
    cells: list[Any] = [7, [{"id": "units"}], [{**one, "weight": 0}], [one, one], [{**one, "wieght": 2}]]
    save(tmp_path / "p.jsonl", [{"prompt": str(number), "asks": cell} for number, cell in enumerate(cells)])
    assert refused("prompts: [{path: p.jsonl, criteria_column: asks}]\n") == [
        "p.jsonl: line 1: asks: expected a list of criteria with `id` and `text`, found int",
        "p.jsonl: line 2: asks: text: Field required",
        "p.jsonl: line 3: asks: criterion: found weight 0, expected a positive or a negative number",
        "p.jsonl: line 4: asks: found two criteria of one id, expected different ids",
        "p.jsonl: line 5: asks: wieght: Extra inputs are not permitted",
    ]


@pytest.mark.parametrize("kind", FORMATS)
def test_tools_come_along(kind: str, read: Read, tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    cell = json.dumps(tools) if kind in ("csv", "parquet") else tools
    save(tmp_path / f"p.{kind}", [{"prompt": "a", "tools": cell}, {"prompt": "b", "tools": None}])
    first, second = read(f"prompts: [{{path: p.{kind}, tools: tools}}]\n").prompts.values()
    assert first.tools == tuple(tools)
    assert second.tools is None


def test_keys_that_some_rows_leave_out_are_empty_there(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a", "rules": "Be kind.", "tools": [{"n": 1}]}, {"prompt": "b"}])
    first, second = read("prompts: [{path: p.jsonl, system: rules, tools: tools}]\n").prompts.values()
    assert first.tools == ({"n": 1},)
    assert len(second.messages) == 1


def test_arguments_of_tool_calls_become_objects(read: Read, tmp_path: Path) -> None:
    call = {"type": "function", "id": "c", "function": {"name": "look", "arguments": '{"n": 1}'}}
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "1"},
    ]
    save(tmp_path / "p.jsonl", [{"prompt": turns}])
    (prompt,) = read("prompts: [{path: p.jsonl}]\n").prompts.values()
    assert prompt.messages[1].tool_calls is not None
    assert prompt.messages[1].tool_calls[0].function["arguments"] == {"n": 1}


def test_duplicate_prompts_are_made_one_and_counted(read: Read, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}])
    found = read("prompts: [{path: p.jsonl}]\n")
    assert len(found.prompts) == 2
    assert found.counts["duplicate prompts"] == 1
    assert found.counts["prompt rows"] == 3


def test_every_bad_row_of_every_file_is_named_at_once(refused: Refused, tmp_path: Path) -> None:
    rows: Rows = [
        {"prompt": "fine"},
        {"prompt": ""},
        {"prompt": 7},
        {"prompt": None},
        {"prompt": []},
        {"prompt": [{"role": "king", "content": "x"}]},
        {"prompt": ["x"]},
        {"prompt": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
        {"prompt": "a\0b"},
        {"prompt": "\ud800"},
        {"prompt": [{"role": "user", "content": "\ud800"}]},
        {"prompt": "x", "tools": "none"},
        {"prompt": "x", "tools": [{"n": "\ud800"}]},
        {},
    ]
    save(tmp_path / "p.jsonl", rows)
    lines = refused("prompts: [{path: p.jsonl, tools: tools}, {path: gone.csv}]\n")
    expected = [
        "p.jsonl: line 2: prompt: is empty; fill it in or take the row out",
        "p.jsonl: line 3: prompt: expected text, found int",
        "p.jsonl: line 4: prompt: expected text, found nothing",
        "p.jsonl: line 5: prompt: is an empty list; expected at least one message",
        "p.jsonl: line 6: prompt: not a list of messages with role and content (Input should be",
        "p.jsonl: line 7: prompt: not a list of messages with role and content (expected objects)",
        "p.jsonl: line 8: prompt: ends with an assistant turn; a prompt ends before the answer",
        "p.jsonl: line 9: prompt: holds a NUL or half a surrogate pair",
        "p.jsonl: line 10: prompt: holds a NUL or half a surrogate pair",
        "p.jsonl: line 11: ",
        "p.jsonl: line 12: tools: expected a list of tool schemas, found str",
        "p.jsonl: line 13: ",
        "p.jsonl: line 14: prompt: expected text, found nothing",
        "gone.csv: no such file",
    ]
    assert len(lines) == len(expected)
    for line, beginning in zip(lines, expected, strict=True):
        assert line.startswith(beginning)


def test_a_column_that_no_row_has_is_named_once_with_what_there_is(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.csv", [{"qestion": "a", "id": i} for i in range(50)])
    (line,) = refused("prompts: [{path: p.csv, column: question}]\n")
    assert line == (
        "p.csv: question: no such column in any row (did you mean 'qestion'?); there are qestion, id. "
        "Name it in the run file"
    )
    assert len(refused("prompts: [{path: p.csv, column: qestion, system: rules, category_column: topic}]\n")) == 2


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
        ("p.jsonl", b'{"prompt": "\xfc"}', "p.jsonl: not UTF-8"),
        ("p.txt", b"a", "p.txt: unknown kind of file '.txt'; expected one of .jsonl, .json, .csv, .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    name: str, raw: bytes, words: str, refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(raw)
    (line,) = refused(f"prompts: [{{path: {name}}}]\n")
    assert line.startswith(words)


def test_a_thousand_bad_rows_do_not_flood_the_screen(refused: Refused, tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": 1}] * 1000)
    lines = refused("prompts: [{path: p.jsonl}]\n")
    assert lines[-1] == "and 900 more problems"
    assert len(lines) == 101


def test_white_space_around_a_prompt_makes_no_other_prompt(tmp_path: Path) -> None:
    save(tmp_path / "p.jsonl", [{"prompt": "hi there"}, {"prompt": "hi there \n"}])
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl}]\ncritique: {model: m}\n",
        encoding="utf-8",
    )
    found = read_inputs(load_run_file(tmp_path / "run.yaml").config, tmp_path)
    assert (len(found.prompts), found.counts["duplicate prompts"]) == (1, 1)


@pytest.mark.parametrize("cell", ["\ud800", ["a"], {"a": 1}])
def test_a_category_that_is_no_word_is_named_before_the_run(cell: Any, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "hello", "c": cell}) + "\n", encoding="utf-8")
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl, category_column: c}]\ncritique: {model: m}\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError, match="line 1: c: "):
        read_inputs(load_run_file(tmp_path / "run.yaml").config, tmp_path)


def test_nesting_without_end_in_a_cell_is_text_or_a_named_problem(tmp_path: Path) -> None:
    deep = '[{"role":' + "[" * 3000
    save(tmp_path / "p.jsonl", [{"prompt": deep}])
    (tmp_path / "run.yaml").write_text(
        "name: r\nconstitution: lilliput\nmodels: {m: {provider: simulated}}\n"
        "prompts: [{path: p.jsonl}]\ncritique: {model: m}\n",
        encoding="utf-8",
    )
    (prompt,) = read_inputs(load_run_file(tmp_path / "run.yaml").config, tmp_path).prompts.values()
    assert text_of(prompt.messages) == deep
