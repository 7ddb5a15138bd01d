"""How long a reward call takes for one group of GRPO, and what a server that is down costs.

    python benchmarks/reward_calls.py

A judge of pairs compares the completions of a group with each other, in both orders, on a loopback server that answers
after 0.2 s (`fast_server.py`). Then the server refuses everything, and the step waits as long as its patience says.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from amendment.constitutions import load_constitution
from amendment.preference import Judge
from amendment.run import Run

WAIT = 0.2
PATIENCE = 3.0
CONCURRENCY = 16
FALLBACK = -0.5


def call(port: int, path: str, size: int, *, steps: int) -> str:
    """A line of the table: the median call of several, each with new completions."""
    entry = {
        "provider": "openai",
        "base_url": f"http://127.0.0.1:{port}/{path}/v1",
        "model": "m",
        "price": {"input": 0, "output": 0},
        "concurrency": CONCURRENCY,
    }
    settings = {"name": "rewards", "constitution": "helpful-honest", "models": {"judge": entry}}
    with tempfile.TemporaryDirectory() as folder, Run.from_dict(settings, folder=folder) as run:
        model = run.models["judge"]
        judge = Judge.from_folder("verdict", model=model, constitution=load_constitution("helpful-honest"))
        reward = judge.as_reward(patience=PATIENCE, fallback=FALLBACK)
        seconds, sent, rewards = [], [], list[float | None]()
        for step in range(steps):
            before, begun = model.calls.sent, time.monotonic()
            rewards = asyncio.run(reward(["Hi"] * size, [f"answer {i} of step {step}" for i in range(size)]))
            seconds.append(time.monotonic() - begun)
            sent.append(model.calls.sent - before)
    middle = sorted(seconds)[steps // 2]
    calls = sorted(sent)[steps // 2]
    return f"| {path} | {size} | {calls} | {calls * WAIT:.1f} | {middle:.2f} | {rewards.count(FALLBACK)} |"


def main() -> None:
    logging.disable(logging.WARNING)  # what fails is meant to
    command = [sys.executable, str(Path(__file__).with_name("fast_server.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin
        assert server.stdout
        port = int(server.stdout.readline())
        print("| server | group | calls | one after another, s | measured, s | given the fallback |")
        print("|---|---|---|---|---|---|")
        for size in (4, 8, 16):
            print(call(port, f"wait:{WAIT * 1000:.0f}", size, steps=5), flush=True)
        print(call(port, "refuse:1:1", 8, steps=1), flush=True)
        server.stdin.close()


if __name__ == "__main__":
    main()
