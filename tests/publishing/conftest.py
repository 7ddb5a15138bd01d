"""What the tests of publishing share: runs that can be published, made once, and a copy of each for a test."""

from __future__ import annotations

import csv
import json
import shutil
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from amendment.run import Run
from amendment.simulator import sample_prompts
from tests.run.conftest import SMALL, Server

CHAIN, PEOPLE = "org/chain", "org/people"
HOSTILE = "votes `<b>|.csv"
PEOPLE_RUN = f"""\
name: people
seed: 3
pairs:
  - path: '{HOSTILE}'
    columns: {{prompt: prompt, a: one, b: two, votes: [anna.berg, bob]}}
    words: {{a: 1, b: 2, tie: 0}}
    license: cc-by-4.0
dataset: {{test_share: 0.25}}
base: {{on: nothing, steps: 1, tiny: {{hidden: 16, layers: 1, heads: 2, intermediate: 32, vocab: 400, context: 64}}}}
sft: {{base: base, on: chosen, steps: 1, batch_size: 2, max_length: 60}}
reward_model: {{base: base, steps: 1, batch_size: 2, max_length: 60}}
publish: {{repo: org/people, license: cc-by-4.0, models: {{sft: org/people-policy}}}}
"""
SECRET = "/home/anna.berg/secret-project/llama"


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to any other host fails the test at once."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        is_internet = self.family in (socket.AF_INET, socket.AF_INET6)
        assert not is_internet or address[0] in ("127.0.0.1", "::1"), f"a test tried to reach {address}"
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


def made(folder: Path, text: str) -> Path:
    """The folder of a run of this text."""
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder


@pytest.fixture(scope="session")
def chain_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chain of critiques, two sources of candidates, one judge."""
    return made(tmp_path_factory.mktemp("chain"), SMALL)


@pytest.fixture
def chain(chain_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(chain_folder, tmp_path / "chain"))


@pytest.fixture(scope="session")
def people_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the votes of two people, with a model and a reward model of one step each."""
    folder = tmp_path_factory.mktemp("people")
    with (folder / HOSTILE).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "one", "two", "anna.berg", "bob"])
        writer.writerows([f"what is {i}", f"it is {i}", f"who knows {i}", 1 + i % 2, 1 + i % 2] for i in range(8))
    return made(folder, PEOPLE_RUN)


@pytest.fixture
def people(people_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people_folder, tmp_path / "people"))


@pytest.fixture(scope="session")
def mixed_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one answer of its own server's and two imported ones, under a license of theirs, to each prompt."""
    folder = tmp_path_factory.mktemp("mixed")
    asked = [prompt.text for prompt in sample_prompts(4, 0)]
    rows = [{"prompt": text, "candidate": f"{said} {text}"} for text in asked for said in ("yes", "because")]
    (folder / "theirs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "asked.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in asked))
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        run = made(
            folder,
            "name: licensed\nconstitution: lilliput\n"
            "models:\n"
            f"  far: {{provider: openai, base_url: '{server.url}', model: {SECRET}}}\n"
            "  sim: {provider: simulated}\n"
            "prompts: [{path: asked.jsonl, license: cc-by-4.0}]\n"
            "candidates: [{path: theirs.jsonl, license: cc-by-nc-4.0}, {model: far, per_prompt: 1}]\n"
            "judging: {judges: [{model: sim, protocol: label-tokens}], orders: random, ties: keep}\n"
            "dataset: {test_share: 0.25}\n",
        )
        server.shutdown()
    return run
