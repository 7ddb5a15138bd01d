"""Rows with system texts, several turns, tool calls and thinking: through chain, judge, dataset and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from amendment.data.store import read_records
from amendment.records import Preference
from amendment.run import Run

TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look it up.", "parameters": {"x": None}}}]
SIDES = ("prompt", "chosen", "rejected")


def rich_rows(count: int) -> list[dict[str, Any]]:
    """Prompts with a system text and several turns; every second one offers tools and has used one."""
    rows = []
    for i in range(count):
        turns: list[dict[str, Any]] = [
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
        rows.append({"prompt": turns, "rules": "Be brief.", "tools": TOOLS if i % 2 else None})
    return rows


@pytest.fixture(scope="module")
def rich_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rich")


@pytest.fixture
def rich(rich_folder: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A chain by a server that thinks and calls tools, judged by the simulated judge; made once, then it stands."""
    monkeypatch.setenv("OUR_SERVER_KEY", "k")
    if not (rich_folder / "run.yaml").exists():
        write_rich(rich_folder, server)
    return Run.from_file(rich_folder / "run.yaml", folder=rich_folder / "run")


def write_rich(folder: Path, server: Any) -> None:

    def answer(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        number = len(json.dumps(body["messages"])) % 7
        message: dict[str, Any] = {
            "role": "assistant",
            "content": f"the answer is {number}",
            "reasoning_content": "let me think",
        }
        if body.get("tools") and body.get("seed", 0) % 2:
            called = {"id": "c9", "type": "function", "function": {"name": "look", "arguments": '{"n": 9}'}}
            message = {**message, "content": None, "tool_calls": [called]}
        return 200, message

    server.answer = answer
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rich_rows(8)))
    (folder / "run.yaml").write_text(
        "name: rich\nseed: 2\nconstitution: helpful-honest\n"
        "prompts: [{lilliput: 1}, {path: p.jsonl, system: rules, tools: tools, category: talk, license: mit}]\n"
        "models:\n"
        f"  far: {{provider: openai, base_url: '{server.url}', model: m, api_key_env: OUR_SERVER_KEY}}\n"
        "  judge: {provider: simulated}\n"
        "critique: {model: far}\n"
        "candidates: [{from: critique, take: draft_and_last}, {model: far, per_prompt: 2}]\n"
        "judging: {judges: [{model: judge, protocol: label-tokens}], ties: keep}\n"
        "dataset: {test_share: 0.25}\n"
    )
    Run.from_file(folder / "run.yaml", folder=folder / "run")()


def test_conversations_of_every_kind_survive_chain_judge_dataset_and_trl(rich: Run) -> None:
    from trl.data_utils import extract_prompt, maybe_extract_prompt, unpair_preference_dataset

    result = rich()
    dataset = result.dataset
    rows = {side: read_records(result.folder / f"dataset/{side}.parquet", Preference) for side in ("train", "test")}
    assert rows["test"]
    told = [row for found in rows.values() for row in found]
    turns = [message for row in told for side in SIDES for message in getattr(row, side)]
    assert {message.role for message in turns} == {"system", "user", "assistant", "tool"}
    assert any(message.tool_calls for row in told for message in (*row.chosen, *row.rejected))
    assert any(message.thinking for row in told for message in (*row.chosen, *row.rejected))
    assert any(isinstance(message.content, tuple) for message in turns)

    for side, found in rows.items():
        for row, exported in zip(found, dataset[side], strict=True):
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


def test_columns_for_tools_are_there_only_where_a_prompt_has_some(rich: Run, undisturbed: Any) -> None:
    assert "tools" in rich().dataset["train"].column_names
    assert not {"tools", "chat_template_kwargs"} & set(undisturbed.result.dataset["train"].column_names)


def test_plain_runs_export_plain_strings(undisturbed: Any) -> None:
    from datasets import List, Value

    features = undisturbed.result.dataset["train"].features
    for side in SIDES:
        assert features[side] == List({"role": Value("string"), "content": Value("string")})


def test_an_empty_test_side_has_the_same_columns(small: Path, tmp_path: Path) -> None:
    result = Run.from_file(small, folder=tmp_path / "run", overrides=["dataset.test_share=0"])()
    dataset = result.dataset
    assert len(dataset["test"]) == 0
    assert dataset["test"].features == dataset["train"].features


def test_the_dataset_goes_through_a_file_and_back(rich: Run, tmp_path: Path) -> None:
    from datasets import load_from_disk

    dataset = rich().dataset
    dataset.save_to_disk(tmp_path / "saved")
    back = load_from_disk(tmp_path / "saved")
    assert back["train"].to_list() == dataset["train"].to_list()
    assert back["train"].features == dataset["train"].features


def test_the_exported_files_are_read_by_others_as_the_run_gives_the_dataset(rich: Run, tmp_path: Path) -> None:
    from datasets import load_dataset

    result = rich(until="dataset")
    read = load_dataset("parquet", data_dir=str(result.folder / "export"), cache_dir=str(tmp_path / "cache"))
    assert set(read) == {split for split, rows in result.dataset.items() if len(rows)}
    for split, rows in read.items():
        assert rows.to_list() == result.dataset[split].to_list()
        assert rows.features == result.dataset[split].features


def test_an_empty_side_is_not_exported(small: Path, tmp_path: Path) -> None:
    result = Run.from_file(small, folder=tmp_path / "run", overrides=["dataset.test_share=0"])()
    assert [path.name for path in (result.folder / "export").iterdir()] == ["train.parquet"]


def test_a_trial_of_a_few_rows_is_a_run_of_its_own(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole, trial = (Run.from_file(small, limit=limit).folder for limit in (None, 5))
    assert (trial.parent, trial.name) == (whole.parent, f"{whole.name}.limit-5")
