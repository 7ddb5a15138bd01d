"""A whole run through both vendors' batch services makes what the same run makes call by call."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from amendment.llm import batching
from amendment.llm.ledger_reading import Reader
from amendment.run import Run
from amendment.run.context import Patience
from tests.vendors.askers import QUICK
from tests.vendors.batches import BatchVendor, Ending
from tests.vendors.runs import WORLD, dataset_of, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import Fault, status
from tests.vendors.wire import Ask

PATIENT = Patience(attempts=30, longest_wait=0.02)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(world=WORLD) as made:
        yield made


@pytest.fixture(autouse=True)
def in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls come in hundredths of a second."""
    monkeypatch.setattr(batching, "Tempo", lambda: QUICK)


def made_in(folder: Path, server: FaultServer, mode: str) -> dict[str, bytes]:
    """The dataset of a run whose models are all asked in this way."""
    folder.mkdir(exist_ok=True)
    path = write_run(folder, server)
    run = json.loads(path.read_text())
    for model in run["models"].values():
        model["mode"] = mode
    path.write_text(json.dumps(run))
    Run.from_file(path, folder=folder / "run", patience=PATIENT)()
    return dataset_of(folder / "run")


def test_a_dataset_made_in_batches_is_the_one_made_online(server: FaultServer, tmp_path: Path) -> None:
    vendor = BatchVendor(server)
    online = made_in(tmp_path / "online", server, "online")
    assert vendor.made == {}
    n_online = sum(server.paid.values())
    assert made_in(tmp_path / "batch", server, "batch") == online
    assert sum(server.paid.values()) == n_online == sum(vendor.paid.values())
    assert set(vendor.paid.values()) == {1}
    assert vendor.violations == []
    with Reader(tmp_path / "batch" / "run" / "ledger.sqlite") as ledger:
        assert ledger.batches() == []
        assert ledger.open_attempts() == []


def test_rounds_of_a_chain_go_out_as_one_batch_each_and_not_item_by_item(server: FaultServer, tmp_path: Path) -> None:
    vendor = BatchVendor(server)
    made_in(tmp_path, server, "batch")
    n_lines = [len(made.lines) for made in vendor.made.values()]
    # 6 prompts, one critique of them: draft, critique, revision; one further answer; then both judges once or twice
    assert sum(n_lines) == sum(vendor.paid.values())
    assert len(n_lines) <= 12
    assert min(n_lines[:3]) == 6


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long), pytest.param(3, marks=pytest.mark.long)])
def test_a_dataset_made_by_the_worst_of_vendors_is_the_same(server: FaultServer, tmp_path: Path, seed: int) -> None:
    online = made_in(tmp_path / "online", server, "online")
    endings: dict[int, Ending] = {0: "expired", 1: "rate", 2: "server", 3: "missing"}

    def behaviour(key: str, nth: int) -> Ending:
        return endings.get((int(key[-6:], 16) + seed) % 16, "done") if nth == 1 else "done"

    luck = random.Random(seed)
    troubles = [status(500), status(429), Fault("reset", on_wire="reset"), Fault("cut", on_wire="cut")]

    def plan(ask: Ask) -> Fault | None:
        drawn = luck.random()
        return troubles[int(drawn * 16)] if drawn * 16 < len(troubles) else None

    vendor = BatchVendor(
        server, seed=seed, behaviour=behaviour, ends_as=("expired", "cancelled", "failed", "completed")
    )
    server.plan = plan
    assert made_in(tmp_path / "batch", server, "batch") == online
    assert set(vendor.paid.values()) == {1}
    assert vendor.violations == []
