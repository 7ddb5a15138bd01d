"""Runs over HTTP that are told to stop: what is on the wire is received and kept, nothing else is sent."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from amendment.run import Run, RunResult
from amendment.run.status import read_status
from tests.run.small_runs import replies
from tests.vendors.processes import SECONDS, command, started, wait_until
from tests.vendors.runs import CONCURRENCY, dataset_of, fixtures, write_run
from tests.vendors.server import FaultServer

CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}


one_server, undisturbed, quick_server = fixtures()


@pytest.fixture
def server(quick_server: FaultServer) -> FaultServer:
    quick_server.latency = 0.5
    return quick_server


@pytest.mark.parametrize("number", CODES)
def test_a_signal_lets_what_is_on_the_wire_come_in_and_no_reply_is_paid_for_twice(
    server: FaultServer, undisturbed: RunResult, tmp_path: Path, number: signal.Signals
) -> None:
    path = write_run(tmp_path, server)
    with started(command(path)) as process:
        wait_until(lambda: server.received.total() > CONCURRENCY and server.most_at_once == CONCURRENCY, process)
        sent = server.received.total()
        process.send_signal(number)
        _, said = process.communicate(timeout=SECONDS)
    server.settle()
    assert process.returncode == CODES[number]
    assert "Traceback" not in said
    assert said.strip().split("\n")[-1] == f"interrupted. Resume with: amendment run {path} --folder {tmp_path / 'run'}"
    assert read_status(tmp_path / "run")["ended"] == "interrupted"
    assert sent <= server.received.total() <= sent + CONCURRENCY < undisturbed.sent
    assert server.lost.total() == 0
    assert replies(tmp_path / "run") == server.paid.total() == server.received.total()

    server.latency = 0.0
    result = Run.from_file(path, folder=tmp_path / "run")()
    assert dataset_of(tmp_path / "run") == dataset_of(undisturbed.folder)
    assert server.paid.total() == server.received.total() == undisturbed.sent
    assert result.sent < undisturbed.sent
