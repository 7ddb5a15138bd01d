"""A base or a model on the Hub is that of one commit, and results say which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from amendment.training import TinyModel, build_tiny

OLD, NEW = "a" * 40, "b" * 40
SCRIPT = """\
import hashlib, json, sys
from pathlib import Path
from amendment.dpo import DpoSettings, SftSettings, policy_margins, train_dpo, train_sft
from amendment.errors import ConfigError
from amendment.llm import LocalSpec, open_provider
from amendment.reward_model import RewardModel, RewardSettings, train_reward
from amendment.training import check_base

out, old = Path(sys.argv[1]), sys.argv[2]
say = lambda text: [{"role": "assistant", "content": text}]
pairs = [{"prompt": [{"role": "user", "content": f"q {i}"}], "chosen": say("yes"), "rejected": say("no")}
         for i in range(4)]
common = {"steps": 1, "batch_size": 2, "learning_rate": 1e-30}
for revision in (None, old):
    name = revision or "main"
    rows = [{"prompt": pair["prompt"], "completion": pair["chosen"]} for pair in pairs]
    train_sft("org/tiny", rows, out / f"sft-{name}", SftSettings(**common, revision=revision))
    train_reward("org/tiny", pairs, out / f"rm-{name}", RewardSettings(**common, revision=revision))
settings = DpoSettings(**common, revision=old)
train_dpo("org/tiny", pairs, out / "dpo", settings)
assert abs(policy_margins(out / "dpo", "org/tiny", pairs, settings)).max() < 1e-6
RewardModel.load(out / f"rm-{old}")
provider = open_provider(LocalSpec(provider="local", model="org/tiny", revision=old))
print(provider._name)
try:
    check_base("org/tiny", "c" * 40)
except ConfigError as error:
    print(error)
"""


def cached(home: Path) -> None:
    """A Hub cache with two commits of one model, of which `main` is the newer."""
    root = home / "hub" / "models--org--tiny"
    for seed, commit in enumerate((OLD, NEW)):
        shape = TinyModel(hidden=16, layers=1, heads=2, intermediate=32, vocab=400, context=64)
        build_tiny(root / "snapshots" / commit, ["yes no"] * 4, shape, seed)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(NEW)


def test_the_commit_is_resolved_used_and_recorded(tmp_path: Path) -> None:
    cached(tmp_path / "home")
    environ = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    environ = {name: value for name, value in environ.items() if name not in ("HF_HUB_CACHE", "TRANSFORMERS_CACHE")}
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "out"), OLD]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"org/tiny@{OLD}"
    assert "not in the Hub's cache" in done.stdout

    def record(folder: str, file: str = "history") -> str:
        return str(json.loads((tmp_path / "out" / folder / f"{file}.json").read_text())["base_commit"])

    assert (record("sft-main"), record(f"sft-{OLD}"), record("dpo")) == (NEW, OLD, OLD)
    assert (record("rm-main", "reward_meta"), record(f"rm-{OLD}", "reward_meta")) == (NEW, OLD)
    assert (record("rm-main"), record(f"rm-{OLD}")) == (NEW, OLD)
    for kind in ("sft", "rm"):
        weights = {(tmp_path / "out" / f"{kind}-{name}" / "model.safetensors").read_bytes() for name in ("main", OLD)}
        assert len(weights) == 2
