"""A small whole run over HTTP: both vendors' protocols, a critique, drawn answers, and two kinds of judges."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amendment.llm.opening import shown_name
from amendment.llm.specs import SimulatedSpec
from amendment.run import Patience, Run, RunResult
from tests.vendors.answers import World
from tests.vendors.server import FaultServer
from tests.vendors.troubles import never

WRITER = SimulatedSpec(provider="simulated", writer="careless")
JUDGE = SimulatedSpec(provider="simulated", biases={"position": 0.7})
READER = SimulatedSpec(provider="simulated", logprobs=False, noise=2.0)
WORLD = World(WRITER, JUDGE, READER)
CONCURRENCY = 4
"""Calls in flight to each of the three models."""
PRICE = {"input": 1.0, "output": 2.0}
"""USD per million tokens of each of them."""


def write_run(folder: Path, server: FaultServer, *, prompts: int = 6, **top: Any) -> Path:
    """A run file that asks this server, whose world has to be `WORLD`; `top` are further keys of it."""
    common = {"concurrency": CONCURRENCY, "timeout": 30, "max_tokens": 200, "price": PRICE}
    openai = {"provider": "openai", "base_url": server.url, **common}
    anthropic = {"provider": "anthropic", "base_url": server.origin, **common}
    judges = [{"model": "judge", "protocol": "label-tokens"}, {"model": "reader", "protocol": "verdict"}]
    path = folder / "run.yaml"
    run = {
        "name": "faults",
        "seed": 7,
        "constitution": "lilliput",
        "models": {
            "writer": {**openai, "model": shown_name(WRITER)},
            "judge": {**openai, "model": shown_name(JUDGE)},
            "reader": {**anthropic, "model": shown_name(READER)},
        },
        "prompts": [{"lilliput": prompts}],
        "critique": {"model": "writer", "rounds": 1},
        "candidates": [{"from": "critique", "take": "last"}, {"model": "writer", "per_prompt": 1}],
        "judging": {"judges": judges, "orders": "both", "principles_per_pair": 1},
        "dataset": {"test_share": 0.25},
        **top,
    }
    path.write_text(json.dumps(run), encoding="utf-8")
    return path


def dataset_of(folder: Path) -> dict[str, bytes]:
    """The dataset's files, byte for byte."""
    return {path.name: path.read_bytes() for path in sorted((folder / "dataset").glob("*.parquet"))}


def fixtures(
    *,
    latency: float = 0.0,
    patience: Patience = Patience(),  # noqa: B008
    prompts: int = 6,
    **top: Any,
) -> tuple[Any, Any, Any]:
    """For a module of tests: its fixtures `one_server`, `undisturbed` and `server`, to be assigned to these names.

    They are a server, the result of the run that saw no fault, and the same server as if nobody had asked it yet. `top`
    are further keys of the run file.
    """

    @pytest.fixture(scope="module")
    def one_server() -> Iterator[FaultServer]:
        with FaultServer(world=WORLD, latency=latency) as started:
            yield started

    @pytest.fixture(scope="module")
    def undisturbed(one_server: FaultServer, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
        folder = tmp_path_factory.mktemp("undisturbed")
        return Run.from_file(
            write_run(folder, one_server, prompts=prompts, **top), folder=folder / "run", patience=patience
        )()

    @pytest.fixture
    def server(one_server: FaultServer, undisturbed: RunResult) -> FaultServer:
        one_server.plan, one_server.latency = never, latency
        one_server.forget()
        return one_server

    return one_server, undisturbed, server
