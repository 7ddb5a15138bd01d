"""What has to be agreed to before a run begins or goes on: prices, batches that are out, calls of a changed setting."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from amendment.errors import ConfigError
from amendment.hashing import content_id
from amendment.llm.ledger import BatchCall, Ledger
from amendment.llm.requests import Request
from amendment.records import Sampling, user
from amendment.run import Patience, Paused, Run, Terms, load_run_file
from amendment.run.changes import changes
from amendment.run.permissions import agree, outward_lines, refuse_changes, repeated_asks
from tests.rows import save
from tests.run.small_runs import Said

SHOP = {"provider": "openai", "base_url": "https://shop.example/v1", "max_tokens": 10}
PRICED = {**SHOP, "price": {"input": 1, "output": 1}}


def shopping(folder: Path, **models: Any) -> Path:
    """A run file in which `critic` revises, `writer` draws and `judge`, if there is one, judges."""
    save(folder / "p.jsonl", [{"prompt": "question"}])
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
    path = folder / "run.yaml"
    path.write_text(json.dumps(run))
    return path


def test_only_a_stage_that_is_going_to_be_made_asks_for_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_run_file(shopping(tmp_path, judge={**SHOP, "model": "j"}))
    agree(loaded, tmp_path / "run", ["inputs", "critique", "candidates"], Terms())
    with pytest.raises(ConfigError, match=r"no known price for judge \(j at shop.example/v1\).*--allow-unpriced"):
        agree(loaded, tmp_path / "run", ["judging"], Terms())
    agree(loaded, tmp_path / "run", ["judging"], Terms(allow_unpriced=True))
    monkeypatch.setenv("OPENAI_API_KEY", "a-key")
    path, said = shopping(tmp_path, writer={**SHOP, "model": "w"}), Said()
    with pytest.raises(ConfigError, match="no known price for writer"):
        Run.from_file(path, folder=tmp_path / "run")(until="candidates")
    result = Run.from_file(path, folder=tmp_path / "run", progress=said)(until="inputs")
    assert (result.sent, result.ran) == (0, ("inputs",))
    assert not [line for line in said.lines if "shop.example" in line], "no host is named"


def test_a_batch_that_is_out_is_not_paid_for_again_online_without_a_yes(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    common: dict[str, Any] = {"provider": "openai", "host": "shop.example/v1", "model": "w"}
    requests = [Request(messages=user(t), sampling=Sampling(max_tokens=10), **common) for t in ("one", "two")]

    async def hand_in(ledger: Ledger) -> None:
        await ledger.open_batch("shard", [BatchCall(r.id, r.body, r.host, r.model, "candidates") for r in requests])

    with Ledger(folder / "ledger.sqlite") as ledger:
        asyncio.run(hand_in(ledger))
    online = load_run_file(shopping(tmp_path))
    with pytest.raises(ConfigError, match=r"a batch of 2 requests to w at shop.example/v1 is still open"):
        agree(online, folder, ["candidates"], Terms())
    agree(online, folder, ["candidates"], Terms(accept_changes=True))
    agree(online, folder, ["inputs", "critique"], Terms())  # the writer is not asked
    agree(load_run_file(shopping(tmp_path), ["models.writer.mode=batch"]), folder, ["candidates"], Terms())


def test_each_model_that_will_be_asked_is_told_with_its_host_and_the_name_of_its_key(tmp_path: Path) -> None:
    writer = {**SHOP, "model": "m", "api_key_env": "SHOP_KEY"}
    loaded = load_run_file(shopping(tmp_path, writer=writer, critic={**SHOP, "model": "n", "api_key_env": None}))
    assert list(outward_lines(loaded, ["critique", "candidates"])) == [
        "talks to shop.example/v1 (critic; without a key)",
        "sends SHOP_KEY to shop.example/v1 (writer)",
    ]
    assert list(outward_lines(loaded, ["inputs", "judging"])) == []


CHAIN = """\
name: chain
constitution: rules.yaml
prompts: [{path: p.jsonl}]
models:
  writer: {provider: openai, base_url: URL, model: w, max_tokens: 40, price: {input: 0, output: 1000}}
critique: {model: writer, rounds: 1}
candidates: [{model: writer, per_prompt: 2}]
"""
RULES = """\
id: rules
version: 1.0.0
title: Rules
license: CC0-1.0
principles:
  - id: kind
    statement: Be kind.
    critique: [Say how the answer is unkind.]
    revise: [Make the answer kind.]
"""
TWICE = "critique.rounds=2"


def distinct(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return 200, {"role": "assistant", "content": f"about {content_id(body)}"}


def failing(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    return (500, {}) if "question 1" in json.dumps(body) else distinct(body)


@pytest.fixture
def asked(tmp_path: Path, server: Any) -> Path:
    """Three prompts, drafted, criticised and revised once by the server, and each answered once more."""
    server.answer = distinct
    save(tmp_path / "p.jsonl", [{"prompt": f"question {i}"} for i in range(3)])
    (tmp_path / "rules.yaml").write_text(RULES)
    path = tmp_path / "run.yaml"
    path.write_text(CHAIN.replace("URL", server.url))
    return path


def made(path: Path, folder: Path, overrides: Sequence[str] = (), until: str | None = None) -> int:
    """Make the run, whatever has changed; returns the calls sent."""
    terms, patience = Terms(accept_changes=True, allow_unpriced=True), Patience(attempts=1, longest_wait=0.01)
    return Run.from_file(path, folder=folder, overrides=overrides, patience=patience, terms=terms)(until=until).sent


def again(path: Path, folder: Path, *overrides: str) -> dict[str, int]:
    """The calls that a start would pay for again, by stage."""
    return {row.stage: row.calls for row in repeated_asks(load_run_file(path, overrides), folder)}


def test_a_finished_stage_with_another_setting_is_asked_about_with_its_calls_and_their_cost(
    asked: Path, folder: Path
) -> None:
    refuse_changes(load_run_file(asked), folder)
    assert made(asked, folder) == 3 * 3 + 3
    refuse_changes(load_run_file(asked), folder)
    # a second round: a critique and a revision of each of 3 prompts; all else is in the ledger. Six answers of 40
    # tokens, at 1000 USD for a million: 6 x 40 x 0.001 = 0.24
    assert again(asked, folder, TWICE) == {"critique": 6}
    with pytest.raises(ConfigError) as refused:
        refuse_changes(load_run_file(asked, [TWICE]), folder)
    for words in ("critique.rounds: was 1, is 2", "critique: 6 calls to writer", "0.24 USD", "--accept-changes"):
        assert words in str(refused.value)
    refuse_changes(load_run_file(asked, [TWICE]), folder, accepted=True)
    (folder / "settings.json").unlink()  # a folder that remembers nothing is told by its run file
    assert again(asked, folder) == {}
    assert again(asked, folder, TWICE) == {"critique": 6}


def test_a_change_that_costs_nothing_needs_no_yes(asked: Path, folder: Path) -> None:
    made(asked, folder, until="critique")
    assert again(asked, folder, "candidates=[{model: writer, per_prompt: 5}]") == {}, "which was not begun"
    made(asked, folder)
    for override in (
        "models.writer.timeout=5",
        "models.writer.concurrency=2",
        "models.writer.price={input: 1, output: 1}",
        "budget.usd=3",
        "dataset.test_share=0.5",
        "candidates=[{model: writer, per_prompt: 1}]",
    ):
        assert again(asked, folder, override) == {}


def test_what_is_half_done_goes_on_without_a_question_and_of_a_change_all_that_is_left_counts(
    asked: Path, folder: Path, server: Any
) -> None:
    server.answer = failing
    with pytest.raises(Paused):
        made(asked, folder, until="critique")
    refuse_changes(load_run_file(asked), folder)
    # two prompts have 3 replies each, one has none: its 3 calls are left, and a second round adds 2 each
    assert again(asked, folder, TWICE) == {"critique": 9}
    with pytest.raises(Paused):
        made(asked, folder, [TWICE])
    assert again(asked, folder, TWICE) == {}, "it was accepted and then interrupted"


def test_an_edited_principle_is_a_change_too_although_the_run_file_is_the_same(asked: Path, folder: Path) -> None:
    made(asked, folder)
    asked.with_name("rules.yaml").write_text(RULES.replace("Be kind.", "Be brief."))
    # drafts and candidates stay, and 3 critiques and 3 revisions are asked for anew
    assert again(asked, folder) == {"critique": 6}
    with pytest.raises(ConfigError, match="constitution"):
        refuse_changes(load_run_file(asked), folder)


def test_what_was_not_made_again_is_still_asked_about_later(asked: Path, folder: Path) -> None:
    made(asked, folder)
    changed = [TWICE, "models.writer.max_tokens=50", "models.writer.timeout=5"]
    # with max_tokens 50 every question is another one: 3 x (1 + 2 x 2) of the chain, and one further draw each
    assert again(asked, folder, *changed) == {"critique": 15, "candidates": 3}
    assert [str(change) for change in changes(load_run_file(asked, changed).config, folder)] == [
        "models.writer.max_tokens: was 40, is 50",
        "critique.rounds: was 1, is 2",
    ], "a timeout changes no answer"
    made(asked, folder, changed, until="critique")
    assert again(asked, folder, *changed) == {"candidates": 3}


def test_simulated_models_are_asked_anew_without_a_question(small: Path, folder: Path) -> None:
    overrides = ["prompts=[{lilliput: 4}]"]
    made(small, folder, overrides, until="judging")
    assert again(small, folder, *overrides, "critique.rounds=1", "judging.principles_per_pair=1") == {}
