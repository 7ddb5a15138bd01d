"""What has to be agreed to before a run begins, and what is said of the servers that it will talk to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.requests import Request
from amendment.records import Sampling, user
from amendment.run import Run, Terms, load_run_file
from amendment.run.checks import LoadedRun
from amendment.run.progress import QuietProgress
from amendment.run.runfile.config import RunFile
from amendment.run.terms import agree, outward_lines
from amendment.yamlfile import parse_yaml

SHOP = {"provider": "openai", "base_url": "https://shop.example/v1", "max_tokens": 10}
PRICED = {**SHOP, "price": {"input": 1, "output": 1}}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Writes a run file in which `critic` revises, `writer` draws and `judge` judges; gives its path."""

    def write(**models: Any) -> Path:
        (tmp_path / "p.jsonl").write_text(json.dumps({"prompt": "question"}) + "\n")
        path = tmp_path / "run.yaml"
        run = {
            "name": "terms",
            "constitution": "helpful-honest",
            "prompts": [{"path": "p.jsonl"}],
            "models": {"critic": {**PRICED, "model": "c"}, "writer": {**PRICED, "model": "w"}, **models},
            "critique": {"model": "critic"},
            "candidates": [{"model": "writer", "per_prompt": 2}],
        }
        if "judge" in models:
            run["judging"] = {"judges": [{"model": "judge", "protocol": "verdict"}]}
        path.write_text(json.dumps(run))
        return path

    return write


class Said(QuietProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_only_a_stage_that_is_going_to_be_made_asks_for_a_price(written: Callable[..., Path], tmp_path: Path) -> None:
    loaded = load_run_file(written(judge={**SHOP, "model": "j"}))
    agree(loaded, tmp_path / "run", ["inputs", "critique", "candidates"], Terms())
    with pytest.raises(ConfigError, match=r"no known price for judge \(j at shop.example/v1\).*--allow-unpriced"):
        agree(loaded, tmp_path / "run", ["judging"], Terms())
    agree(loaded, tmp_path / "run", ["judging"], Terms(allow_unpriced=True))


def test_a_run_that_asks_nobody_needs_no_price_and_names_no_host(
    written: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    path = written(writer={**SHOP, "model": "w"})
    with pytest.raises(ConfigError, match="no known price for writer"):
        Run.from_file(path, folder=tmp_path / "run")(until="candidates")
    said = Said()
    result = Run.from_file(path, folder=tmp_path / "run", progress=said)(until="inputs")
    assert (result.sent, result.ran) == (0, ("inputs",))
    assert [line.split(":")[0] for line in said.lines] == ["inputs"]


def batch_left(folder: Path) -> None:
    """A batch of two requests to the writer, handed in and not read."""
    sampling = Sampling(max_tokens=10)
    texts = ("one", "two")
    requests = [
        Request(provider="openai", host="shop.example/v1", model="w", messages=user(text), sampling=sampling)
        for text in texts
    ]
    calls = [BatchCall(one.id, one.body, one.host, one.model, "candidates") for one in requests]
    with Ledger(folder / "ledger.sqlite") as ledger:
        asyncio.run(_open(ledger, calls))


async def _open(ledger: Ledger, calls: list[BatchCall]) -> None:
    await ledger.open_batch("shard", calls)


def test_a_batch_that_is_out_is_not_paid_for_again_online_without_a_yes(
    written: Callable[..., Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    batch_left(folder)
    online = load_run_file(written())
    with pytest.raises(ConfigError, match=r"a batch with 2 requests to w at shop.example/v1 is out"):
        agree(online, folder, ["candidates"], Terms())
    agree(online, folder, ["candidates"], Terms(accept_changes=True))
    agree(online, folder, ["inputs", "critique"], Terms())  # the writer is not asked
    agree(load_run_file(written(), ["models.writer.mode=batch"]), folder, ["candidates"], Terms())


def told(models: dict[str, Any], left: list[str]) -> list[str]:
    candidates = [{"model": name, "per_prompt": 1} for name in models]
    run = {"name": "t", "prompts": [{"path": "p"}], "models": models, "candidates": candidates}
    loaded = LoadedRun(RunFile.model_validate(run), parse_yaml("name: t", "run.yaml"), Path("nowhere"))
    return list(outward_lines(loaded, left))


def test_each_model_that_will_be_asked_is_told_with_its_host_and_the_name_of_its_key() -> None:
    models = {
        "b": {**SHOP, "model": "m", "api_key_env": "SHOP_KEY"},
        "a": {**SHOP, "model": "n", "api_key_env": None},
        "world": {"provider": "simulated"},
    }
    assert told(models, ["candidates"]) == [
        "talks to shop.example/v1 (a; without a key)",
        "sends SHOP_KEY to shop.example/v1 (b)",
    ]
    assert told(models, ["inputs", "judging"]) == []


def test_the_name_of_a_file_elsewhere_does_not_steer_the_terminal_on_which_it_is_told(tmp_path: Path) -> None:
    config = RunFile.model_validate({"name": "t", "prompts": [{"path": "\x1b[31m\u202ep"}]})
    (tmp_path / "\x1b[31m\u202ep").write_text("{}")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "\x1b[31m\u202ep").symlink_to(tmp_path / "\x1b[31m\u202ep")
    (line,) = outward_lines(LoadedRun(config, parse_yaml("name: t", "run.yaml"), tmp_path / "run"), ["inputs"])
    assert line.isprintable()
    assert r"\x1b[31m\u202ep" in line
