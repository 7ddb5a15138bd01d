"""A run that ends while a batch is out says what becomes of the batch."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amendment.llm import batching
from amendment.run import Patience, Paused, Run
from tests.run.small_runs import Said
from tests.vendors.askers import QUICK
from tests.vendors.batches import BatchVendor
from tests.vendors.runs import WORLD, write_run
from tests.vendors.server import FaultServer
from tests.vendors.troubles import status


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(world=WORLD) as started:
        yield started


def batched(folder: Path, server: FaultServer) -> Path:
    """The small run file, with its writer asked in batches."""
    file = write_run(folder, server)
    settings = json.loads(file.read_text(encoding="utf-8"))
    settings["models"]["writer"]["mode"] = "batch"
    file.write_text(json.dumps(settings), encoding="utf-8")
    return file


def test_an_interrupt_while_a_batch_is_out_says_that_it_goes_on_and_how_to_pick_it_up(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "Tempo", lambda: QUICK)
    vendor = BatchVendor(server)
    vendor.polls_to_end = 10**9
    progress = Said()

    def interrupt() -> None:
        ends = time.monotonic() + 15
        while not vendor.is_polled() and time.monotonic() < ends:
            time.sleep(0.005)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        Run.from_file(batched(tmp_path, server), folder=tmp_path / "run", progress=progress)()
    thread.join()
    assert vendor.is_polled()
    (line,) = [line for line in progress.lines if "batch" in line]
    assert "is still being worked on; nothing is lost: run again to pick it up" in line


def test_polls_that_fail_for_longer_than_max_wait_pause_the_run(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "Tempo", lambda: QUICK)
    BatchVendor(server)
    server.plan = lambda ask: status(500) if ask.method == "GET" else None
    with pytest.raises(Paused, match=r"nothing but faults for 0\.2 s.*run again to pick it up"):
        Run.from_file(batched(tmp_path, server), folder=tmp_path / "run", patience=Patience(max_wait=0.2))()
