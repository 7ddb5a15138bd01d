"""Two processes on the CPU train one model under `accelerate launch`: who draws what, what is gathered and saved."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amendment.dpo import DpoSettings, train_dpo
from amendment.errors import ConfigError
from amendment.training import LoraSettings

SCALE = Path(__file__).parents[2] / "examples" / "scale"
OPTIONS = ["--multi_gpu", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
COMMON: dict[str, Any] = {"batch_size": 4, "learning_rate": 1e-3, "max_length": 128, "trl": {"logging_steps": 1}}
SCRIPT = """
import json, os, sys
from pathlib import Path
from amendment.dpo import DpoSettings, train_dpo
base, out, pairs, settings, stop = json.loads(sys.argv[1])
def progress(step, *_):
    if step == stop:
        os._exit(9)
train_dpo(base, pairs, Path(out), DpoSettings(**settings), seed=3, progress=progress, guards=None)
"""


def launch(*arguments: str) -> int:
    """Two processes under `accelerate launch`, to their end. Its exit status."""
    command = [sys.executable, "-m", "accelerate.commands.launch", *OPTIONS, "--num_processes", "2"]
    return subprocess.run([*command, "--main_process_port", "0", *arguments], timeout=500, check=False).returncode


def dpo_killed_in_two(base: Path, pairs: Any, out: Path, settings: dict[str, Any], *, stop: int) -> None:
    """Train in two processes, killed at a step."""
    script = out.parent / "train.py"
    script.write_text(SCRIPT)
    assert launch(str(script), json.dumps([str(base), str(out), pairs, settings, stop])) != 0


def assert_equal_weights(trained: Path, other: Path, base: Path) -> None:
    """Up to a thousandth of the largest change by training; rounding of the sums makes about 1e-4 of it."""
    from safetensors.numpy import load_file

    start, ours, theirs = (load_file(folder / "model.safetensors") for folder in (base, trained, other))
    assert ours.keys() == theirs.keys()
    moved = max(abs(theirs[name] - start[name]).max() for name in start.keys() & theirs.keys())
    assert max(abs(ours[name] - theirs[name]).max() for name in ours) < 1e-3 * moved


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sft", {}),
        pytest.param("reward", {"labels": "soft"}, marks=pytest.mark.long),
        pytest.param("dpo", {"loss": "kto"}, marks=pytest.mark.long),
        pytest.param("dpo", {"lora": {"r": 4}}, marks=pytest.mark.long),
    ],
)
def test_the_example_trains_in_two_processes_as_in_one(
    method: str, more: dict[str, Any], base: Path, pairs: Any, tmp_path: Path
) -> None:
    from datasets import Dataset

    soft = {"p_chosen": [0.6, 0.7, 0.9] * 8, "weight": [1.0, 2.0, 3.0] * 8} if "labels" in more else {}
    rows = {name: [pair[name] for pair in pairs] for name in ("prompt", "chosen", "rejected")} | soft
    for side in ("chosen", "rejected"):
        rows[side] = [[{**answer[0], "tool_calls": None}] for answer in rows[side]]
    Dataset.from_dict(rows).to_parquet(tmp_path / "train.parquet")
    one, two = tmp_path / "one", tmp_path / "two"
    script = [str(SCALE / "train.py"), method, str(base), str(tmp_path)]
    settings = json.dumps(COMMON | more)
    subprocess.run([sys.executable, *script, str(one), settings], check=True, timeout=500)
    assert launch(*script, str(two), settings) == 0
    assert_equal_weights(two, one, base)
    ours, theirs = (json.loads((folder / "history.json").read_text()) for folder in (two, one))
    assert (ours["machine"]["processes"], theirs["machine"]["processes"]) == (2, 1)
    for our_step, their_step in zip(ours["history"], theirs["history"], strict=True):
        assert our_step["loss"] == pytest.approx(their_step["loss"], abs=1e-5)


@pytest.mark.long
def test_a_training_of_two_processes_is_ended_in_one(
    base: Path, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at step 6, after the checkpoint of step 4."""
    monkeypatch.setattr("amendment.training.workbench.cores", lambda: 1)  # as accelerate sets OMP_NUM_THREADS
    settings = COMMON | {"epochs": 2, "trl": {"logging_steps": 1, "save_steps": 4}}
    dpo_killed_in_two(base, pairs, tmp_path / "model", settings, stop=6)
    whole, result = (
        train_dpo(base, pairs, tmp_path / name, DpoSettings(**settings), seed=3, guards=None)
        for name in ("whole", "model")
    )
    [note] = result.notes
    assert "Resumed in 1 process" in note
    assert "checkpoint of 2 process" in note
    losses = [[entry["loss"] for entry in made.history] for made in (result, whole)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert_equal_weights(tmp_path / "model", tmp_path / "whole", base)
    assert not (tmp_path / "model.state").exists()


@pytest.mark.parametrize("name", ["fsdp.yaml", "zero3.yaml"])
def test_accelerate_reads_each_configuration_and_knows_every_key(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file  # type: ignore[import-untyped]
    from accelerate.commands.launch import launch_command_parser  # type: ignore[import-untyped]

    config = load_config_from_file(str(SCALE / name))
    assert config.distributed_type in ("FSDP", "DEEPSPEED")
    options = {action.dest for action in launch_command_parser()._actions}
    keys = {**config.fsdp_config, **config.deepspeed_config}
    assert keys
    assert keys.keys() <= options
    # the main process saves a whole model
    assert "FULL_STATE_DICT" in keys.values() or keys["zero3_save_16bit_model"]


def test_the_slurm_template_parses() -> None:
    subprocess.run(["bash", "-n", str(SCALE / "train.sbatch")], check=True)


def test_a_batch_that_processes_cannot_share_is_refused(
    base: Path, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    settings = DpoSettings(steps=1, batch_size=4, max_length=128)
    with pytest.raises(ConfigError, match="batch_size 4 cannot be split evenly over 3 processes"):
        train_dpo(base, pairs, tmp_path / "model", settings, guards=None)


@pytest.mark.parametrize("rows", [16, 136])
def test_the_rows_that_will_be_drawn_are_those_of_all_processes(rows: int) -> None:
    """Batches go to the processes in turn, so that what is drawn first by both is what stands first in the order."""
    from accelerate.data_loader import BatchSamplerShard  # type: ignore[import-untyped]  # no types published
    from torch.utils.data import BatchSampler

    from amendment.training.workbench import LengthPools, drawn

    order = LengthPools([i % 7 for i in range(rows)], 8, 5)
    shards = [list(BatchSamplerShard(BatchSampler(order, 4, drop_last=False), 2, rank)) for rank in (0, 1)]
    assert sorted(row for shard in shards for batch in shard for row in batch) == list(range(rows))
    first = {row for shard in shards for batch in shard[:2] for row in batch}  # two steps
    args = SimpleNamespace(max_steps=2, train_batch_size=4, gradient_accumulation_steps=1, world_size=2)
    assert first == set(list(order)[: drawn(args)])


def test_weights_gathered_from_parts_make_the_whole_model(base: Path) -> None:
    """What FSDP and DeepSpeed hand the main process: all weights by name. Merged, they are the model in one piece."""
    import torch
    from peft import get_peft_model

    from amendment.training.model_files import load_causal, lora_config, merged, quietly, rebuilt

    with quietly():
        plain = load_causal(base)
        for model in (plain, get_peft_model(load_causal(base), lora_config(LoraSettings(r=4), "CAUSAL_LM"))):
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.add_(0.01)
            gathered = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            again = merged(rebuilt(type(plain), model, gathered)).state_dict()
            expected = merged(model).state_dict()
            assert again.keys() == expected.keys()
            assert all(torch.equal(again[name], expected[name]) for name in expected)
