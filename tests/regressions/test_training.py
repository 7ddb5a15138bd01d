"""Regressions of training, reward models and judges as rewards: each test names what a user must be able to rely on."""

from __future__ import annotations

import asyncio
import json
import math
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors.torch import load_file

from amendment.constitutions import load_constitution
from amendment.errors import ConfigError
from amendment.preference import Judge
from amendment.reward_model import RewardModel, RewardSettings, train_reward
from amendment.run import Result, Run
from tests.chat_server import ChatServer
from tests.command_line import amendment
from tests.rows import save

Pair = dict[str, Any]


def pickled(folder: Path, copy: Path) -> Path:
    """A copy of a model's folder whose weights are pickles."""
    import torch

    shutil.copytree(folder, copy)
    for file in sorted(copy.rglob("*.safetensors")):
        torch.save(load_file(file), file.with_name({"model": "pytorch_model"}.get(file.stem, file.stem) + ".bin"))
        file.unlink()
    return copy


def refusal_of(call: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        call()
    return str(caught.value)


def test_pickled_weights_are_refused_everywhere_with_one_message(
    base: Path,
    reward_folder: Path,
    tmp_path: Path,
) -> None:
    pickled_base, pickled_reward = pickled(base, tmp_path / "base"), pickled(reward_folder, tmp_path / "rm")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"prompt": "ask 1", "chosen": "yes", "rejected": "no"}) + "\n", encoding="utf-8")
    settings = RewardSettings(steps=1, batch_size=4, max_length=128)

    told = [
        refusal_of(lambda: train_reward(pickled_base, [], tmp_path / "out", settings)),
        refusal_of(lambda: RewardModel.load(pickled_reward)),
    ]
    for name in ("score", "evaluate"):
        ended = amendment(name, pickled_reward, rows, *(["--out", tmp_path / "s.jsonl"] if name == "score" else []))
        assert ended.code == 2
        told.append(" ".join(ended.err.split()))

    for one in told:
        assert "pytorch_model.bin" in one
        assert "expected weights in *.safetensors" in one


def test_an_index_that_leads_from_safetensors_to_pickles_is_refused(base: Path, tmp_path: Path) -> None:
    from amendment.training import check_base

    folder = pickled(base, tmp_path / "base")
    names = json.dumps({"metadata": {}, "weight_map": {"model.norm.weight": "pytorch_model.bin"}})
    (folder / "model.safetensors.index.json").write_text(names, encoding="utf-8")
    (folder / "decoy.safetensors").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"expected weights in \*\.safetensors, found pytorch_model\.bin"):
        check_base(folder)


def test_a_safetensors_file_that_no_loader_reads_does_not_vouch_for_pickles(base: Path, tmp_path: Path) -> None:
    from amendment.training import check_base
    from amendment.training.bases import check_weights

    folder = pickled(base, tmp_path / "base")
    for decoy in ("extra.safetensors", "adapter_model.safetensors"):
        (folder / decoy).write_bytes(b"")
        with pytest.raises(ConfigError, match="pytorch_model"):
            check_base(folder)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for name in ("adapter_config.json", "adapter_model.bin", "model.safetensors", "extra.safetensors"):
        (adapter / name).write_bytes(b"")
    with pytest.raises(ConfigError, match="adapter_model"):
        check_weights(adapter)
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    check_weights(adapter)


def test_the_shards_of_an_index_are_weights_only_when_all_are_there(base: Path, tmp_path: Path) -> None:
    from amendment.training import check_base

    folder = shutil.copytree(base, tmp_path / "base")
    shard = folder / "model-00001-of-00001.safetensors"
    (folder / "model.safetensors").rename(shard)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"model.norm.weight": shard.name}}), encoding="utf-8")
    check_base(folder)
    shard.rename(folder / "other.safetensors")
    with pytest.raises(ConfigError, match="model-00001-of-00001"):
        check_base(folder)


def rewards_file(folder: Path, model: dict[str, Any]) -> Path:
    """A run file that has models, a constitution and a budget, and nothing else."""
    document = {"name": "rewards", "constitution": "lilliput", "budget": {"usd": 1}, "models": {"judge": model}}
    (folder / "run.yaml").write_text(json.dumps(document), encoding="utf-8")
    return folder / "run.yaml"


def test_a_server_that_only_fails_holds_a_step_for_no_longer_than_the_patience(
    server: ChatServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda _: (500, {})
    free = {"input": 0, "output": 0}
    model = {"provider": "openai", "base_url": server.url, "model": "m", "max_tokens": 8, "price": free}
    with Run.from_file(rewards_file(tmp_path, model), folder=tmp_path / "run") as run:
        judge = Judge.from_folder("score", model=run.models["judge"], constitution=load_constitution("lilliput"))
        patient = judge.as_reward(patience=0.5)
        lasts = time.monotonic()
        assert asyncio.run(patient(["ask"] * 4, ["a", "b", "c", "d"])) == [None] * 4
        filled = judge.as_reward(patience=0.5, fallback=-0.5)
        assert asyncio.run(filled(["ask"] * 2, ["e", "f"])) == [-0.5] * 2
        assert time.monotonic() - lasts < 30  # 121 s each, and silent, before there was a patience
    assert server.asked
    assert caplog.records


def test_a_run_file_of_models_alone_opens_a_judge_and_says_that_it_has_nothing_to_run(tmp_path: Path) -> None:
    path = rewards_file(tmp_path, {"provider": "simulated"})
    with Run.from_file(path, folder=tmp_path / "run") as run:
        judge = Judge.from_folder("score", model=run.models["judge"], constitution=load_constitution("lilliput"))
        [reward] = asyncio.run(judge.as_reward()(["how many legs has a mole"], ["a mole has four legs"]))
    assert reward is not None
    assert -1 <= reward <= 1
    assert amendment("check", path).code == 0
    ended = amendment("run", path)
    assert ended.code == 2
    assert "the run has no input" in ended.err


def test_a_completion_that_a_reward_model_cannot_score_has_the_fallback(reward_folder: Path) -> None:
    model = RewardModel.load(reward_folder)
    texts = ["ask", "ask"], ["yes " * 400, "yes"]
    assert model.as_reward()(*texts)[0] is None
    assert model.as_reward(fallback=-2.0)(*texts)[0] == -2.0


def test_a_temperature_that_does_not_surely_help_is_not_used(base: Path, pairs: list[Pair], tmp_path: Path) -> None:
    # Labels by a coin that the model cannot foretell, so that no temperature helps on other pairs.
    coin = [{**pair, "p_chosen": float(i % 2)} for i, pair in enumerate(pairs)]
    settings = RewardSettings(steps=1, batch_size=4, max_length=128, learning_rate=1e-6)
    train_reward(base, pairs[:8], tmp_path / "rm", settings, held_out=coin, seed=1)
    model = RewardModel.load(tmp_path / "rm")
    fitted = model.meta.temperature
    assert fitted is not None
    assert not fitted.helps
    assert model.probability([1.0], [0.0]) == pytest.approx([1 / (1 + math.exp(-1))])


def own_pairs(folder: Path) -> Path:
    """A run file over a user's own labelled pairs: the longer answer is better in three of four, the first in half."""
    rows = []
    for i in range(48):
        good, bad = ("yes indeed it is so", "no") if i % 4 else ("yes", "no never it is not")
        first, second = (good, bad) if i % 2 else (bad, good)
        label = "1" if i % 2 else "2"
        rows.append({"question": f"ask {i}", "one": first, "two": second, "label": label})
    save(folder / "pairs.jsonl", rows)
    small = {"steps": 2, "batch_size": 4, "max_length": 128}
    guards = {"every": 1, "prompts": 12, "max_tokens": 8, "kl_per_token": 1e-6}  # the first step violates them
    columns = {"prompt": "question", "a": "one", "b": "two", "votes": ["label"]}
    document = {
        "name": "own",
        "verdicts": [{"path": "pairs.jsonl", "columns": columns, "words": {"a": "1", "b": "2"}, "kind": "person"}],
        "dataset": {"test_share": 0.5},
        "base": {**small, "on": "chosen", "hidden": 16},
        "reward_model": {**small, "base": "base"},
        "dpo": {**small, "base": "base", "learning_rate": 0.5, "guards": guards},
    }
    (folder / "run.yaml").write_text(json.dumps(document), encoding="utf-8")
    return folder / "run.yaml"


class OwnRun(NamedTuple):
    """A run over the user's own pairs, and how many answers the stage `reward_model` scored."""

    result: Result
    scored: int

    @property
    def folder(self) -> Path:
        return self.result.folder

    @property
    def page(self) -> str:
        return (self.folder / "summary.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> OwnRun:
    folder, scored, score = tmp_path_factory.mktemp("own"), list[int](), RewardModel.score

    def counted(self: RewardModel, rows: Any) -> Any:
        given = list(rows)
        scored.append(len(given))
        return score(self, given)

    run = Run.from_file(own_pairs(folder), folder=folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RewardModel, "score", counted)
        run(until="reward_model")
    return OwnRun(run(), sum(scored))


def test_every_held_out_accuracy_stands_next_to_what_needs_no_model(own_run: OwnRun) -> None:
    test = own_run.result.dataset["test"]
    longer = [len(row["chosen"][0]["content"]) > len(row["rejected"][0]["content"]) for row in test]
    first = [row["first"] == "chosen" for row in test]
    assert set(test["first"]) == {"chosen", "rejected"}
    for stage in ("reward_model", "dpo"):
        found = own_run.result.results[stage]
        rules = [found.estimate(name) for name in ("longer_answer_is_right", "first_answer_is_right")]
        expected = [sum(right) / len(right) for right in (longer, first)]
        assert [rule and rule.value for rule in rules] == pytest.approx(expected)
    page = own_run.page
    names = ("held out accuracy", "longer answer is right", "first answer is right")
    assert [page.count(f"- {name}: ") for name in names] == [2, 2, 2]
    model, file = own_run.folder / "models/reward_model", own_run.folder / "export/test.parquet"
    document = json.loads(amendment("evaluate", model, file, "--json").out)
    by_length = document["baselines"]["the longer answer"]["pairs"]["accuracy"]
    assert by_length["value"] == pytest.approx(sum(longer) / len(longer))
    assert document["always_first"]["value"] == pytest.approx(sum(first) / len(first))


def test_held_out_pairs_are_scored_once(own_run: OwnRun) -> None:
    assert own_run.scored == 2 * len(own_run.result.dataset["test"])
