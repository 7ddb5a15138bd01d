"""Rows with system texts, several turns, tool calls and thinking: through chain, judge, dataset and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.data.export import preference_dataset_dict, write_exports
from amendment.data.store import read_records
from amendment.publishing.finished import FinishedRun
from amendment.records import Preference
from amendment.run import Run, RunResult
from tests.chat_server import ChatServer
from tests.rows import save

TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look it up.", "parameters": {"x": None}}}]
SIDES = ("prompt", "chosen", "rejected")


def rich_rows(count: int) -> list[dict[str, Any]]:
    """Prompts with a system text and several turns; every second one offers tools and has used one."""
    rows = []
    for i in range(count):
        turns: list[dict[str, Any]] = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": f"hello {i}"},
            {"role": "assistant", "content": "hello you", "thinking": "be polite"},
            {"role": "user", "content": [{"type": "text", "text": f"and {i}?"}]},
        ]
        if i % 2:
            call = {"type": "function", "id": "c1", "function": {"name": "look", "arguments": {"n": i, "m": None}}}
            turns += [
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "name": "look", "tool_call_id": "c1", "content": f"found {i}"},
            ]
        rows.append({"prompt": turns, "tools": TOOLS if i % 2 else None})
    return rows


def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A server that thinks and calls tools."""
    number = len(json.dumps(body["messages"])) % 7
    message = {"role": "assistant", "content": f"the answer is {number}", "reasoning_content": "let me think"}
    if body.get("tools") and body.get("seed", 0) % 2:
        called = {"id": "c9", "type": "function", "function": {"name": "look", "arguments": '{"n": 9}'}}
        return 200, {**message, "content": None, "tool_calls": [called]}
    return 200, message


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A chain by that server, judged by the simulated judge."""
    folder = tmp_path_factory.mktemp("rich")
    save(folder / "p.jsonl", rich_rows(8))
    with ChatServer(answer) as server:
        (folder / "run.yaml").write_text(
            "name: rich\nseed: 2\nconstitution: helpful-honest\n"
            "prompts: [{lilliput: 1}, {path: p.jsonl, columns: {tools: tools}, category: talk, license: mit}]\n"
            "models:\n"
            f"  far: {{provider: openai, base_url: '{server.url}', model: m}}\n"
            "  judge: {provider: simulated}\n"
            "critique: {model: far}\n"
            "candidates: [{from: critique, take: draft_and_last}, {model: far, per_prompt: 2}]\n"
            "judging: {judges: [{model: judge, protocol: label-tokens}], ties: keep}\n"
            "dataset: {test_share: 0.25}\n"
        )
        return Run.from_file(folder / "run.yaml", folder=folder / "run")()


def test_conversations_of_every_kind_survive_chain_judge_dataset_and_trl(rich: RunResult) -> None:
    from trl.data_utils import extract_prompt, maybe_extract_prompt, unpair_preference_dataset

    result, dataset = rich, rich.dataset
    rows = {side: read_records(result.folder / f"dataset/{side}.parquet", Preference) for side in ("train", "test")}
    assert rows["test"]
    every = [row for of_side in rows.values() for row in of_side]
    turns = [message for row in every for side in SIDES for message in getattr(row, side)]
    assert {message.role for message in turns} == {"system", "user", "assistant", "tool"}
    assert any(message.tool_calls for row in every for message in (*row.chosen, *row.rejected))
    assert any(message.thinking for row in every for message in (*row.chosen, *row.rejected))
    assert any(isinstance(message.content, tuple) for message in turns)

    for side, of_side in rows.items():
        for row, exported in zip(of_side, dataset[side], strict=True):
            plain = row.to_json()
            for name in SIDES:
                assert exported[name] == plain[name], "messages come out as they are, nothing added"
            assert exported["tools"] == plain.get("tools")
            assert {name: exported[name] for name in SIDES} == {
                name: maybe_extract_prompt(exported)[name] for name in SIDES
            }
            whole = {name: exported["prompt"] + exported[name] for name in ("chosen", "rejected")}
            assert extract_prompt(whole) == {name: exported[name] for name in SIDES}

    unpaired = unpair_preference_dataset(dataset["train"].select_columns([*SIDES, "tools"]))
    pairs = dataset["train"]
    assert len(unpaired) == 2 * len(pairs)
    assert unpaired["completion"][: len(pairs)] == pairs["chosen"][:]
    assert unpaired["completion"][len(pairs) :] == pairs["rejected"][:]
    assert unpaired["prompt"][: len(pairs)] == pairs["prompt"][:]


def test_plain_runs_export_plain_strings_and_both_sides_have_the_same_columns(
    rich: RunResult, chain_folder: Path, tmp_path: Path
) -> None:
    from datasets import List, Value

    rows = {"train": FinishedRun(chain_folder).rows["train"], "test": []}
    dataset = preference_dataset_dict(rows)
    for side in SIDES:
        assert dataset["train"].features[side] == List({"role": Value("string"), "content": Value("string")})
    assert (len(dataset["test"]), dataset["test"].features) == (0, dataset["train"].features)
    assert write_exports(tmp_path, rows) == ("export/train",), "datasets cannot read a split without rows"
    assert {"tools", "chat_template_kwargs"} & set(dataset["train"].column_names) == set()
    assert "tools" in rich.dataset["train"].column_names


def test_the_exported_files_are_read_by_others_as_the_run_gives_the_dataset(rich: RunResult, tmp_path: Path) -> None:
    from datasets import load_dataset

    read = load_dataset("parquet", data_dir=str(rich.folder / "export"), cache_dir=str(tmp_path / "cache"))
    assert {split: rows.to_list() for split, rows in read.items()} == {
        split: rows.to_list() for split, rows in rich.dataset.items()
    }
    assert read["train"].features == rich.dataset["train"].features
