"""Two processes on the CPU train one model: who draws what, what comes through, and that nothing is left over."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from amendment.dpo import DpoSettings, SftSettings, train_dpo, train_sft
from amendment.errors import ConfigError, DataError, TrainingError
from amendment.reward_model import RewardModel, RewardSettings, train_reward
from amendment.training import LaunchSettings, LoraSettings

TWO: dict[str, Any] = {
    "launch": LaunchSettings(processes=2),
    "batch_size": 4,
    "learning_rate": 1e-2,
    "max_length": 128,
    "log_every": 1,
}


@pytest.mark.long
def test_two_processes_take_the_steps_of_one_that_takes_their_batches_in_turn(
    base: Path, pairs: Any, tmp_path: Path
) -> None:
    """A step of two processes with two pairs each is that of one process over two batches of two: equal gradients but
    for the order of their sums."""
    from safetensors.numpy import load_file

    steps: list[int] = []
    common = TWO | {"learning_rate": 1e-3}
    out = tmp_path / "two" / "model"
    result = train_dpo(base, pairs, out, DpoSettings(**common), seed=3, progress=lambda *news: steps.append(news[0]))
    assert steps == [1, 2, 3, 4, 5, 6]  # told by one of the processes
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    assert result.machine["processes"] == 2
    assert result.notes == ("guards: nothing was watched, since launched processes trained; they work without launch.",)

    in_turn = common | {"launch": None, "batch_size": 2, "trl": {"gradient_accumulation_steps": 2}}
    alone = train_dpo(base, pairs, tmp_path / "one", DpoSettings(**in_turn), seed=3, guards=None)
    assert alone.steps == result.steps == 6
    losses = [[entry["loss"] for entry in one.history] for one in (result, alone)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    start, ours, theirs = (load_file(folder / "model.safetensors") for folder in (base, out, tmp_path / "one"))
    moved = max(abs(theirs[name] - start[name]).max() for name in start)
    assert max(abs(ours[name] - theirs[name]).max() for name in start) < 0.01 * moved


@pytest.mark.long
def test_two_processes_go_on_after_a_kill_and_equal_runs_are_equal(base: Path, pairs: Any, tmp_path: Path) -> None:
    """The second run is stopped after its checkpoint, in the second epoch, and goes on.

    Between being told to stop and stopping it may have ended; then the last call is a second whole run.
    """

    def stop(step: int, steps: int, metrics: dict[str, float]) -> None:
        if step == 8:
            raise KeyboardInterrupt

    first, second = tmp_path / "a" / "model", tmp_path / "b" / "model"
    settings = DpoSettings(**TWO, epochs=2, checkpoint_every=7, lora=LoraSettings(r=4))
    result = train_dpo(base, pairs, first, settings, seed=3)
    assert result.steps == 12
    with pytest.raises(KeyboardInterrupt):
        train_dpo(base, pairs, second, settings, seed=3, progress=stop)
    steps: list[int] = []
    again = train_dpo(base, pairs, second, settings, seed=3, progress=lambda *news: steps.append(news[0]))
    assert steps[0] in (1, 8)
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    assert again.history == result.history


@pytest.mark.long
def test_two_processes_train_a_reward_model(base: Path, pairs: Any, tmp_path: Path) -> None:
    assert train_reward(base, pairs, tmp_path / "model", RewardSettings(**TWO, epochs=3), seed=3).steps == 18
    model = RewardModel.load(tmp_path / "model")
    sides = [model.score([{**row, "completion": row[side]} for row in pairs]) for side in ("chosen", "rejected")]
    assert (sides[0] > sides[1]).mean() > 0.9


@pytest.mark.long
def test_an_error_in_the_processes_is_one_error_here(base: Path, pairs: Any, tmp_path: Path) -> None:
    rows = [*pairs[:-1], pairs[-1] | {"weight": -1}]
    with pytest.raises(DataError, match="row 24: weight: expected a weight of 0 or more, found -1"):
        train_dpo(base, rows, tmp_path / "model", DpoSettings(**TWO))
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_launched_is_told(base: Path, pairs: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="launch: rows and settings have to be plain data"):
        train_sft(base, [{"messages": lambda: 1}], tmp_path / "model", SftSettings(**TWO))
    config = tmp_path / "accelerate.yaml"
    config.write_text("distributed_type: MULTI_GPU\nno_such_key: 1\n")
    settings = DpoSettings(**TWO | {"launch": LaunchSettings(processes=2, config=str(config))})
    with pytest.raises(TrainingError, match=r"(?s)ended with code 1; its last lines:.*no_such_key"):
        train_dpo(base, pairs, tmp_path / "model", settings)


@pytest.mark.long
def test_when_the_parent_is_killed_its_processes_end(base: Path, pairs: Any, tmp_path: Path) -> None:
    script = (
        "import json, sys\n"
        "from amendment.dpo import DpoSettings, train_dpo\n"
        "base, out, pairs, settings = json.load(sys.stdin)\n"
        "train_dpo(base, pairs, out, DpoSettings(**settings), progress=lambda *_: print('step', flush=True))\n"
    )
    settings = DpoSettings(**TWO, steps=100_000).model_dump(mode="json", exclude_unset=True)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdin
        assert parent.stdout
        parent.stdin.write(json.dumps([str(base), str(tmp_path / "model"), pairs, settings]))
        parent.stdin.close()
        assert parent.stdout.readline() == "step\n"
        running = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
        below = [process for process in running if _descends(process, parent.pid)]
        assert len(below) >= 3  # the launcher, and two that train
        parent.kill()
    deadline = time.monotonic() + 60
    while any(_stat(process) not in (None, "Z") for process in below):
        assert time.monotonic() < deadline, "processes outlived their parent"
        time.sleep(0.05)


def _stat(process: int, field: int = 0) -> str | None:
    """State (0) or parent (1) of a process; None where it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[field]
    except OSError:
        return None


def _descends(process: int, from_: int) -> bool:
    above = int(_stat(process, 1) or 0)
    return above == from_ or (above > 1 and _descends(above, from_))


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
