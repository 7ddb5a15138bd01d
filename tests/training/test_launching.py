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

SCRIPT = """
import json, sys
from pathlib import Path
from amendment.dpo import DpoSettings, train_dpo
base, out, pairs, settings = json.loads(Path(sys.argv[1]).read_text())
steps, settings = [], DpoSettings(**settings)
result = train_dpo(base, pairs, Path(out), settings, seed=3, progress=lambda step, *_: steps.append(step))
if steps:
    made = [steps, result.notes, result.machine, result.history]
    Path(sys.argv[1]).write_text(json.dumps(made))
"""


@pytest.mark.long
def test_two_processes_take_the_steps_of_one_that_takes_their_batches_in_turn(
    base: Path, pairs: Any, tmp_path: Path
) -> None:
    """A step of two processes with two pairs each is that of one process over two batches of two: equal gradients but
    for the order of their sums."""
    from safetensors.numpy import load_file

    common = {"batch_size": 4, "learning_rate": 1e-3, "max_length": 128, "log_every": 1}
    (tmp_path / "train.py").write_text(SCRIPT)
    job, out = tmp_path / "job.json", tmp_path / "two" / "model"
    job.write_text(json.dumps([str(base), str(out), pairs, common]))
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    options = ["--main_process_port", "0", "--mixed_precision", "no", "--num_machines", "1", "--dynamo_backend", "no"]
    subprocess.run([*launch, *options, str(tmp_path / "train.py"), str(job)], check=True, timeout=500)
    steps, notes, machine, history = json.loads(job.read_text())
    assert steps == [1, 2, 3, 4, 5, 6]  # of the main process
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    assert machine["processes"] == 2
    assert notes == ["guards: nothing was watched, since several processes trained; they work in one."]

    in_turn = DpoSettings(**common | {"batch_size": 2, "trl": {"gradient_accumulation_steps": 2}})
    alone = train_dpo(base, pairs, tmp_path / "one", in_turn, seed=3, guards=None)
    losses = [[entry["loss"] for entry in entries] for entries in (history, alone.history)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    start, ours, theirs = (load_file(folder / "model.safetensors") for folder in (base, out, tmp_path / "one"))
    moved = max(abs(theirs[name] - start[name]).max() for name in start)
    assert max(abs(ours[name] - theirs[name]).max() for name in start) < 0.01 * moved


def test_a_batch_that_processes_cannot_share_is_refused(
    base: Path, pairs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    settings = DpoSettings(steps=1, batch_size=4, max_length=128)
    with pytest.raises(ConfigError, match="batch_size 4 cannot be split evenly over 3 processes"):
        train_dpo(base, pairs, tmp_path / "model", settings, guards=None)


@pytest.mark.parametrize("rows", [16, 40, 136])
def test_the_rows_that_will_be_drawn_are_those_of_all_processes(rows: int) -> None:
    """Batches go to the processes in turn, so that what is drawn first by both is what stands first in the order."""
    from accelerate.data_loader import BatchSamplerShard  # type: ignore[import-untyped]  # no types published
    from torch.utils.data import BatchSampler

    from amendment.training.workbench import LengthPools, drawn

    order = LengthPools([i % 7 for i in range(rows)], 4, 5)
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
