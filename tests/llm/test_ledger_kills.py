"""A process that is killed in the midst of writing has lost nothing that it was told is on disk."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from amendment.llm.ledger_checking import verify
from amendment.llm.ledger_recording import Ledger

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import asyncio, itertools, sys
from pathlib import Path
from amendment.llm import Ledger
from tests.llm.ledger_calls import begin, NOTHING, raw_of, batch_call

async def one(ledger, name):
    attempt = await begin(ledger, name)
    print("begun", name, flush=True)
    await ledger.commit(attempt, raw_of(name), NOTHING)
    print("replied", name, flush=True)

async def work(ledger, first):
    for i in itertools.count(first, 8):
        await asyncio.gather(*(one(ledger, f"r{j}") for j in range(i, i + 8)))
        batch = (await ledger.open_batch(f"shard{i}", [batch_call(f"b{i}")])).number
        print("batch", f"shard{i}", flush=True)

with Ledger(Path(sys.argv[1])) as ledger:
    asyncio.run(work(ledger, int(sys.argv[2])))
"""


def killed_after(path: Path, first: int, lines: int) -> list[list[str]]:
    """What a writer had been told when it was killed, which happened somewhere after so many lines."""
    command = [sys.executable, "-c", WRITER, str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        told += [line for line in writer.stdout if line.endswith("\n")]
    return [line.split() for line in told]


def kill_and_look(path: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    told: list[list[str]] = []
    for kill in range(kills):
        told += killed_after(path, kill * 100_000, chance.randint(1, 120))
        assert verify(path).damage == ()
    with Ledger(path) as ledger:
        shards = {batch.shard for batch in ledger.batches()}
        opened = {one.request for one in ledger.open_attempts()}
        for what, name in told:
            if what == "batch":
                assert name in shards
            elif what == "replied":
                assert ledger.find(name) == b"\x00\xffreply to " + name.encode()
            else:
                assert ledger.find(name) or name in opened


def test_whatever_was_acknowledged_survives_four_kills(tmp_path: Path) -> None:
    kill_and_look(tmp_path / "ledger.sqlite", kills=4, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(5))
def test_whatever_was_acknowledged_survives_very_many_kills(tmp_path: Path, seed: int) -> None:
    kill_and_look(tmp_path / "ledger.sqlite", kills=40, seed=seed)
