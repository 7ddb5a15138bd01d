"""What the tests of publishing share: runs that can be published, made once, and a copy of each for a test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from amendment.run import Run
from amendment.simulator import sample_prompts
from tests.chat_server import ChatServer
from tests.hub_standin import Hub
from tests.rows import save
from tests.run.conftest import SMALL

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
base: {{on: nothing, steps: 1, hidden: 16, vocab: 400}}
sft: {{base: base, on: chosen, steps: 1, batch_size: 2, max_length: 60}}
reward_model: {{base: base, steps: 1, batch_size: 2, max_length: 60}}
publish: {{repo: org/people, license: cc-by-4.0, models: {{sft: org/people-policy}}}}
"""
SECRET = "/home/anna.berg/secret-project/llama"


def made(folder: Path, text: str) -> Path:
    """The folder of a run of this text."""
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return Run.from_file(folder / "run.yaml", folder=folder / "run")().folder


def pairs_run(folder: Path, *sources: str, rows: int = 8) -> Path:
    """The folder of a run of pairs that somebody brought: a file of some for each of the sources."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for n, source in enumerate(sources):
        asked = [f"what is {rows * n + i}" for i in range(rows)]
        save(folder / f"{n}.csv", [{"prompt": f"{q}?", "chosen": f"it is {q}", "rejected": f"who {q}"} for q in asked])
        entries.append(f"  - {{path: {n}.csv, {source}}}\n")
    return made(folder, f"name: pairs\nseed: 4\npairs:\n{''.join(entries)}dataset: {{test_share: 0.25}}\n")


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as made:
        yield made


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
    votes = [{"anna.berg": 1 + i % 2, "bob": 1 + i % 2} for i in range(8)]
    texts = [{"prompt": f"what is {i}", "one": f"it is {i}", "two": f"who knows {i}"} for i in range(8)]
    save(folder / HOSTILE, [{**text, **vote} for text, vote in zip(texts, votes, strict=True)])
    return made(folder, PEOPLE_RUN)


@pytest.fixture
def people(people_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(people_folder, tmp_path / "people"))


@pytest.fixture(scope="session")
def mixed_answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with one answer of its own server's and two imported ones, under a license of theirs, to each prompt."""
    folder = tmp_path_factory.mktemp("mixed")
    asked = [prompt.text for prompt in sample_prompts(4, 0)]
    theirs = [{"prompt": text, "candidate": f"{word} {text}"} for text in asked for word in ("yes", "because")]
    save(folder / "theirs.jsonl", theirs)
    save(folder / "asked.jsonl", [{"prompt": text} for text in asked])
    with ChatServer() as server:
        return made(
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
