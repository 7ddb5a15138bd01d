"""A training that is killed and started again: its folder, its checkpoints, its weights."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from amendment.dpo import DpoSettings, Guards, SftSettings, train_dpo, train_sft
from amendment.errors import TrainingError
from amendment.reward_model import RewardSettings, train_reward
from amendment.training import TrainerSettings
from tests.vendors.processes import started

PLAIN = TrainerSettings(learning_rate=0.01, steps=4, batch_size=4, max_length=128)
ROWS = [{"prompt": [], "n": 1}]


def test_a_training_finds_its_own_state_and_no_others(base: Path, tmp_path: Path) -> None:
    from amendment.training.workbench import workbench

    def state(base: Path = base, rows: Any = ROWS, seed: int = 1, depends: Any = None, **update: Any) -> Path:
        settings = PLAIN.model_copy(update=update)
        with workbench(base, tmp_path / "model", settings, seed, rows=rows, depends=depends) as bench:
            return bench.state

    first = state()
    assert first.parent == tmp_path / "model.state"
    assert not first.parent.exists(), "made by whoever writes to it"
    first.mkdir(parents=True)
    assert state(trl={"save_steps": 2}) == first
    assert first.is_dir()
    copy = shutil.copytree(base, tmp_path / "copy")
    (copy / "generation_config.json").write_text("{}")
    others = {
        state(seed=2),
        state(rows=[*ROWS, {}]),
        state(learning_rate=0.02),
        state(depends=Guards().identity),
        state(base=copy),
    }
    assert len(others - {first}) == 5
    assert not first.exists(), "another training in its place removes it"


class Killed(BaseException):
    """What no handler of an error takes: to the code under test as final as a signal."""


def train(kind: str, base: Path, out: Path, pairs: Any, *, stop: int | None = None, **given: Any) -> list[int]:
    """Train a policy or a reward model; with `stop`, until that entry of the history and no further. The steps told."""

    def progress(step: int, steps: int, metrics: dict[str, float]) -> None:
        told.append(step)
        if step == stop:
            raise Killed

    told: list[int] = []
    common: dict[str, Any] = {"learning_rate": 1e-2, "max_length": 128}
    common |= {**given, "trl": {"logging_steps": 3, "save_steps": 4, **given.get("trl", {})}}
    match kind:
        case "sft":
            rows = [{"messages": [*pair["prompt"], *pair["chosen"]]} for pair in pairs]
            train_sft(base, rows, out, SftSettings(**common), seed=3, progress=progress)
        case "reward":
            train_reward(base, pairs, out, RewardSettings(**common), seed=3, progress=progress)
        case loss:
            settings = DpoSettings(**common, loss=loss, **({"beta": 2.0} if loss == "simpo" else {}))
            train_dpo(base, pairs, out, settings, seed=3, progress=progress)
    return told


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


EIGHT: dict[str, Any] = {"steps": 8, "batch_size": 4}


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("sft", EIGHT | {"lora": {"r": 4}}),
        ("reward", EIGHT),
        ("sigmoid", EIGHT),
        ("kto", EIGHT),
    ],
)
def test_a_killed_training_ends_as_one_that_was_not(
    kind: str, how: dict[str, Any], base: Path, pairs: Any, tmp_path: Path
) -> None:
    """24 rows in batches of 4 are 6 steps an epoch. Step 4 is saved, and logged for that; it is killed at step 6."""
    whole, killed = tmp_path / "a" / "model", tmp_path / "b" / "model"
    assert train(kind, base, whole, pairs, **how) == [1, 3, 4, 6]
    with pytest.raises(Killed):
        train(kind, base, killed, pairs, stop=6, **how)
    assert not killed.exists()
    assert train(kind, base, killed, pairs, **how) == [6]
    assert contents(killed) == contents(whole)
    assert [path.name for path in killed.parent.iterdir()] == ["model"]


@pytest.mark.parametrize(("kind", "sharding"), [("sft", "FSDP"), ("sigmoid", "whole copies")])
def test_a_checkpoint_that_this_launch_cannot_read_is_refused_and_kept(
    kind: str, sharding: str, base: Path, pairs: Any, tmp_path: Path
) -> None:
    """Of other sharding; or, as guards watch in one process alone, of a guarded training (sigmoid) in two."""
    out = tmp_path / "model"
    with pytest.raises(Killed):
        train(kind, base, out, pairs, stop=6, **EIGHT)
    [file] = out.with_name("model.state").glob("*/checkpoint-4/trainer_state.json")
    state = json.loads(file.read_text())
    state["stateful_callbacks"]["Watch"]["attributes"]["launch"] |= {"processes": 2, "sharding": sharding}
    file.write_text(json.dumps(state))
    with pytest.raises(TrainingError, match=rf"wrote it: 2 \({sharding}\); processes now: 1 .*launch as before"):
        train(kind, base, out, pairs, **EIGHT)
    assert file.exists()


def test_a_half_written_checkpoint_leads_to_the_older_one_and_none_to_the_start(
    base: Path, pairs: Any, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "a" / "model", tmp_path / "b" / "model"
    train("reward", base, whole, pairs, **EIGHT)
    with pytest.raises(Killed):
        train("reward", base, killed, pairs, stop=6, **EIGHT)
    [state] = killed.with_name("model.state").iterdir()
    (state / "checkpoint-7").mkdir()
    (state / "checkpoint-7/model.safetensors").write_bytes(b"half")
    kept = shutil.copytree(state.parent, tmp_path / "kept")
    assert train("reward", base, killed, pairs, **EIGHT) == [6]
    assert contents(killed) == contents(whole)
    # a crash between saving the model and removing the state costs steps and nothing else
    kept.rename(state.parent)
    (state / "checkpoint-4/trainer_state.json").write_text("{")
    assert train("reward", base, killed, pairs, **EIGHT) == [1, 3, 4, 6]
    assert contents(killed) == contents(whole)
    assert not state.parent.exists()


@pytest.mark.long
def test_a_signal_that_cannot_be_caught(base: Path, pairs: Any, tmp_path: Path) -> None:
    """The child says when its checkpoint is whole and waits for the signal: nothing depends on who is faster."""
    script = (
        "import json, sys, threading\n"
        "from amendment.dpo import DpoSettings, train_dpo\n"
        "def progress(step, steps, metrics):\n"
        "    if step == 6:\n"
        "        print('here', flush=True)\n"
        "        threading.Event().wait()\n"
        "base, out, pairs = json.load(sys.stdin)\n"
        "settings = DpoSettings(steps=8, batch_size=4, learning_rate=1e-2, max_length=128,"
        " trl={'logging_steps': 3, 'save_steps': 4})\n"
        "train_dpo(base, pairs, out, settings, seed=3, progress=progress)\n"
    )
    killed = tmp_path / "model"
    command = [sys.executable, "-c", script]
    with started(command, stdin=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(json.dumps([str(base), str(killed), pairs]))
        child.stdin.close()
        assert child.stdout.readline() == "here\n"
        child.kill()
    assert list(killed.with_name("model.state").glob("*/checkpoint-4"))
    assert train("sigmoid", base, killed, pairs, **EIGHT) == [6]
